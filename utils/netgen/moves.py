"""Ops that only move elements, over any axis and rank, and reductions."""
import numpy as np

from .net import elements, fits, ints, number


def some_axis(g, s):
    return len(s) - 1 if g.chance(0.35) else g.between(0, len(s) - 1)


def written(g, axis, rank):
    return axis - rank if g.chance(0.3) else axis


def concat(g):
    v = g.some(lambda s: len(s) > 0)
    if not v:
        return
    x, s = v
    axis = some_axis(g, s)
    ok = [v for v in g.values if len(v[1]) == len(s) and all(v[1][i] == s[i] for i in range(len(s)) if i != axis)]
    parts = [g.pick(*ok) for _ in range(g.pick(1, 2, 2, 3))]
    if g.chance(0.15):
        t = s[:axis] + (g.between(1, 3),) + s[axis + 1:]
        if elements(t) <= 300:
            parts.insert(g.between(0, len(parts)), (g.const(t, g.pick(0.5, 4.0) * g.unit), t))
    shape = s[:axis] + (sum(p[1][axis] for p in parts),) + s[axis + 1:]
    if fits(shape):
        g.op(f"concat {', '.join(p[0] for p in parts)} {{axis={written(g, axis, len(s))}}}", shape, reads=[p[0] for p in parts])


def split(g):
    v = g.some(lambda s: any(d > 1 for d in s))
    if not v:
        return
    x, s = v
    axis = g.pick(*[i for i, d in enumerate(s) if d > 1])
    a = g.between(1, s[axis] - 1)
    sizes = [a, s[axis] - a]
    if sizes[1] > 1 and g.chance(0.3):
        sizes[1:] = [1, sizes[1] - 1]
    g.op(f"split {x} {{axis={written(g, axis, len(s))}, sizes={ints(sizes)}}}", *[s[:axis] + (k,) + s[axis + 1:] for k in sizes], reads=[x])


def slice_(g):
    v = g.some(lambda s: any(d > 1 for d in s))
    if not v:
        return
    x, s = v
    starts, sizes, steps = [0] * len(s), list(s), [1] * len(s)
    for i, d in enumerate(s):
        if d < 2 or g.chance(0.5):
            continue
        steps[i] = g.pick(1, 1, 1, 2, -1)
        starts[i] = g.between(0, d // 2) if steps[i] > 0 else g.between(d // 2, d - 1)
        room = (d - 1 - starts[i]) // steps[i] if steps[i] > 0 else starts[i]
        sizes[i] = g.between(1, room + 1)
    at = f"starts={ints(starts)}, sizes={ints(sizes)}" + (f", steps={ints(steps)}" if any(k != 1 for k in steps) else "")
    g.op(f"slice {x} {{{at}}}", tuple(sizes), reads=[x])


def pad(g):
    v = g.some(lambda s: len(s) > 0)
    if not v:
        return
    x, s = v
    mode = g.pick("constant", "constant", "edge", "reflect")
    most = [d - 1 if mode == "reflect" else 2 for d in s]
    before = [g.between(0, min(2, m)) if g.chance(0.5) else 0 for m in most]
    after = [g.between(0, min(2, m)) if g.chance(0.5) else 0 for m in most]
    shape = tuple(d + a + b for d, a, b in zip(s, before, after))
    if not fits(shape):
        return
    at = [f"before={ints(before)}", f"after={ints(after)}"]
    if mode != "constant":
        at.append(f"mode={mode}")
    elif g.chance(0.6):
        at.append(f"value={number(g.unit * g.pick(1.0, -1.0, 6.0, -6.0, 0.3))}")
    g.op(f"pad {x} {{{', '.join(at)}}}", shape, reads=[x])


def reshape(g):
    x, s = g.some()
    n, shape = elements(s), []
    while n > 1 and len(shape) < 4:
        d = g.pick(*[k for k in range(1, min(n, 64) + 1) if n % k == 0][-4:], n)
        shape.append(d)
        n //= d
    if n > 1 or not shape or g.chance(0.2):
        shape.append(n)
    order = list(range(len(shape)))
    g.rng.shuffle(order)
    shape = [shape[i] for i in order]
    if g.chance(0.4):
        shape = [s[0], elements(s[1:])] if len(s) > 1 else [1] + list(s)
    if len(shape) < 4 and g.chance(0.2):
        shape.insert(g.between(0, len(shape)), 1)
    told = list(shape)
    if g.chance(0.2):
        told[g.between(0, len(told) - 1)] = -1
    g.op(f"reshape {x} {{shape={ints(told)}}}", tuple(shape), reads=[x])


def image(g):
    """Any value as [n, h, w, c], so that convolutions find something."""
    v = g.some(lambda s: len(s) in (1, 2, 3) and elements(s) > 8)
    if not v:
        return
    x, s = v
    shape = {1: (1, 1, 1) + s, 2: (1, 1) + s, 3: (1,) + s}[len(s)]
    g.op(f"reshape {x} {{shape={ints(shape)}}}", shape, reads=[x])


def transpose(g):
    v = g.some(lambda s: len(s) > 1)
    if not v:
        return
    x, s = v
    perm = [int(i) for i in g.rng.permutation(len(s))]
    g.op(f"transpose {x} {{perm={ints(perm)}}}", tuple(s[i] for i in perm), reads=[x])


def broadcast(g):
    v = g.some(lambda s: 1 in s or elements(s) <= 64)
    if not v:
        return
    x, s = v
    shape = tuple(g.between(2, 4) if d == 1 and g.chance(0.6) else d for d in s)
    if len(s) < 4 and g.chance(0.4):
        shape = (g.between(1, 3),) + shape
    if fits(shape):
        g.op(f"broadcast {x} {{shape={ints(shape)}}}", shape, reads=[x])


def gather(g):
    v = g.some(lambda s: len(s) > 0)
    if not v:
        return
    x, s = v
    axis = g.between(0, len(s) - 1)
    kind = g.pick(np.int64, np.int64, np.int32)
    index = g.rng.integers(-s[axis], s[axis], g.pick((), (1,), (2,), (3,), (2, 2))).astype(kind)
    shape = s[:axis] + index.shape + s[axis + 1:]
    if len(shape) > 4 or not fits(shape):
        return
    c = g.const(index.shape, index, "i64" if kind == np.int64 else "i32")
    g.op(f"gather {x}, {c} {{axis={written(g, axis, len(s))}}}", shape, reads=[x])


def reduce(g):
    v = g.some(lambda s: len(s) > 0)
    if not v:
        return
    x, s = v
    op = g.pick("reduce_mean", "reduce_mean", "reduce_sum", "reduce_max")
    axes = [i for i in range(len(s)) if g.chance(0.4)] or [len(s) - 1]
    if g.chance(0.05):
        axes = list(range(len(s)))
    keep = g.chance(0.5)
    shape = tuple(1 if i in axes else d for i, d in enumerate(s) if keep or i not in axes)
    at = [f"axes={ints([written(g, i, len(s)) for i in axes])}"] + ([] if keep else ["keepdims=false"])
    g.op(f"{op} {x} {{{', '.join(at)}}}", shape, reads=[x])


MAKERS = [concat] * 5 + [split, split, slice_, slice_, pad, pad, pad, reshape, reshape, image, transpose, transpose, broadcast, gather, reduce, reduce, reduce]
