#!/usr/bin/env python3
"""Random networks for testing: a seed gives a graph, always the same.

    random_net.py SEED NET.mir [CALIB.npz]     # writes the network and, when asked, samples for its inputs
    random_net.py FROM-TO FOLDER               # SEED.mir and SEED.npz of all these seeds

The graphs are small and mean nothing; they combine convolutions of every kind, residual sums, concats, pools, reshapes, shared values and several results, in ways that real
networks rarely do, so that fusion, memory planning and code generation meet odd cases. Every value stays within a few units, so that INT8 has something to represent.
"""
import pathlib
import sys
import numpy as np


class Net:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.lines, self.n, self.values, self.used = [], 0, [], set()

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def name(self, stem="v"):
        self.n += 1
        return f"%{stem}{self.n}"

    def dims(self, shape):
        return "[" + ",".join(map(str, shape)) + "]"

    def const(self, shape, scale):
        data = (self.rng.standard_normal(shape) * scale).astype(np.float32)
        name = self.name("w")
        text = np.array2string(data, separator=", ", threshold=sys.maxsize, max_line_width=10**9, formatter={"float_kind": lambda v: repr(float(np.float32(round(float(v), 4))))})
        self.lines.append(f"  {name} = const dense<{text.replace(chr(10), ' ')}> : f32{self.dims(shape)}")
        return name

    def op(self, text, shape, operands=()):
        name = self.name()
        self.lines.append(f"  {name} = {text} : f32{self.dims(shape)}")
        self.used.update(operands)
        self.values.append((name, tuple(shape)))
        return self.values[-1]

    def some(self, rank=None):
        pool = [v for v in self.values if rank is None or len(v[1]) == rank]
        if not pool:
            return None
        # recent values are likelier, so that graphs get deep
        return pool[max(0, len(pool) - 1 - int(self.rng.exponential(2.0)))]


def conv(g):
    x, s = g.some(4)
    depth = g.pick(0, 0, 1)
    k = int(g.pick(1, 1, 3, 3, 5))
    kw = k if g.rng.random() < 0.8 else int(g.pick(1, 3))
    d = 2 if k == 3 and g.rng.random() < 0.15 else 1
    st = int(g.pick(1, 1, 2))
    pad = [int(g.rng.integers(0, k)) for _ in range(4)] if g.rng.random() < 0.3 else [d * (k // 2), d * (kw // 2)] * 2
    h = (s[1] + pad[0] + pad[2] - d * (k - 1) - 1) // st + 1
    w = (s[2] + pad[1] + pad[3] - d * (kw - 1) - 1) // st + 1
    if h < 1 or w < 1:
        return
    c = s[3]
    groups, co = 1, int(g.pick(3, 4, 8, 16, 17, 24))
    if depth and c > 1:
        groups = c
        co = c * int(g.pick(1, 1, 2))
        if co > 48:
            co = c
    elif c % 2 == 0 and g.rng.random() < 0.15:
        groups, co = 2, co + co % 2
    wt = g.const((co, k, kw, c // groups), 1.0 / np.sqrt(k * kw * c / groups))
    b = ", " + g.const((co,), 0.2) if g.rng.random() < 0.8 else ""
    at = f"stride=[{st},{st}], pad=[{','.join(map(str, pad))}], dilation=[{d},{d}], groups={groups}"
    g.op(f"conv2d {x}, {wt}{b} {{{at}}}", (s[0], h, w, co), [x])


def conv_transpose(g):
    x, s = g.some(4)
    if s[1] > 8 or s[2] > 8:
        return
    k, st, co = int(g.pick(2, 3)), 2, int(g.pick(4, 8))
    wt = g.const((co, k, k, s[3]), 0.5 / np.sqrt(s[3]))
    g.op(f"conv_transpose2d {x}, {wt} {{stride=[{st},{st}]}}", (s[0], (s[1] - 1) * st + k, (s[2] - 1) * st + k, co), [x])


def unary(g):
    x, s = g.some()
    op = g.pick("relu", "relu", "relu", "sigmoid", "tanh", "hard_swish", "clamp", "leaky_relu", "neg", "abs", "silu", "gelu", "elu", "hard_sigmoid")
    g.op(f"{op} {x}" + (" {low=-1.0, high=2.0}" if op == "clamp" else ""), s, [x])


def binary(g):
    x, s = g.some()
    same = [v for v in g.values if v[1] == s]
    y = same[int(g.rng.integers(len(same)))][0]
    g.op(f"{g.pick('add', 'add', 'add', 'sub', 'mul', 'max', 'min')} {x}, {y}", s, [x, y])


def scale(g):
    x, s = g.some()
    c = g.const((s[-1],), 0.5)
    g.op(f"{g.pick('mul', 'add')} {x}, {c}", s, [x])


def concat(g):
    x, s = g.some()
    axis = len(s) - 1 if g.rng.random() < 0.7 else 1
    ok = [v for v in g.values if len(v[1]) == len(s) and all(v[1][i] == s[i] for i in range(len(s)) if i != axis)]
    parts = [ok[int(g.rng.integers(len(ok)))] for _ in range(int(g.pick(2, 2, 3)))]
    total = sum(p[1][axis] for p in parts)
    if total > 64:
        return
    shape = list(s)
    shape[axis] = total
    g.op(f"concat {', '.join(p[0] for p in parts)} {{axis={axis}}}", shape, [p[0] for p in parts])


def pool(g):
    x, s = g.some(4)
    k, st, p = int(g.pick(2, 3)), int(g.pick(1, 2)), int(g.pick(0, 1))
    h, w = (s[1] + 2 * p - k) // st + 1, (s[2] + 2 * p - k) // st + 1
    if h < 1 or w < 1 or p >= k:
        return
    op = g.pick("max_pool", "avg_pool")
    g.op(f"{op} {x} {{kernel=[{k},{k}], stride=[{st},{st}], pad=[{p},{p},{p},{p}]}}", (s[0], h, w, s[3]), [x])


def global_pool(g):
    x, s = g.some(4)
    y, t = g.op(f"{g.pick('global_avg_pool', 'global_max_pool')} {x}", (s[0], 1, 1, s[3]), [x])
    if g.rng.random() < 0.5:   # squeeze and excite
        gate = g.op(f"sigmoid {y}", t, [y])[0]
        g.op(f"mul {x}, {gate}", s, [x, gate])


def reshape(g):
    x, s = g.some()
    n = int(np.prod(s[1:]))
    shape = (s[0], n) if len(s) == 4 else (s[0], 1, 1, n) if n <= 64 else (s[0], n)
    g.op(f"reshape {x} {{shape={g.dims(shape)}}}", shape, [x])


def linear(g):
    x = g.some(2)
    if not x or x[1][1] > 600:
        return
    x, s = x
    co = int(g.pick(5, 8, 16, 32))
    wt, b = g.const((co, s[1]), 1.0 / np.sqrt(s[1])), g.const((co,), 0.2)
    g.op(f"linear {x}, {wt}, {b}", (s[0], co), [x])


def move(g):
    x, s = g.some(4)
    kind = g.pick("slice", "pad", "transpose", "resize", "bilinear")
    if kind == "slice" and s[1] > 2:
        g.op(f"slice {x} {{starts=[0,1,0,0], sizes=[{s[0]},{s[1] - 2},{s[2]},{s[3]}]}}", (s[0], s[1] - 2, s[2], s[3]), [x])
    elif kind == "pad" and s[1] < 16:
        g.op(f"pad {x} {{before=[0,1,0,0], after=[0,0,2,0]}}", (s[0], s[1] + 1, s[2] + 2, s[3]), [x])
    elif kind == "transpose":
        g.op(f"transpose {x} {{perm=[0,2,1,3]}}", (s[0], s[2], s[1], s[3]), [x])
    elif kind in ("resize", "bilinear") and s[1] * s[2] <= 64:
        mode = "nearest" if kind == "resize" else "bilinear"
        g.op(f"resize {x} {{size=[{2 * s[1]},{2 * s[2]}], mode={mode}}}", (s[0], 2 * s[1], 2 * s[2], s[3]), [x])


def softmax(g):
    x, s = g.some(2) or (None, None)
    if x:
        g.op(f"softmax {x}", s, [x])


def make(seed, path, samples):
    g = Net(seed)
    batch = int(g.pick(1, 1, 1, 2))
    shape = (batch, int(g.pick(6, 7, 8, 12)), int(g.pick(6, 7, 8, 11)), int(g.pick(1, 3, 4, 8, 16)))
    g.values.append(("%x", shape))
    makers = [conv] * 7 + [unary] * 4 + [binary] * 3 + [concat] * 3 + [scale, pool, pool, global_pool, reshape, reshape, linear, linear, move, move, conv_transpose, softmax]
    target = int(g.rng.integers(4, 22))
    for _ in range(6 * target):
        if len(g.values) > target:
            break
        makers[int(g.rng.integers(len(makers)))](g)
    loose = [v for v in g.values[1:] if v[0] not in g.used] or [g.values[-1]]
    out = loose[-3:] if g.rng.random() < 0.4 else loose[-1:]
    if g.rng.random() < 0.15:
        out.append(g.values[int(g.rng.integers(len(g.values)))])
    with open(path, "w") as f:
        f.write(f"mir 1\ngraph @net(%x: f32{g.dims(shape)}) -> {', '.join('f32' + g.dims(v[1]) for v in out)} {{\n")
        f.write("\n".join(g.lines) + f"\n  return {', '.join(v[0] for v in out)}\n}}\n")
    if samples:
        np.savez(samples, x=g.rng.standard_normal((4,) + shape[1:]).astype(np.float32))


def main():
    first, dash, last = sys.argv[1].partition("-")
    if not dash:
        return make(int(first), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
    pathlib.Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    for seed in range(int(first), int(last) + 1):
        make(seed, f"{sys.argv[2]}/{seed}.mir", f"{sys.argv[2]}/{seed}.npz")


main()
