"""Products, reductions, and operators that move elements."""
import numpy as np

from .model import elements, fits

def gemm(g):
    v = g.some(lambda s: len(s) == 2)
    if not v:
        return
    ta, tb, n = int(g.chance(0.25)), int(g.chance(0.5)), g.channels()
    m, k = v.shape[::-1] if ta else v.shape
    if k * n > 6000 or not fits((m, n)):
        return
    c = g.pick(None, (n,), (1, n), (m, 1), (m, n), ())
    operands = [v, g.floats((n, k) if tb else (k, n), k ** -0.5)] + ([g.floats(c, 0.3 * g.unit)] if c is not None else [])
    g.node("Gemm", operands, [(m, n)], transA=ta or None, transB=tb or None, alpha=g.pick(None, None, 0.5), beta=g.pick(None, None, 2.0) if c is not None else None)


def matmul(g):
    v = g.some(lambda s: len(s) >= 1)
    if not v:
        return
    s = v.shape
    k = s[-1]
    ok = [w for w in g.values if w.kind == "f32" and len(w.shape) > 1 and w.shape[-2] == k and len(s) > 1]
    if ok and g.chance(0.4):
        w = g.pick(*ok)
        u, b = w.shape, g.node("Mul", [w, g.scalar(k ** -0.5 / g.unit)], [w.shape])
    else:
        u = g.pick((k, g.channels()), (k, g.channels()), (k,), (2, k, 5))
        b = g.floats(u, k ** -0.5)
    shape = np.matmul(np.zeros(s, np.int8), np.zeros(u, np.int8)).shape if compatible(s, u) else None
    if shape is not None and elements(u) <= 4000 and fits(shape) and len(shape) <= 4 and elements(shape) * k <= 150_000:
        g.node("MatMul", [v, b], [shape])


def compatible(s, u):
    return all(p == q or 1 in (p, q) for p, q in zip(s[-3::-1], u[-3::-1]))


def attention(g):
    v = g.some(lambda s: len(s) == 3 and s[1] <= 20)
    if not v:
        return
    n, t, d = v.shape
    k = g.channels()
    if d * k > 3000 or n * t * t > 2000:
        return
    q, key, val = (g.node("MatMul", [v, g.floats((d, k), d ** -0.5)], [(n, t, k)]) for _ in range(3))
    kt = g.node("Transpose", [key], [(n, k, t)], perm=[0, 2, 1])
    s = g.node("MatMul", [q, kt], [(n, t, t)])
    s = g.node("Div", [s, g.scalar(k ** 0.5 * g.unit ** 2)], [(n, t, t)])
    if g.chance(0.4):
        mask = np.where(np.tri(t, dtype=bool), 0, g.pick(-1e9, -np.inf)).astype(np.float32)
        s = g.node("Add", [s, g.const(mask)], [(n, t, t)])
    p = g.node("Softmax", [s], [(n, t, t)], axis=-1 if g.opset >= 13 else 2)
    g.node("MatMul", [p, val], [(n, t, k)])


def softmax(g):
    v = g.some(lambda s: len(s) > 0 and s[-1] > 1)
    if not v:
        return
    g.node(g.pick("Softmax", "Softmax", "LogSoftmax"), [v], [v.shape], axis=g.pick(*([None] if g.opset >= 13 or len(v.shape) > 1 else []), -1, g.between(0, len(v.shape) - 1)))


def layer_norm(g):
    v = g.some(lambda s: len(s) > 1 and s[-1] > 2)
    if not v or g.opset < 17:
        return
    axis = g.between(1, len(v.shape) - 1)
    t = v.shape[axis:]
    if elements(t) <= 1000:
        operands = [v, g.const((1 + 0.3 * g.rng.standard_normal(t)).astype(np.float32))] + ([g.floats(t, 0.3)] if g.chance(0.7) else [])
        g.node("LayerNormalization", operands, [v.shape], axis=axis, epsilon=g.pick(None, 1e-3))


def reduce(g):
    v = g.some(lambda s: len(s) > 0)
    if not v:
        return
    s = v.shape
    op = g.pick("ReduceMean", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp")
    axes = [i for i in range(len(s)) if g.chance(0.4)] or [len(s) - 1]
    if op == "ReduceLogSumExp":
        v = g.node("Clip", [v, g.scalar(-3.0), g.scalar(3.0)], [s])
    keep = int(g.chance(0.5))
    shape = tuple(1 if i in axes else d for i, d in enumerate(s) if keep or i not in axes)
    told = [i - len(s) if g.chance(0.3) else i for i in axes]
    if g.opset >= (13 if op == "ReduceSum" else 18):
        g.node(op, [v, g.ints(*told)], [shape], keepdims=keep)
    else:
        g.node(op, [v], [shape], axes=told, keepdims=keep)


def arg(g):
    v = g.some(lambda s: len(s) > 0)
    if v:
        axis, keep = g.between(0, len(v.shape) - 1), int(g.chance(0.5))
        shape = tuple(1 if i == axis else d for i, d in enumerate(v.shape) if keep or i != axis)
        g.node(g.pick("ArgMax", "ArgMin"), [v], [shape], "i64", axis=axis, keepdims=keep)


def concat(g):
    v = g.some(lambda s: len(s) > 0)
    if not v:
        return
    s = v.shape
    axis = g.between(0, len(s) - 1)
    ok = [w for w in g.values if w.kind == "f32" and len(w.shape) == len(s) and all(w.shape[i] == s[i] for i in range(len(s)) if i != axis)]
    parts = [g.pick(*ok) for _ in range(g.pick(1, 2, 2, 3))]
    sizes = [p.shape[axis] for p in parts]
    t = s[:axis] + (2,) + s[axis + 1:]
    if g.chance(0.15) and elements(t) < 300:
        parts.append(g.floats(t, g.unit))
        sizes.append(2)
    shape = s[:axis] + (sum(sizes),) + s[axis + 1:]
    if fits(shape):
        g.node("Concat", parts, [shape], axis=axis if g.chance(0.7) else axis - len(s))


def split(g):
    v = g.some(lambda s: any(d > 1 for d in s))
    if not v:
        return
    s = v.shape
    axis = g.pick(*[i for i, d in enumerate(s) if d > 1])
    a = g.between(1, s[axis] - 1)
    sizes = [a, s[axis] - a]
    shapes = [s[:axis] + (k,) + s[axis + 1:] for k in sizes]
    if g.opset >= 13:
        g.node("Split", [v, g.ints(*sizes)], shapes, axis=axis)
    else:
        g.node("Split", [v], shapes, axis=axis, split=sizes)


def slice_(g):
    v = g.some(lambda s: any(d > 1 for d in s))
    if not v:
        return
    s, starts, ends, axes, steps, shape = v.shape, [], [], [], [], list(v.shape)
    for i, d in enumerate(s):
        if d < 2 or g.chance(0.5):
            continue
        step = g.pick(1, 1, 1, 2, -1)
        start = g.between(0, d // 2) if step > 0 else g.between(d // 2, d - 1)
        end = g.pick(d, d + 5, 2 ** 31 - 1, -1 if start < d - 1 else d) if step > 0 else g.pick(-d - 1, -2 ** 31)
        shape[i] = len(range(d)[start:end:step] if step > 0 else range(start, -1, step))
        if shape[i] < 1:
            return
        for to, x in zip((starts, ends, axes, steps), (start, end, i - len(s) if g.chance(0.3) else i, step)):
            to.append(x)
    if axes:
        g.node("Slice", [v, g.ints(*starts), g.ints(*ends), g.ints(*axes), g.ints(*steps)], [shape])


def pad(g):
    v = g.some(lambda s: len(s) > 0)
    if not v:
        return
    s = v.shape
    mode = g.pick("constant", "constant", "edge", "reflect")
    before = [g.between(0, min(2, d - 1 if mode == "reflect" else 2)) if g.chance(0.4) else 0 for d in s]
    after = [g.between(0, min(2, d - 1 if mode == "reflect" else 2)) if g.chance(0.4) else 0 for d in s]
    shape = [d + a + b for d, a, b in zip(s, before, after)]
    value = [g.scalar(g.unit * g.pick(1.0, -6.0))] if mode == "constant" and g.chance(0.6) else []
    if fits(shape):
        g.node("Pad", [v, g.ints(*before, *after)] + value, [shape], mode=mode if mode != "constant" or g.chance(0.5) else None)


def shape_of(g):
    """reshape, flatten, squeeze, unsqueeze, transpose, expand, tile"""
    v = g.some()
    s = v.shape
    op = g.pick("Reshape", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Transpose", "Expand", "Tile")
    if op == "Reshape":
        t = g.pick((elements(s),), (s[0], -1) if s else (1,), (1,) + s if len(s) < 4 else (-1, s[-1]), (0, -1) if s and elements(s[1:]) > 0 else (1,))
        known = [s[i] if d == 0 else d for i, d in enumerate(t)]
        shape = tuple(elements(s) // -elements(known) if d == -1 else d for d in known)
        g.node(op, [v, g.ints(*t)], [shape])
    elif op == "Flatten" and len(s) > 0:
        a = g.between(0, len(s))
        g.node(op, [v], [(elements(s[:a]), elements(s[a:]))], axis=a)
    elif op == "Squeeze" and 1 in s:
        a = g.pick(*[i for i, d in enumerate(s) if d == 1])
        t = s[:a] + s[a + 1:]
        g.node(op, [v, g.ints(a)], [t]) if g.opset >= 13 else g.node(op, [v], [t], axes=[a])
    elif op == "Unsqueeze" and len(s) < 4:
        a = g.between(0, len(s))
        t = s[:a] + (1,) + s[a:]
        g.node(op, [v, g.ints(a)], [t]) if g.opset >= 13 else g.node(op, [v], [t], axes=[a])
    elif op == "Transpose" and len(s) > 1:
        p = [int(i) for i in g.rng.permutation(len(s))]
        g.node(op, [v], [tuple(s[i] for i in p)], perm=p)
    elif op == "Expand":
        t = tuple(g.between(2, 3) if d == 1 and g.chance(0.6) else d for d in s)
        t = (2,) + t if len(t) < 4 and g.chance(0.3) else t
        if fits(t):
            g.node(op, [v, g.ints(*t)], [t])
    elif op == "Tile" and s:
        r = [g.pick(1, 1, 2) for _ in s]
        t = tuple(d * k for d, k in zip(s, r))
        if fits(t):
            g.node(op, [v, g.ints(*r)], [t])


def gather(g):
    v = g.some(lambda s: len(s) > 0)
    if not v:
        return
    s = v.shape
    axis = g.between(0, len(s) - 1)
    index = g.rng.integers(-s[axis], s[axis], g.pick((), (1,), (3,), (2, 2))).astype(np.int64)
    shape = s[:axis] + index.shape + s[axis + 1:]
    if len(shape) <= 4 and fits(shape):
        g.node("Gather", [v, g.const(index)], [shape], axis=axis)


def trilu(g):
    v = g.some(lambda s: len(s) > 1)
    if v and g.opset >= 14:
        g.node("Trilu", [v] + ([g.const(np.array(g.between(-1, 2), np.int64))] if g.chance(0.5) else []), [v.shape], upper=g.pick(None, 0, 1))


def quantized(g):
    """Quantize and dequantize, as exporters put around layers."""
    v = g.some()
    scale, zero = np.float32(0.03 * g.unit), g.pick(np.uint8(128), np.int8(0), np.uint8(0), np.int8(-5))
    s, z = g.const(np.array(scale)), g.const(np.array(zero))
    q = g.node("QuantizeLinear", [v, s, z], [v.shape], "u8" if zero.dtype == np.uint8 else "i8")
    g.node("DequantizeLinear", [q, s, z], [v.shape])


MAKERS = [gemm, gemm, matmul, matmul, attention, softmax, layer_norm, reduce, reduce, arg, concat, concat, split, slice_, slice_, pad, pad] + [shape_of] * 4 + [gather, trilu, quantized]
