"""Networks that come quantized: integers from the start, scales per tensor and per channel, all roundings, results that stay integers."""
import numpy as np

from .net import elements, fits, ints, number


class Q:
    """A quantized value."""

    def __init__(self, name, shape, element, scale, zero):
        self.name, self.shape, self.element, self.scale, self.zero = name, tuple(shape), element, np.float32(scale), zero

    def text(self, g, shape=None):
        return g.type(self.shape if shape is None else shape, f"{self.element}<{number(self.scale)}:{self.zero}>")


def chosen(g, shape, spread=1.0):
    """A form that holds about +-4 spread."""
    element = g.pick("u8", "u8", "i8")
    zero = g.pick(128, 0, 100, 255, 3) if element == "u8" else g.pick(0, 0, -128, 17, 127)
    return Q(None, shape, element, spread * g.pick(0.02, 0.03137, 0.05, 0.011), zero)


def emit(g, text, q, reads=()):
    q.name = g.name("q")
    g.line(q.name, text, q.text(g))
    g.used.update(reads)
    g.quantized.append(q)
    return q


def some(g, want=lambda q: True):
    pool = [q for q in g.quantized if want(q)]
    return pool[max(0, len(pool) - 1 - int(g.rng.exponential(2.0)))] if pool else None


def quantize(g):
    x, s = g.some()
    emit(g, f"quantize {x}", chosen(g, s, g.unit), [x])


def dequantize(g):
    q = some(g)
    g.op(f"dequantize {q.name}", q.shape, reads=[q.name])


def weights(g, shape, axis_scales):
    """(text of the constant, accumulator's quantization for an activation scale s: a function of s and rank)."""
    data = g.rng.integers(-127, 128, shape).astype(np.int8)
    if not axis_scales:
        sw = np.float32(g.pick(0.004, 0.0071))
        name = g.line(g.name("w"), f"const dense<{text(data)}>", g.type(shape, f"i8<{number(sw)}:0>"))
        return name, lambda s, rank: f"i32<{number(np.float32(s) * sw)}:0>"
    sw = (0.003 + 0.006 * g.rng.random(shape[0])).astype(np.float32)
    kept = g.tensor("s", sw, "f32")
    name = g.line(g.name("w"), f"const dense<{text(data)}>", g.type(shape, f"i8<{kept} axis=0>"))
    return name, lambda s, rank: f"i32<{g.tensor('a', (np.float32(s) * sw).astype(np.float32), 'f32')} axis={rank - 1}>"


def text(data):
    return str(data.tolist())


def product(g):
    """conv2d, linear, then requantize."""
    q = some(g, lambda q: len(q.shape) > 1 and q.shape[-1] <= 200)
    if not q:
        return
    s, co = q.shape, g.channels()
    if len(s) == 4 and g.chance(0.8):
        k, st = g.pick(1, 3, 3), g.pick(1, 1, 2)
        depth = s[3] > 1 and g.chance(0.35)
        groups = s[3] if depth else 1
        co = s[3] if depth else co
        p = k // 2
        shape = (s[0], (s[1] + 2 * p - k) // st + 1, (s[2] + 2 * p - k) // st + 1, co)
        ws = (co, k, k, s[3] // groups)
        op, at = "conv2d", f" {{stride={ints((st, st))}, pad={ints((p,) * 4)}, groups={groups}}}"
    else:
        shape, ws, op, at = s[:-1] + (co,), (co, s[-1]), "linear", ""
    if not fits(shape) or elements(ws) > 4000 or elements(shape) * elements(ws[1:]) > 150_000:
        return
    w, form = weights(g, ws, g.chance(0.6))
    bias = ""
    if g.chance(0.6):
        b = g.rng.integers(-20000, 20000, co).astype(np.int32)
        bias = ", " + g.line(g.name("w"), f"const dense<{text(b)}>", g.type((co,), "i32"))
    acc = g.line(g.name("acc"), f"{op} {q.name}, {w}{bias}{at}", g.type(shape, form(q.scale, len(shape))))
    g.used.add(q.name)
    y = chosen(g, shape, float(q.scale) * 40 * 0.5 * np.sqrt(elements(ws[1:])))
    rounding = g.pick("", "", "", " {rounding=single}", " {rounding=double}")
    emit(g, f"requantize {acc}{rounding}", y)


def unary(g):
    q = some(g)
    op = g.pick("relu", "sigmoid", "tanh", "hard_swish", "neg", "abs", "gelu", "leaky_relu", "clamp", "silu", "elu")
    at = " {low=0.25, high=2.0}" if op == "clamp" else ""
    emit(g, f"{op} {q.name}{at}", chosen(g, q.shape, float(q.scale) * 40), [q.name])


def binary(g):
    q = some(g)
    r = some(g, lambda r: r.shape == q.shape)
    op = g.pick("add", "add", "sub", "mul", "min", "max")
    emit(g, f"{op} {q.name}, {r.name}", chosen(g, q.shape, max(float(q.scale), float(r.scale)) * 40), [q.name, r.name])


def requantize(g):
    q = some(g)
    emit(g, f"requantize {q.name}", chosen(g, q.shape, float(q.scale) * 40), [q.name])


def same(g, name, shape, like):
    return Q(name, shape, like.element, like.scale, like.zero)


def move(g):
    q = some(g, lambda q: len(q.shape) > 0)
    if not q:
        return
    s = q.shape
    kind = g.pick("reshape", "transpose", "slice", "pad", "max_pool", "concat", "reduce_max")
    if kind == "reshape":
        emit(g, f"reshape {q.name} {{shape={ints((s[0], elements(s[1:])))}}}", same(g, None, (s[0], elements(s[1:])), q), [q.name])
    elif kind == "transpose" and len(s) > 1:
        perm = [int(i) for i in g.rng.permutation(len(s))]
        emit(g, f"transpose {q.name} {{perm={ints(perm)}}}", same(g, None, [s[i] for i in perm], q), [q.name])
    elif kind == "slice" and s[-1] > 1:
        t = s[:-1] + (s[-1] - 1,)
        emit(g, f"slice {q.name} {{starts={ints([0] * (len(s) - 1) + [1])}, sizes={ints(t)}}}", same(g, None, t, q), [q.name])
    elif kind == "pad" and len(s) > 1:
        before, after = [0] * len(s), [0] * len(s)
        before[1], after[-1] = 1, 1
        t = tuple(d + a + b for d, a, b in zip(s, before, after))
        emit(g, f"pad {q.name} {{before={ints(before)}, after={ints(after)}}}", same(g, None, t, q), [q.name])
    elif kind == "max_pool" and len(s) == 4 and min(s[1:3]) > 1:
        emit(g, f"max_pool {q.name} {{kernel=[2,2]}}", same(g, None, (s[0], s[1] - 1, s[2] - 1, s[3]), q), [q.name])
    elif kind == "reduce_max":
        emit(g, f"reduce_max {q.name} {{axes=[-1]}}", same(g, None, s[:-1] + (1,), q), [q.name])
    elif kind == "concat":
        axis = g.between(0, len(s) - 1)
        r = some(g, lambda r: len(r.shape) == len(s) and all(r.shape[i] == s[i] for i in range(len(s)) if i != axis))
        t = s[:axis] + (s[axis] + r.shape[axis],) + s[axis + 1:]
        if fits(t):
            emit(g, f"concat {q.name}, {r.name} {{axis={axis}}}", chosen(g, t, max(float(q.scale), float(r.scale)) * 40), [q.name, r.name])


def mean(g):
    q = some(g, lambda q: len(q.shape) > 1)
    if not q:
        return
    s = q.shape
    kind = g.pick("avg_pool", "global_avg_pool", "reduce_mean", "softmax", "layer_norm")
    if kind in ("avg_pool", "global_avg_pool") and len(s) != 4:
        kind = "reduce_mean"
    y = chosen(g, s, float(q.scale) * 30)
    if kind == "avg_pool":
        y.shape = (s[0], max(1, s[1] - 1), max(1, s[2] - 1), s[3])
        emit(g, f"avg_pool {q.name} {{kernel={ints((min(2, s[1]), min(2, s[2])))}}}", y, [q.name])
    elif kind == "global_avg_pool":
        y.shape = (s[0], 1, 1, s[3])
        emit(g, f"global_avg_pool {q.name}", y, [q.name])
    elif kind == "reduce_mean":
        y.shape = s[:-1] + (1,)
        emit(g, f"reduce_mean {q.name} {{axes=[-1]}}", y, [q.name])
    elif kind == "softmax":
        emit(g, f"softmax {q.name}", Q(None, s, "u8", 1 / 256, 0), [q.name])
    else:
        emit(g, f"layer_norm {q.name}", chosen(g, s, 1.0), [q.name])


MAKERS = [quantize, dequantize, product, product, product, product, unary, unary, binary, binary, requantize, move, move, mean]
