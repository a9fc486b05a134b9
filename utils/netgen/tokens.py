"""What transformers are made of: linear layers and products of activations over any rank, softmax, layer_norm, embeddings, masks, whole blocks of attention."""
import numpy as np

from .net import MACS, elements, fits, ints


def braces(*parts):
    return " {" + ", ".join(p for p in parts if p) + "}" if any(parts) else ""


def dense(g, x, s, n, bias=True):
    w = g.const((n, s[-1]), 1.0 / np.sqrt(s[-1]))
    b = ", " + g.const((n,), 0.2 * g.unit) if bias else ""
    return g.op(f"linear {x}, {w}{b}{braces(g.clamp())}", s[:-1] + (n,), reads=[x])


def linear(g):
    v = g.some(lambda s: len(s) > 0 and s[-1] <= 300)
    if not v:
        return
    x, s = v
    n = g.channels()
    if fits(s[:-1] + (n,)) and elements(s) * n <= MACS and n * s[-1] <= 6000:
        dense(g, x, s, n, g.chance(0.75))


def matmul(g):
    """Two activations, or one and a constant on either side."""
    v = g.some(lambda s: len(s) > 1)
    if not v:
        return
    a, s = v
    shrink = g.scalar(1.0 / (np.sqrt(s[-1]) * g.unit))
    a = g.op(f"mul {a}, {shrink}", s, reads=[a])[0]
    t = g.chance(0.5)
    ok = [v for v in g.values if len(v[1]) > 1 and v[1][-1 if t else -2] == s[-1] and all(p == q or 1 in (p, q) for p, q in zip(v[1][-3::-1], s[-3::-1]))]
    if ok and g.chance(0.75):
        b, u = g.pick(*ok)
    else:
        n = g.channels()
        u = (n, s[-1]) if t else (s[-1], n)
        if elements(u) > 3000:
            return
        b = g.const(u, g.unit)
    rank = max(len(s), len(u))
    p, q = (1,) * (rank - len(s)) + s, (1,) * (rank - len(u)) + u
    shape = tuple(max(i, j) for i, j in zip(p[:-2], q[:-2])) + (s[-2], u[-2] if t else u[-1])
    if len(shape) <= 4 and fits(shape) and elements(shape) * s[-1] <= MACS:
        g.op(f"matmul {a}, {b}{braces('transpose_b=true' if t else '', g.clamp(0.08))}", shape, reads=[a, b])


def softmax(g):
    v = g.some(lambda s: len(s) > 0 and s[-1] > 1)
    if not v:
        return
    x, s = v
    axis = "" if g.chance(0.6) else f"axis={g.between(-len(s), len(s) - 1)}"
    g.op(f"softmax {x}{braces(axis)}", s, reads=[x])


def layer_norm(g):
    v = g.some(lambda s: len(s) > 0 and s[-1] > 2)
    if not v:
        return
    x, s = v
    axis = len(s) - 1 if g.chance(0.75) else g.between(0, len(s) - 1)
    t = s[axis:]
    if elements(t) > 1000:
        return
    how = g.between(0, 2)
    parts = [g.const(t, (1 + 0.3 * g.rng.standard_normal(t)).astype(np.float32)), g.const(t, 0.3)][:how]
    y, u = g.op(f"layer_norm {', '.join([x] + parts)}{braces(f'axis={axis}' if axis != len(s) - 1 else '', 'epsilon=0.001' if g.chance(0.3) else '')}", s, reads=[x])
    if g.unit != 1:
        k = g.scalar(g.unit)
        g.op(f"mul {y}, {k}", u, reads=[y])


def mask(g, rows, columns):
    """0 where one may look, a large negative number (or -inf) elsewhere; the first column is always seen."""
    m = np.where(np.arange(columns)[None] <= np.arange(rows)[:, None] + columns // 3, 0.0, -1.0) * 1e9
    name = g.name("w")
    words = "[" + ", ".join("[" + ", ".join("0.0" if v == 0 else g.never for v in row) + "]" for row in m) + "]"
    return g.line(name, f"const dense<{words}>", g.type((rows, columns)))


def attention(g):
    """softmax(q k^T + mask) v over heads."""
    v = g.some(lambda s: len(s) in (2, 3) and s[-2] <= 24 and s[-1] > 1)
    if not v:
        return
    x, s = v
    heads, d = g.pick(1, 2, 3), g.pick(2, 3, 4, 5, 8, 16)
    lead, t = s[:-2], s[-2]
    if heads * d * s[-1] > 3000 or not fits(lead + (heads, t, t)):
        return
    parts = []
    for _ in range(3):
        y = dense(g, x, s, heads * d)[0]
        y = g.op(f"reshape {y} {{shape={ints(lead + (t, heads, d))}}}", lead + (t, heads, d), reads=[y])[0]
        r = len(lead)
        perm = list(range(r)) + [r + 1, r, r + 2]
        parts.append(g.op(f"transpose {y} {{perm={ints(perm)}}}", lead + (heads, t, d), reads=[y])[0])
    q, k, val = parts
    scores = g.op(f"matmul {q}, {k} {{transpose_b=true}}", lead + (heads, t, t), reads=[q, k])[0]
    c = g.scalar(1.0 / (np.sqrt(d) * g.unit * g.unit))
    scores = g.op(f"mul {scores}, {c}", lead + (heads, t, t), reads=[scores])[0]
    if g.chance(0.5):
        scores = g.op(f"add {scores}, {mask(g, t, t)}", lead + (heads, t, t), reads=[scores])[0]
    p = g.op(f"softmax {scores}", lead + (heads, t, t), reads=[scores])[0]
    y = g.op(f"matmul {p}, {val}", lead + (heads, t, d), reads=[p, val])[0]
    r = len(lead)
    y = g.op(f"transpose {y} {{perm={ints(list(range(r)) + [r + 1, r, r + 2])}}}", lead + (t, heads, d), reads=[y])[0]
    y = g.op(f"reshape {y} {{shape={ints(lead + (t, heads * d))}}}", lead + (t, heads * d), reads=[y])[0]
    y, u = dense(g, y, lead + (t, heads * d), s[-1])
    g.op(f"add {x}, {y}", s, reads=[x, y])


def feed_forward(g):
    v = g.some(lambda s: len(s) in (2, 3) and s[-1] > 1)
    if not v:
        return
    x, s = v
    n = g.channels()
    if elements(s) * n > MACS or n * s[-1] > 3000 or not fits(s[:-1] + (n,)):
        return
    y, t = dense(g, x, s, n)
    y = g.op(f"{g.pick('gelu', 'relu', 'silu')} {y}", t, reads=[y])[0]
    y = dense(g, y, t, s[-1])[0]
    g.op(f"add {y}, {x}", s, reads=[x, y])


MAKERS = [linear] * 4 + [matmul] * 3 + [softmax, layer_norm, layer_norm, attention, attention, feed_forward]
