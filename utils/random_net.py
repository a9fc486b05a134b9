#!/usr/bin/env python3
"""Random networks for testing: a seed gives a graph, always the same.

    random_net.py SEED NET.mir [CALIB.npz]     # writes the network and, when asked, samples for its inputs
    random_net.py FROM-TO FOLDER               # SEED.mir and SEED.npz of all these seeds

The graphs are small and mean nothing; they combine every op of the language in ways that real networks rarely do: images and tokens, odd channels and wide rows, concats over any axis, clamps away from
zero, constants outside of ranges, shared weights, results that are inputs, constants, each other or numbers, values of any magnitude, networks that come quantized. So fusion, quantization, memory planning
and code generation meet odd cases. Values stay within a few units of their network's magnitude, so that INT8 has something to represent. The makers are in utils/netgen.
"""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from netgen import elementwise, images, integers, moves, tokens  # noqa: E402
from netgen.net import Net, elements, ints  # noqa: E402


# ---- inputs ----
def image_input(g):
    wide = g.chance(0.2)
    h, w = (g.between(1, 3), g.between(34, 41)) if wide else (g.between(2, 12), g.between(2, 11))
    c = g.channels()
    while h * w * c > 1500:
        c = g.channels()
    shape = (g.pick(1, 1, 1, 2, 3), h, w, c)
    if g.chance(0.08):     # bytes, as cameras give them
        x = g.input("x", shape, "u8", lambda s: g.rng.integers(0, 256, s).astype(np.uint8))
        y = g.name()
        g.line(y, f"cast {x}", g.type(shape))
        g.values.append((y, shape))
        k = g.scalar(1 / 255)
        g.op(f"mul {y}, {k}", shape, reads=[y])
        g.values.pop(0)
    else:
        g.input("x", shape)
    if g.chance(0.15):
        g.input("z", shape if g.chance(0.5) else shape[:1] + (1, 1) + shape[3:])


def token_input(g):
    t, d = g.between(1, 20), g.channels()
    shape = (g.pick(1, 1, 2), t, d) if g.chance(0.7) else (t, d)
    if g.chance(0.3):
        rows = g.between(4, 20)
        ids = g.input("ids", shape[:-1], g.pick("i64", "i32"), lambda s: g.rng.integers(0, rows, s).astype(np.int64))
        g.samples["ids"] = g.samples["ids"].astype(np.int32 if "i32" in g.inputs[-1][1] else np.int64)
        table = g.const((rows, d), g.unit)
        g.op(f"gather {table}, {ids}", shape)
    else:
        g.input("x", shape)
    if g.chance(0.15):
        g.input("z", shape)


def loose_input(g):
    for k in range(g.pick(1, 1, 2, 3)):
        rank = g.pick(1, 2, 3, 3, 4, 5) if k == 0 else g.between(1, 4)
        g.input(f"x{k}", tuple(g.between(1, 2) if i == 0 else g.pick(1, 2, 3, 4, 5, 7) for i in range(rank)))


# ---- results ----
def argmax(g):
    v = g.some(lambda s: len(s) > 0)
    if not v:
        return
    x, s = v
    axis, keep, element = g.between(0, len(s) - 1), g.chance(0.3), g.pick("i64", "i32")
    shape = tuple(1 if i == axis else d for i, d in enumerate(s) if keep or i != axis)
    name = g.line(g.name(), f"argmax {x} {{axis={axis}{', keepdims=true' if keep else ''}}}", g.type(shape, element))
    g.used.add(x)
    g.extra.append((name, g.type(shape, element)))


def cast(g):
    x, s = g.some()
    element = g.pick("f64", "f16", "bf16")
    name = g.line(g.name(), f"cast {x}", g.type(s, element))
    g.extra.append((name, g.type(s, element)))


def results(g):
    """What nobody reads (up to three), then odd ones."""
    own = [v for v in g.values if v[0] not in dict(g.inputs)]
    loose = [v for v in own if v[0] not in g.used] or own[-1:] or g.values[-1:]
    out = [(n, g.type(s)) for n, s in (loose[-3:] if g.chance(0.5) else loose[-1:])]
    for q in g.quantized[-2:]:
        if q.name not in g.used:
            out.append((q.name, q.text(g)))
    if g.chance(0.15):       # one that others read too
        n, s = g.pick(*g.values)
        out.append((n, g.type(s)))
    if g.chance(0.08):       # the same twice
        out.append(g.pick(*out))
    if g.chance(0.05):       # an input as it is
        out.append(g.pick(*g.inputs))
    if g.chance(0.05):
        shape = (g.between(1, 3),)
        out.append((g.const(shape, 1.0), g.type(shape)))
    if g.chance(0.08):       # a number
        x, s = g.some()
        axes = f" {{axes={ints(range(len(s)))}, keepdims=false}}"
        if s:
            y, t = g.op(f"{g.pick('reduce_mean', 'reduce_sum', 'reduce_max')} {x}{axes}", (), reads=[x])
            out.append((y, g.type(t)))
    if g.chance(0.12):
        argmax(g)
    if g.chance(0.04):
        cast(g)
    out += g.extra
    g.rng.shuffle(out)
    return [tuple(o) for o in out]


# ---- kinds of networks ----
def kind_of(g):
    """(input maker, op makers)"""
    every = elementwise.MAKERS + moves.MAKERS
    if g.chance(0.45):
        return image_input, images.MAKERS * 3 + every
    if g.chance(0.45):
        return token_input, tokens.MAKERS * 3 + every
    if g.chance(0.75):
        return loose_input, every * 2 + images.MAKERS + tokens.MAKERS + [elementwise.sign]
    return g.pick(image_input, token_input), integers.MAKERS


def make(seed, path, samples):
    g = Net(seed)
    g.quantized = []
    g.unit = g.pick(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.01, 30.0, 1000.0, 1e-4)
    g.never = g.pick("-1e9", "-1e9", "-10000.0", "-inf")
    first, makers = kind_of(g)
    first(g)
    if makers is integers.MAKERS:
        integers.quantize(g)
    target = g.between(2, 11) + len(g.values)
    for _ in range(5 * target):
        if len(g.values) + len(g.quantized) > target:
            break
        makers[g.between(0, len(makers) - 1)](g)
    if len(g.values) == len(g.inputs) and not g.quantized:
        elementwise.unary(g)
    g.write(path, results(g))
    if samples:
        count = max(len(a) for a in g.samples.values())
        np.savez(samples, **{n: np.resize(a, (count,) + a.shape[1:]) for n, a in g.samples.items()})


def main():
    first, dash, last = sys.argv[1].partition("-")
    if not dash:
        return make(int(first), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
    pathlib.Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    for seed in range(int(first), int(last) + 1):
        make(seed, f"{sys.argv[2]}/{seed}.mir", f"{sys.argv[2]}/{seed}.npz")


if __name__ == "__main__":
    main()
