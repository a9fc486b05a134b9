#!/usr/bin/env python3
"""Random networks of concats, splits, slices, reshapes and maps: a seed gives a graph, always the same.

    random_moves.py SEED NET.mir [CALIB.npz]     # writes the network and, when asked, samples for its inputs

What random_net.py makes has few shapes that fit each other. Here most values can be joined, cut and mapped along any axis, of
any rank, with one image or several, so that the planner meets shared memory of every kind: parts of parts, maps in place over a
concat or a part of one, values read before and after, results that are inputs, constants or each other.
"""
import sys
import numpy as np

UNARY = ("relu", "sigmoid", "tanh", "neg", "abs", "exp", "elu", "clamp")
BINARY = ("add", "add", "sub", "mul", "max", "min")


class Net:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.lines, self.values, self.n = [], [], 0

    def pick(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def some(self, want=lambda s: True):
        """A value, a recent one more likely."""
        pool = [v for v in self.values if want(v[1])]
        return pool[max(0, len(pool) - 1 - int(self.rng.exponential(2.0)))] if pool else None

    def emit(self, text, *shapes):
        names = []
        for _ in shapes:
            self.n += 1
            names.append(f"%v{self.n}")
        types = ", ".join(f"f32[{','.join(map(str, s))}]" for s in shapes)
        self.lines.append(f"  {', '.join(names)} = {text} : {types}")
        self.values += [(name, tuple(s)) for name, s in zip(names, shapes)]

    def const(self, shape, scale):
        self.n += 1
        values = (self.rng.standard_normal(shape) * scale).astype(np.float32).round(3).tolist()
        self.lines.append(f"  %w{self.n} = const dense<{values}> : f32[{','.join(map(str, shape))}]")
        return f"%w{self.n}"


def ints(values):
    return "[" + ",".join(map(str, values)) + "]"


def concat(g):
    _, s = g.some()
    axis = int(g.rng.integers(len(s)))
    fits = [v for v in g.values if len(v[1]) == len(s) and v[1][:axis] == s[:axis] and v[1][axis + 1:] == s[axis + 1:]]
    parts = [g.pick(fits[-4:]) for _ in range(g.pick((2, 2, 3)))]
    total = sum(p[1][axis] for p in parts)
    if np.prod(s) // s[axis] * total <= 6000:
        g.emit(f"concat {', '.join(p[0] for p in parts)} {{axis={axis}}}", s[:axis] + (total,) + s[axis + 1:])


def split(g):
    found = g.some(lambda s: max(s) > 1)
    if not found:
        return
    x, s = found
    axis = g.pick([i for i, d in enumerate(s) if d > 1])
    first = int(g.rng.integers(1, s[axis]))
    sizes = (first, s[axis] - first)
    g.emit(f"split {x} {{axis={axis}, sizes={ints(sizes)}}}", *(s[:axis] + (d,) + s[axis + 1:] for d in sizes))


def cut(g):
    x, s = g.some()
    starts = [int(g.rng.integers(0, (d + 1) // 2)) for d in s]
    steps = [g.pick((1, 1, 1, 2)) for d in s]
    sizes = [(d - b - 1) // t + 1 if g.rng.random() < 0.5 else 1 + (d - b - 1) // (2 * t) for d, b, t in zip(s, starts, steps)]
    g.emit(f"slice {x} {{starts={ints(starts)}, sizes={ints(sizes)}, steps={ints(steps)}}}", sizes)


def reshape(g):
    x, s = g.some()
    n = int(np.prod(s))
    rank = g.pick((1, 2, 2, 3, 4, 4))
    shape = []
    for _ in range(rank - 1):
        d = g.pick([k for k in (1, 2, 3, 4, 6, 8) if n % k == 0])
        shape.append(d)
        n //= d
    g.emit(f"reshape {x} {{shape={ints(shape + [n])}}}", shape + [n])


def transpose(g):
    x, s = g.some(lambda s: len(s) > 1) or g.values[0]
    perm = [int(i) for i in g.rng.permutation(len(s))]
    g.emit(f"transpose {x} {{perm={ints(perm)}}}", [s[i] for i in perm])


def pad(g):
    x, s = g.some()
    before, after = ([int(g.rng.integers(0, 2)) for _ in s] for _ in range(2))
    shape = [a + b + c for a, b, c in zip(before, s, after)]
    if np.prod(shape) <= 6000:
        g.emit(f"pad {x} {{before={ints(before)}, after={ints(after)}, value=0.5}}", shape)


def unary(g):
    x, s = g.some()
    op = g.pick(UNARY)
    if op == "exp":   # stays within a few units
        x, s = g.emit(f"clamp {x} {{low=-2.0, high=1.0}}", s) or g.values[-1]
    g.emit(f"{op} {x}" + (" {low=-1.0, high=2.0}" if op == "clamp" else ""), s)


def binary(g):
    x, s = g.some()
    y = g.pick([v[0] for v in g.values if v[1] == s])
    if g.rng.random() < 0.2:
        y = g.const(s[-1:], 0.5)
    g.emit(f"{g.pick(BINARY)} {x}, {y}", s)


def softmax(g):
    x, s = g.some()
    g.emit(f"softmax {x} {{axis={int(g.rng.integers(len(s)))}}}", s)


def conv(g):
    found = g.some(lambda s: len(s) == 4 and s[3] <= 48)
    if found:
        x, s = found
        k, c = g.pick((1, 3)), g.pick((s[3], 4, 8))
        w = g.const((c, k, k, s[3]), 1.0 / np.sqrt(k * k * s[3]))
        g.emit(f"conv2d {x}, {w} {{pad={ints([k // 2] * 4)}}}", s[:3] + (c,))


def linear(g):
    found = g.some(lambda s: s[-1] <= 64)
    if found:
        x, s = found
        c = g.pick((s[-1], 4, 8))
        g.emit(f"linear {x}, {g.const((c, s[-1]), 1.0 / np.sqrt(s[-1]))}", s[:-1] + (c,))


def main():
    seed, path = int(sys.argv[1]), sys.argv[2]
    g = Net(seed)
    shape = (g.pick((1, 1, 2, 3)), g.pick((1, 2, 4)), g.pick((1, 3, 4)), g.pick((2, 4, 8)))
    if g.rng.random() < 0.3:
        shape = shape[:g.pick((2, 3))]
    g.values.append(("%x", shape))
    makers = [concat] * 6 + [unary] * 5 + [binary] * 4 + [split] * 3 + [conv] * 3 + [cut, cut, reshape, reshape, transpose, pad, softmax, linear]
    for _ in range(int(g.rng.integers(5, 25))):
        g.pick(makers)(g)
    used = "\n".join(g.lines)
    loose = [v for v in g.values[1:] if f"{v[0]}," not in used and f"{v[0]} " not in used.replace(f"{v[0]} =", "")] or g.values[-1:]
    out = loose[-4:]
    if g.rng.random() < 0.2:
        out.append(g.pick(g.values))
    if g.rng.random() < 0.1:
        out.append(out[0])
    text = [f"f32{ints(s)}" for _, s in out]
    with open(path, "w") as f:
        f.write(f"mir 1\ngraph @net(%x: f32{ints(shape)}) -> {', '.join(text)} {{\n{used}\n  return {', '.join(v[0] for v in out)}\n}}\n")
    if len(sys.argv) > 3:
        samples = (4 if shape[0] == 1 else shape[0] * 2,) + shape[1:]
        np.savez(sys.argv[3], x=g.rng.standard_normal(samples).astype(np.float32))


main()
