#!/usr/bin/env python3
"""Random chains for testing (docs/internals/chains.md): a seed gives a network, always the same.

    random_chain.py SEED NET.mir [CALIB.npz]

Convolutions of every kind, pools and elementwise ops, one after the other, each read by the next alone, with heights that strips divide, odd channels, paddings, dilations, batches and a residual sum
now and then: what form-chains{goal=all} makes chains of.
"""
import sys
import numpy as np


class Chain:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.lines, self.n, self.v, self.kept, self.before = [], 0, "%x", {}, None

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def const(self, shape, scale):
        data = (self.rng.standard_normal(shape) * scale).astype(np.float32)
        self.n += 1
        text = np.array2string(data, separator=", ", threshold=sys.maxsize, max_line_width=10**9, formatter={"float_kind": lambda v: repr(float(np.float32(round(float(v), 4))))})
        self.lines.append(f"  %w{self.n} = const dense<{text.replace(chr(10), ' ')}> : f32{list(shape)}".replace("f32[" + ", ".join(map(str, shape)), "f32[" + ",".join(map(str, shape))))
        return f"%w{self.n}"

    def op(self, text):
        self.n += 1
        self.lines.append(f"  %v{self.n} = {text} : f32[{','.join(map(str, self.shape))}]")
        self.kept.setdefault(self.before, []).append(self.v)
        self.v, self.before = f"%v{self.n}", tuple(self.shape)

    def conv(self):
        n, h, w, c = self.shape
        k, d = self.pick((1, 1), (1, 1), (3, 1), (3, 1), (3, 1), (5, 1), (3, 2))
        st = self.pick(1, 1, 2) if h % 2 == 0 and h > 4 else 1
        reach = d * (k - 1) + 1
        depthwise = k > 1 and self.rng.random() < 0.6
        co = c * self.pick(1, 1, 1, 2) if depthwise and c < 40 else c if depthwise else self.pick(8, 12, 16, 16, 24, 32)
        x, wt = self.v, self.const((co, k, k, 1 if depthwise else c), 1.0 / np.sqrt(k * k * (1 if depthwise else c)))
        b = ", " + self.const((co,), 0.2) if self.rng.random() < 0.7 else ""
        top = int(self.rng.integers(max(0, reach - st), reach + 1)) if k == 5 else reach // 2   # the sum of both keeps h / st
        total = (h // st - 1) * st + reach - h
        top = max(0, min(top, total, reach - 1))
        self.shape = [n, h // st, (w + 2 * (reach // 2) - reach) // st + 1, co]
        at = f"stride=[{st},{st}], pad=[{top},{reach // 2},{max(0, total - top)},{reach // 2}], dilation=[{d},{d}], groups={c if depthwise else 1}"
        self.op(f"conv2d {x}, {wt}{b} {{{at}}}")

    def pool(self):
        n, h, w, c = self.shape
        if h % 2 or w < 3 or h < 6:
            return
        x = self.v
        self.shape = [n, h // 2, (w - 1) // 2 + 1, c]
        if self.rng.random() < 0.7:
            self.op(f"max_pool {x} {{kernel=[3,3], stride=[2,2], pad=[1,1,{h % 2},1]}}")
        else:
            self.shape[2] = w // 2
            self.op(f"avg_pool {x} {{kernel=[2,2], stride=[2,2]}}")

    def unary(self):
        self.op(f"{self.pick('relu', 'sigmoid', 'hard_swish', 'relu')} {self.v}")

    def residual(self):
        same = self.kept.get(tuple(self.shape))
        if same:
            x, self.kept = self.v, {}
            self.op(f"add {x}, {same[0]}")


def main():
    seed, path = int(sys.argv[1]), sys.argv[2]
    g = Chain(seed)
    first = g.shape = [g.pick(1, 1, 1, 2), g.pick(8, 12, 16, 24), g.pick(5, 8, 13, 16, 20), g.pick(3, 8, 16, 17)]
    first, g.before = list(first), tuple(first)
    for _ in range(int(g.rng.integers(3, 10))):
        g.pick(g.conv, g.conv, g.conv, g.conv, g.unary, g.residual, g.pool)()
    g.conv()
    dims = ",".join(map(str, first))
    with open(path, "w") as f:
        f.write(f"mir 1\ngraph @net(%x: f32[{dims}]) -> f32[{','.join(map(str, g.shape))}] {{\n" + "\n".join(g.lines) + f"\n  return {g.v}\n}}\n")
    if len(sys.argv) > 3:
        np.savez(sys.argv[3], x=g.rng.standard_normal([4] + first[1:]).astype(np.float32))


main()
