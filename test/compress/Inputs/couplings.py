#!/usr/bin/env python3
"""couplings.py FOLDER: small networks with random weights, one for each way in which channels hang
together."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "utils"))
from netgen.net import Net, ints  # noqa: E402


class Maker(Net):
    """Ops with their shapes worked out; values are (name, shape)."""

    def conv(self, v, co, k=1, groups=1, stride=1, transposed=False):
        x, (n, h, w, c) = v
        weight = self.const((co, k, k, c // groups), 0.5, share=0)
        bias = self.const((co,), 0.5, share=0)
        at = [f"groups={groups}"] if groups > 1 else []
        at += [f"stride=[{stride},{stride}]"] if stride > 1 else []
        if transposed:
            oh, ow = (h - 1) * stride + k, (w - 1) * stride + k
        else:
            at += [f"pad={ints((k // 2,) * 4)}"] if k > 1 else []
            oh, ow = (h + 2 * (k // 2) - k) // stride + 1, (w + 2 * (k // 2) - k) // stride + 1
        op = "conv_transpose2d" if transposed else "conv2d"
        return self.op(f"{op} {x}, {weight}, {bias} {{{', '.join(at)}}}", (n, oh, ow, co), reads=[x])

    def linear(self, v, n):
        x, s = v
        w, b = self.const((n, s[-1]), 0.5, share=0), self.const((n,), 0.5, share=0)
        return self.op(f"linear {x}, {w}, {b}", s[:-1] + (n,), reads=[x])

    def un(self, op, v, attrs=""):
        return self.op(f"{op} {v[0]} {attrs}", v[1], reads=[v[0]])

    def two(self, op, a, b, shape=None):
        return self.op(f"{op} {a[0]}, {b[0]}", shape or a[1], reads=[a[0], b[0]])

    def reshape(self, v, *shape):
        return self.op(f"reshape {v[0]} {{shape={ints(shape)}}}", tuple(shape), reads=[v[0]])

    def transpose(self, v, *perm):
        return self.op(f"transpose {v[0]} {{perm={ints(perm)}}}", tuple(v[1][p] for p in perm), reads=[v[0]])

    def concat(self, axis, *vs):
        s = list(vs[0][1])
        s[axis] = sum(v[1][axis] for v in vs)
        return self.op(f"concat {', '.join(v[0] for v in vs)} {{axis={axis}}}", tuple(s), reads=[v[0] for v in vs])

    def split(self, v, axis, *sizes):
        shapes = [v[1][:axis] + (k,) + v[1][axis + 1:] for k in sizes]
        at = len(self.values)
        self.op(f"split {v[0]} {{axis={axis}, sizes={ints(sizes)}}}", *shapes, reads=[v[0]])
        return self.values[at:]

    def gather(self, v, index, axis):
        i = self.const(np.shape(index), np.asarray(index, np.int64), "i64")
        s = v[1][:axis] + np.shape(index) + v[1][axis + 1:]
        return self.op(f"gather {v[0]}, {i} {{axis={axis}}}", s, reads=[v[0]])

    def image(self, c=3, h=4, w=4):
        return self.input("x", (1, h, w, c)), (1, h, w, c)

    def tokens(self, t=5, d=12):
        return self.input("x", (1, t, d)), (1, t, d)


def heads(g, v, h, d):
    return g.transpose(g.reshape(v, *v[1][:2], h, d), 0, 2, 1, 3)


def attend(g, q, k, v, back=True):
    """softmax(q k^T) v; [1, h, t, d] each."""
    h, t, d = q[1][1:]
    s = g.op(f"matmul {q[0]}, {k[0]} {{transpose_b=true}}", (1, h, t, k[1][2]), reads=[q[0], k[0]])
    p = g.un("softmax", s)
    y = g.op(f"matmul {p[0]}, {v[0]}", (1, h, t, v[1][3]), reads=[p[0], v[0]])
    return g.reshape(g.transpose(y, 0, 2, 1, 3), 1, t, h * v[1][3]) if back else y


def grouped(g):
    v = g.un("relu", g.conv(g.image(), 24))
    return g.conv(g.un("relu", g.conv(v, 32, 3, groups=8)), 5)


def grouped_inside(g):
    v = g.un("relu", g.conv(g.image(), 24))
    return g.conv(g.un("relu", g.conv(v, 32, 3, groups=2)), 5)


def grouped_input(g):
    return g.conv(g.un("relu", g.conv(g.image(c=6), 12, 3, groups=3)), 5)


def grouped_transposed(g):
    v = g.un("relu", g.conv(g.image(), 12))
    return g.conv(g.un("relu", g.conv(v, 18, 3, groups=6, stride=2, transposed=True)), 5)


def grouped_residual(g):
    v = g.un("relu", g.conv(g.image(), 16))
    return g.conv(g.two("add", v, g.conv(g.un("relu", g.conv(v, 16, 3, groups=4)), 16, 3, groups=8)), 5)


def shuffle(g, groups=3, c=24):
    v = g.un("relu", g.conv(g.image(), c))
    v = g.conv(v, c, 1, groups)
    v = g.reshape(g.transpose(g.reshape(v, 1, 4, 4, groups, c // groups), 0, 1, 2, 4, 3), 1, 4, 4, c)
    v = g.conv(g.conv(v, c, 3, c), c, 1, groups)
    return g.conv(v, 5)


def shuffle_split(g):
    v = g.un("relu", g.conv(g.image(), 16))
    a, b = g.split(v, 3, 8, 8)
    b = g.un("relu", g.conv(g.conv(g.un("relu", g.conv(b, 8)), 8, 3, 8), 8))
    v = g.concat(3, a, b)
    return g.conv(g.reshape(g.transpose(g.reshape(v, 1, 4, 4, 2, 8), 0, 1, 2, 4, 3), 1, 4, 4, 16), 5)


def pixel_shuffle(g):
    v = g.un("relu", g.conv(g.image(), 24))
    v = g.transpose(g.reshape(v, 1, 4, 4, 2, 2, 6), 0, 1, 3, 2, 4, 5)
    return g.conv(g.reshape(v, 1, 8, 8, 6), 5, 3)


def pixel_shuffle_crd(g):
    v = g.un("relu", g.conv(g.image(), 24))
    v = g.transpose(g.reshape(v, 1, 4, 4, 6, 2, 2), 0, 1, 4, 2, 5, 3)
    return g.conv(g.reshape(v, 1, 8, 8, 6), 5, 3)


def space_to_depth(g):
    v = g.un("relu", g.conv(g.image(), 6))
    v = g.transpose(g.reshape(v, 1, 2, 2, 2, 2, 6), 0, 1, 3, 2, 4, 5)
    return g.conv(g.reshape(v, 1, 2, 2, 24), 5)


def attention(g):
    x = g.tokens()
    q, k, v = (heads(g, g.linear(x, 12), 3, 4) for _ in range(3))
    return g.two("add", x, g.linear(attend(g, q, k, v), 12))


def attention_split(g):
    x = g.tokens()
    q, k, v = (heads(g, p, 3, 4) for p in g.split(g.linear(x, 36), 2, 12, 12, 12))
    return g.linear(attend(g, q, k, v), 12)


def attention_unbind(g):
    x = g.tokens()
    v = g.transpose(g.reshape(g.linear(x, 36), 1, 5, 3, 3, 4), 2, 0, 3, 1, 4)
    q, k, v = (g.gather(v, i, 0) for i in range(3))
    return g.linear(attend(g, q, k, v), 12)


def attention_unbind_split(g):
    x = g.tokens()
    v = g.transpose(g.reshape(g.linear(x, 36), 1, 5, 3, 3, 4), 2, 0, 3, 1, 4)
    q, k, v = (g.reshape(p, 1, 3, 5, 4) for p in g.split(v, 0, 1, 1, 1))
    return g.linear(attend(g, q, k, v), 12)


def attention_shared(g):
    """One key and one value head for all."""
    x = g.tokens()
    q = heads(g, g.linear(x, 12), 3, 4)
    k, v = (heads(g, g.linear(x, 4), 1, 4) for _ in range(2))
    s = g.op(f"matmul {q[0]}, {k[0]} {{transpose_b=true}}", (1, 3, 5, 5), reads=[q[0], k[0]])
    y = g.op(f"matmul {g.un('softmax', s)[0]}, {v[0]}", (1, 3, 5, 4), reads=[v[0]])
    return g.linear(g.reshape(g.transpose(y, 0, 2, 1, 3), 1, 5, 12), 12)


def attention_wide(g):
    """Heads are the only thing that can be split; q and v have other widths; a constant is added to each head."""
    x = g.tokens()
    q, k = (heads(g, g.linear(x, 24), 6, 4) for _ in range(2))
    v = heads(g, g.linear(x, 30), 6, 5)
    s = g.op(f"matmul {q[0]}, {k[0]} {{transpose_b=true}}", (1, 6, 5, 5), reads=[q[0], k[0]])
    s = g.two("add", s, (g.const((6, 5, 5), 1.0), None), s[1])
    y = g.op(f"matmul {g.un('softmax', s)[0]}, {v[0]}", (1, 6, 5, 5), reads=[v[0]])
    return g.linear(g.reshape(g.transpose(y, 0, 2, 1, 3), 1, 5, 30), 12)


def image_attention(g):
    """Heads over the pixels of an image, layers are convolutions."""
    x = g.un("relu", g.conv(g.image(), 12))
    q, k, v = (heads(g, g.reshape(g.conv(x, 12), 1, 16, 12), 3, 4) for _ in range(3))
    return g.conv(g.reshape(attend(g, q, k, v), 1, 4, 4, 12), 5)


def feed_forward(g):
    x = g.tokens()
    h = g.linear(x, 20)
    v = g.op(f"layer_norm {x[0]}", x[1], reads=[x[0]])
    return g.two("add", x, g.linear(g.un("gelu", g.two("add", h, g.linear(v, 20))), 12))


def gated(g):
    """Two halves of one layer, multiplied."""
    a, b = g.split(g.linear(g.tokens(), 32), 2, 16, 16)
    return g.linear(g.two("mul", a, g.un("sigmoid", b)), 12)


def mixer(g):
    """A layer over the tokens."""
    x = g.tokens()
    v = g.linear(g.un("gelu", g.linear(g.transpose(g.linear(x, 10), 0, 2, 1), 14)), 9)
    return g.linear(g.transpose(v, 0, 2, 1), 6)


def squeeze_excite(g):
    v = g.un("relu", g.conv(g.image(), 16))
    s = g.op(f"global_avg_pool {v[0]}", (1, 1, 1, 16), reads=[v[0]])
    s = g.un("sigmoid", g.conv(g.un("relu", g.conv(s, 6)), 16))
    return g.conv(g.two("mul", v, s), 5)


def spatial_gate(g):
    """One channel for all."""
    v = g.un("relu", g.conv(g.image(), 16))
    return g.conv(g.two("mul", v, g.un("sigmoid", g.conv(v, 1))), 5)


def prelu(g):
    v = g.conv(g.image(), 16)
    k = g.const((16,), 0.3), None
    zero = g.scalar(0.0), None
    v = g.two("add", g.two("max", v, zero), g.two("mul", g.two("min", v, zero), k))
    return g.conv(v, 5)


def flatten(g):
    return g.linear(g.un("relu", g.linear(g.reshape(g.conv(g.image(), 6), 1, 96), 20)), 5)


def flatten_channels_first(g):
    v = g.transpose(g.conv(g.image(), 6), 0, 3, 1, 2)
    return g.linear(g.reshape(v, 1, 96), 5)


def view(g):
    v = g.input("x", (1, 7)), (1, 7)
    return g.conv(g.un("relu", g.conv(g.reshape(g.un("relu", g.linear(v, 96)), 1, 4, 4, 6), 8, 3)), 5)


def view_channels_first(g):
    v = g.input("x", (1, 7)), (1, 7)
    return g.conv(g.transpose(g.reshape(g.linear(v, 96), 1, 6, 4, 4), 0, 2, 3, 1), 5, 3)


def shortcut_padded(g):
    """A residual whose other side has more channels, as zeros."""
    v = g.un("relu", g.conv(g.image(), 8))
    w = g.op(f"pad {v[0]} {{before=[0,0,0,4], after=[0,0,0,4]}}", (1, 4, 4, 16), reads=[v[0]])
    return g.conv(g.un("relu", g.two("add", w, g.conv(v, 16, 3))), 5)


def slices(g):
    v = g.un("relu", g.conv(g.image(), 16))
    a = g.op(f"slice {v[0]} {{starts=[0,0,0,2], sizes=[1,4,4,9]}}", (1, 4, 4, 9), reads=[v[0]])
    b = g.op(f"slice {v[0]} {{starts=[0,0,0,0], sizes=[1,2,2,16], steps=[1,2,2,1]}}", (1, 2, 2, 16), reads=[v[0]])
    return g.two("add", g.conv(a, 5, 1, stride=2), g.conv(b, 5))


def stepped_slice(g):
    v = g.un("relu", g.conv(g.image(), 16))
    a = g.op(f"slice {v[0]} {{starts=[0,0,0,1], sizes=[1,4,4,8], steps=[1,1,1,2]}}", (1, 4, 4, 8), reads=[v[0]])
    return g.conv(a, 5)


def picked(g):
    """A gather that puts channels into another order, with some twice and some never."""
    v = g.un("relu", g.conv(g.image(), 10))
    return g.conv(g.gather(v, [9, 8, -3, 6, 5, 4, 3, 2, 2, 0], 3), 5)


def embedding(g):
    ids = g.input("ids", (1, 5), "i64", lambda s: g.rng.integers(0, 4, s).astype(np.int64))
    w = g.const((7, 10), 1.0, share=0)
    v = g.op(f"gather {w}, {ids}", (1, 5, 10))
    return g.linear(g.two("add", v, g.linear((f"{v[0]}", v[1]), 10)), 6)


def joined(g):
    """Rows of one value above those of another, then channels of both with a constant."""
    x = g.image()
    a, b = g.conv(x, 8), g.conv(x, 8)
    v = g.concat(1, a, b)
    c = g.const((1, 8, 4, 3), 1.0), (1, 8, 4, 3)
    return g.conv(g.un("relu", g.concat(3, v, c)), 5)


def products(g):
    """A batch of constant matrices."""
    v = heads(g, g.linear(g.tokens(), 12), 3, 4)
    w = g.const((3, 4, 6), 1.0)
    y = g.op(f"matmul {v[0]}, {w}", (1, 3, 5, 6), reads=[v[0]])
    return g.linear(g.reshape(g.transpose(y, 0, 2, 1, 3), 1, 5, 18), 5)


def bilinear(g):
    """Two layers' outputs, multiplied over their channels."""
    x = g.tokens()
    a, b = g.linear(x, 14), g.linear(x, 14)
    return g.op(f"matmul {a[0]}, {b[0]} {{transpose_b=true}}", (1, 5, 5), reads=[a[0], b[0]])


def pools(g):
    v = g.un("relu", g.conv(g.image(), 10))
    a = g.op(f"max_pool {v[0]} {{kernel=[2,2], stride=[2,2]}}", (1, 2, 2, 10), reads=[v[0]])
    b = g.op(f"avg_pool {v[0]} {{kernel=[3,3], stride=[2,2], pad=[1,1,1,1]}}", (1, 2, 2, 10), reads=[v[0]])
    v = g.op(f"resize {g.two('add', a, b)[0]} {{size=[5,5]}}", (1, 5, 5, 10))
    v = g.op(f"reduce_mean {v[0]} {{axes=[1,2], keepdims=false}}", (1, 10), reads=[v[0]])
    return g.linear(v, 5)


def spread(g):
    v = g.un("relu", g.conv(g.image(h=1, w=1), 10))
    v = g.op(f"broadcast {v[0]} {{shape=[1,3,3,10]}}", (1, 3, 3, 10), reads=[v[0]])
    return g.conv(v, 5)


def multiplied(g):
    """Depthwise with two channels for one."""
    v = g.un("relu", g.conv(g.image(), 6))
    return g.conv(g.conv(v, 12, 3, groups=6), 5)


def cut_through(g):
    """A reshape that mixes rows and channels: nothing can go."""
    v = g.conv(g.image(), 6)
    return g.linear(g.reshape(v, 1, 4, 3, 8), 5)


MAKERS = [v for k, v in list(globals().items()) if callable(v) and getattr(v, "__module__", "") == __name__ and k not in ("Maker", "heads", "attend")]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for i, make in enumerate(MAKERS):
        g = Maker(i)
        y, s = make(g)
        head = f"graph @net({', '.join(f'{n}: {t}' for n, t in g.inputs)}) -> {g.type(s)} {{"
        (folder / f"{make.__name__}.mir").write_text("\n".join(["mir 1", "", head, *g.lines, f"  return {y}", "}", ""]))


if __name__ == "__main__":
    main()
