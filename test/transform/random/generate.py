#!/usr/bin/env python3
"""Random graphs for the transforms: generate.py FIRST COUNT prints COUNT modules (seeds FIRST, FIRST + 1, ...) with '// -----' between them.

Shapes are small, values stay near 1, so that the bounds of -check-numerics mean something. Same seed, same text."""
import random
import sys

NCHW, NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


def dims(s):
    return "[" + ",".join(map(str, s)) + "]"


def elems(s):
    n = 1
    for d in s:
        n *= d
    return n


class Graph:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.lines, self.values, self.used, self.n = [], [], set(), 0

    def emit(self, op, operands, attrs, shape, name=None):
        v = f"%v{self.n}" if self.r.random() < 0.5 or name else f"%{self.n}"
        self.n += 1
        a = " {" + ", ".join(f"{k}={x}" for k, x in attrs.items()) + "}" if attrs else ""
        self.lines.append(f"  {v} = {op} {', '.join(operands)}{a} : f32{dims(shape)}")
        self.used.update(operands)
        self.values.append((v, shape))
        return v

    def number(self):
        return self.r.choice([0.0, 1.0, -1.0, 2.0, 0.5, round(self.r.uniform(-2, 2), 3)])

    def const(self, shape, positive=False):
        v = f"%c{self.n}"
        self.n += 1

        def nest(s):
            if not s:
                x = self.number()
                return str(abs(x) + 0.5 if positive else x)
            return "[" + ", ".join(nest(s[1:]) for _ in range(s[0])) + "]"

        text = nest(shape) if elems(shape) <= 4096 and self.r.random() < 0.8 else str(abs(self.number()) + 0.5)
        self.lines.append(f"  {v} = const dense<{text}> : f32{dims(shape)}")
        return v

    def pick(self, rank=None, want=lambda s: True):
        c = [(v, s) for v, s in self.values[-6:] if (rank is None or len(s) == rank) and elems(s) <= 2000 and want(s)]
        return self.r.choice(c) if c else None

    # ---- one op each; None: nothing fits ----
    def unary(self):
        v, s = self.pick()
        op = self.r.choice(["relu", "abs", "neg", "sigmoid", "tanh", "leaky_relu", "silu", "clamp"])
        a = {"low": -1.0, "high": round(self.r.uniform(0, 2), 2)} if op == "clamp" else {}
        self.emit(op, [v], a, s)

    def with_const(self):
        v, s = self.pick()
        kind = self.r.randrange(4)
        shape = [] if kind == 0 else s[-1:] if kind == 1 else [d if self.r.random() < 0.5 else 1 for d in s] if kind == 2 else s
        op = self.r.choice(["add", "sub", "mul", "mul", "add", "div", "min", "max"])
        c = self.const(shape, positive=op == "div")
        pair = [v, c] if op == "div" or self.r.random() < 0.7 else [c, v]
        self.emit(op, pair, {}, s)

    def pair(self):
        v, s = self.pick()
        w, _ = self.pick(want=lambda t: t == s)
        self.emit(self.r.choice(["add", "sub", "mul", "max"]), [v, w], {}, s)

    def transpose(self):
        p = self.pick(4)
        if p:
            v, s = p
            perm = self.r.choice([NCHW, NCHW, NHWC, NHWC, self.r.sample(range(4), 4)])
            self.emit("transpose", [v], {"perm": dims(perm)}, [s[i] for i in perm])

    def conv(self):
        p = self.pick(4, lambda s: s[1] >= 3 and s[2] >= 3 and s[3] <= 6)
        if not p:
            return
        v, s = p
        k, pad, stride = self.r.choice([1, 3]), self.r.choice([0, 1]), self.r.choice([1, 2])
        groups = s[3] if self.r.random() < 0.3 else 1
        o = groups * self.r.choice([1, 2]) if groups > 1 else self.r.choice([2, 3, 4])
        out = [s[0]] + [(d + 2 * pad - k) // stride + 1 for d in s[1:3]] + [o]
        ins = [v, self.const([o, k, k, s[3] // groups])] + ([self.const([o])] if self.r.random() < 0.5 else [])
        a = {"stride": dims([stride, stride]), "pad": dims([pad] * 4)}
        if groups > 1:
            a["groups"] = groups
        self.emit("conv2d", ins, a, out)
        self.scale_down(k * k * s[3] // groups)

    def scale_down(self, by):
        v, s = self.values[-1]
        if by > 4:
            self.lines.append(f"  %s{self.n} = const dense<{round(1 / by, 4)}> : f32[]")
            self.emit("mul", [v, f"%s{self.n}"], {}, s)

    def batch_norm(self):
        v, s = self.pick()
        if s:
            c = s[-1:]
            self.emit("batch_norm", [v, self.const(c), self.const(c), self.const(c), self.const(c, True)], {}, s)

    def linear(self):
        v, s = self.pick(want=lambda s: len(s) > 0 and s[-1] <= 64)or (None, None)
        if v:
            o = self.r.choice([2, 4])
            self.emit("linear", [v, self.const([o, s[-1]])], {}, s[:-1] + [o])
            self.scale_down(s[-1])

    def matmul(self):
        v, s = self.pick(want=lambda s: len(s) > 1 and s[-1] <= 16) or (None, None)
        if v:
            self.emit("matmul", [v, self.const([s[-1], 3])], {}, s[:-1] + [3])
            self.scale_down(s[-1])

    def pool(self):
        p = self.pick(4, lambda s: s[1] >= 3 and s[2] >= 3)
        if not p:
            return
        v, s = p
        op = self.r.choice(["max_pool", "avg_pool", "global_avg_pool", "global_max_pool"])
        if op.startswith("global"):
            return self.emit(op, [v], {}, [s[0], 1, 1, s[3]])
        k, pad = self.r.choice([[2, 2], [3, 3], [s[1], s[2]]]), 0
        a = {"kernel": dims(k), "stride": dims([2, 2])}
        if k == [3, 3] and self.r.random() < 0.5:
            pad = 1
            a["pad"] = dims([1] * 4)
            if op == "avg_pool" and self.r.random() < 0.5:
                a["count_pad"] = "true"
        self.emit(op, [v], a, [s[0]] + [(s[i] + 2 * pad - k[i - 1]) // 2 + 1 for i in (1, 2)] + [s[3]])

    def pad(self):
        p = self.pick(4)
        if p:
            v, s = p
            before, after = ([0] + [self.r.choice([0, 1]) for _ in range(2)] + [0] for _ in range(2))
            a = {"before": dims(before), "after": dims(after)}
            if self.r.random() < 0.4:
                a["value"] = self.r.choice([1.0, -0.5])
            self.emit("pad", [v], a, [x + y + z for x, y, z in zip(s, before, after)])

    def concat(self):
        v, s = self.pick(want=lambda s: len(s) > 0) or (None, None)
        if v:
            w, _ = self.pick(want=lambda t: t == s)
            axis = self.r.randrange(len(s))
            self.emit("concat", [v, w], {"axis": axis}, [d * 2 if i == axis else d for i, d in enumerate(s)])

    def slice(self):
        v, s = self.pick()
        starts = [self.r.randrange(d) for d in s]
        sizes = [self.r.randint(1, d - b) for d, b in zip(s, starts)]
        self.emit("slice", [v], {"starts": dims(starts), "sizes": dims(sizes)}, sizes)

    def reduce(self):
        v, s = self.pick(want=lambda s: len(s) > 1) or (None, None)
        if v:
            axes = self.r.sample(range(len(s)), self.r.choice([1, 2, 2]))
            keep = self.r.random() < 0.5
            shape = [1 if i in axes else d for i, d in enumerate(s) if keep or i not in axes]
            self.emit(self.r.choice(["reduce_mean", "reduce_max"]), [v], {"axes": dims(axes), "keepdims": "true" if keep else "false"}, shape)

    def softmax(self):
        v, s = self.pick(want=lambda s: len(s) > 0) or (None, None)
        if v:
            self.emit("softmax", [v], {"axis": self.r.randrange(len(s))}, s)

    def flatten(self):
        v, s = self.pick(4, lambda s: elems(s) <= 200) or (None, None)
        if v:
            k = elems(s) // s[0]
            f = self.emit("reshape", [v], {"shape": dims([s[0], k])}, [s[0], k])
            if self.r.random() < 0.7:
                self.emit("linear", [f, self.const([3, k])], {}, [s[0], 3])
                self.scale_down(k)

    def text(self):
        n = 1 if self.r.random() < 0.7 else 2
        shape = [n, self.r.choice([4, 5, 8]), self.r.choice([4, 6]), self.r.choice([2, 3])]
        self.values.append(("%x", shape))
        ops = [self.unary, self.unary, self.with_const, self.with_const, self.with_const, self.pair, self.transpose, self.transpose, self.transpose, self.conv, self.conv, self.batch_norm,
               self.batch_norm, self.linear, self.matmul, self.pool, self.pad, self.concat, self.slice, self.reduce, self.softmax, self.flatten]
        for _ in range(self.r.randint(4, 24)):
            self.r.choice(ops)()
        outs = [p for p in self.values if p[0] not in self.used][-3:]
        head = f"mir 1\ngraph @g(%x: f32{dims(shape)}) -> {', '.join('f32' + dims(s) for _, s in outs)} {{"
        return "\n".join([head] + self.lines + [f"  return {', '.join(v for v, _ in outs)}", "}"]) + "\n"


if __name__ == "__main__":
    first, count = int(sys.argv[1]), int(sys.argv[2])
    print("// -----\n".join(Graph(seed).text() for seed in range(first, first + count)), end="")
