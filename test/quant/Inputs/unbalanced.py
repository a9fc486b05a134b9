#!/usr/bin/env python3
"""unbalanced.py FOLDER: a network for each way in which a factor of a channel passes between products
(FOLDER/NAME.mir) and samples x.npz. Channels between products differ in size by up to 16."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "utils"))
from netgen.net import Net, ints  # noqa: E402

rng = np.random.default_rng(11)


def sizes(n):
    return np.float32(10) ** rng.permutation(np.linspace(-0.6, 0.6, n)).astype(np.float32)


class Maker(Net):
    """Values are (name, shape). `out` and `into`: sizes of the channels made and read."""

    def product(self, v, co, k=1, out=None, into=None, groups=1, attrs="", op="conv2d"):
        x, s = v
        ci = s[-1] // groups
        w = rng.standard_normal((co, k, k, ci)).astype(np.float32) / np.sqrt(k * k * ci)
        b = 0.2 * rng.standard_normal(co).astype(np.float32)
        if into is not None:
            w /= np.tile(into.reshape(groups, 1, ci), (1, co // groups, 1)).reshape(co, 1, 1, ci)
        if out is not None:
            w *= out[:, None, None, None]
            b *= out
        w = w if op != "linear" else w[:, 0, 0]
        named = [f"groups={groups}"] * (groups > 1) + [f"pad={ints((k // 2,) * 4)}"] * (k > 1)
        named += [attrs] * bool(attrs)
        args = [x, self.const(w.shape, w, share=0), self.const(b.shape, b, share=0)]
        return self.op(f"{op} {', '.join(args)} {{{', '.join(named)}}}", s[:-1] + (co,), reads=[x])

    def un(self, op, v, attrs="", shape=None):
        return self.op(f"{op} {v[0]} {attrs}", shape or v[1], reads=[v[0]])

    def two(self, op, a, b):
        return self.op(f"{op} {a[0]}, {b[0]}", a[1], reads=[a[0], b[0]])

    def concat(self, *vs):
        s = vs[0][1][:-1] + (sum(v[1][-1] for v in vs),)
        return self.op(f"concat {', '.join(v[0] for v in vs)} {{axis=3}}", s, reads=[v[0] for v in vs])


def factors(g, x):
    """A layer of low rank: nothing between its factors, and its features differ in size."""
    s = sizes(6)
    return g.product(g.product(x, 6, 3, s), 12, 3, None, s)


def relu(g, x):
    s = sizes(12)
    return g.product(g.un("relu", g.product(x, 12, 3, s)), 8, 3, None, s)


def fused(g, x):
    s = sizes(12)
    return g.product(g.product(x, 12, 3, s, attrs="clamp=[0.0,inf]"), 8, 1, None, s)


def depthwise(g, x):
    a, b = sizes(12), sizes(12)
    v = g.un("relu", g.product(x, 12, 1, a))
    v = g.un("leaky_relu", g.product(v, 12, 3, b, a, groups=12))
    return g.product(v, 8, 1, None, b)


def grouped(g, x):
    a, b = sizes(12), sizes(18)
    v = g.un("neg", g.product(x, 12, 1, a))
    return g.product(g.un("relu", g.product(v, 18, 3, b, a, groups=3)), 8, 1, None, b)


def residual(g, x):
    s, t = sizes(12), sizes(10)
    v = g.un("relu", g.product(x, 12, 3, s))
    for _ in range(2):
        u = g.product(g.un("relu", g.product(v, 10, 3, t, s)), 12, 3, s, t)
        v = g.un("relu", g.two("add", v, u))
    return g.product(v, 8, 1, None, s)


def shortcut(g, x):
    """Channels with zeros around them, as where a residual network gets wider."""
    s = sizes(6)
    t = np.concatenate([np.ones(3, np.float32), s, np.ones(3, np.float32)])
    v = g.un("relu", g.product(x, 6, 3, s))
    u = g.product(v, 12, 3, t, s)
    v = g.un("slice", v, "{starts=[0,0,0,0], sizes=[1,8,8,6], steps=[1,1,1,1]}")
    v = g.un("pad", v, "{before=[0,0,0,3], after=[0,0,0,3]}", (1, 8, 8, 12))
    return g.product(g.un("relu", g.two("add", v, u)), 8, 1, None, t)


def joined(g, x):
    s, t = sizes(6), sizes(8)
    a, b = g.un("relu", g.product(x, 6, 1, s)), g.product(x, 8, 1, t)
    v = g.concat(a, g.un("abs", b))
    g.op(f"split {v[0]} {{axis=3, sizes=[4, 10]}}", (1, 8, 8, 4), (1, 8, 8, 10), reads=[v[0]])
    p = g.values[-2:]
    u = np.concatenate([s, t])
    return g.two("add", g.product(p[0], 8, 1, None, u[:4]), g.product(p[1], 8, 1, None, u[4:]))


def pools(g, x):
    s = sizes(12)
    v = g.un("relu", g.product(x, 12, 3, s))
    v = g.un("max_pool", v, "{kernel=[2,2], stride=[2,2]}", (1, 4, 4, 12))
    v = g.un("avg_pool", v, "{kernel=[2,2], stride=[2,2]}", (1, 2, 2, 12))
    v = g.un("reshape", v, "{shape=[1,48]}", (1, 48))
    return g.product(v, 8, 1, None, np.tile(s, 4), op="linear")


def left_alone(g, x):
    """No factor passes: a bound that is not 0, a product of two, a sigmoid, a result of the graph."""
    s = sizes(12)
    v = g.product(g.product(x, 12, 1, s, attrs="clamp=[0.0,1.0]"), 12, 1, None, s)
    v = g.product(g.two("mul", v, g.un("sigmoid", v)), 12, 1, s)
    return g.un("resize", v, "{size=[2,2], mode=nearest}", (1, 2, 2, 12))


MAKERS = [factors, relu, fused, depthwise, grouped, residual, shortcut, joined, pools, left_alone]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "x.npz", x=rng.standard_normal((40, 8, 8, 3)).astype(np.float32))
    for make in MAKERS:
        g = Maker(11)
        y, shape = make(g, (g.input("x", (1, 8, 8, 3)), (1, 8, 8, 3)))
        g.write(folder / f"{make.__name__}.mir", [(y, g.type(shape))])


main()
