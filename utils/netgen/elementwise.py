"""Ops of one and two operands, with and without broadcasting; domains are kept where a function has one."""
import numpy as np

from .net import elements, fits, number


def simple(g, op):
    alpha = {"leaky_relu": (0.01, 0.2, 1.0, 1.5, -0.3, 0.0), "elu": (1.0, 0.5, 1.5, 0.0), "hard_sigmoid": (0.2, 0.166666672, 0.5)}.get(op)
    at = ""
    if op == "clamp":
        lo, hi = g.bound()
        at = f" {{low={number(lo)}, high={number(hi)}}}"
    elif alpha and g.chance(0.8):
        at = f" {{alpha={number(g.pick(*alpha))}" + (f", beta={number(g.pick(0.5, 0.3))}" if op == "hard_sigmoid" else "") + "}"
    elif op == "gelu" and g.chance(0.5):
        at = " {approximate=tanh}"
    return at


PLAIN = ("relu", "relu", "clamp", "clamp", "clamp", "leaky_relu", "leaky_relu", "elu", "sigmoid", "tanh", "hard_swish", "hard_sigmoid", "silu", "gelu", "neg", "abs", "erf")


def unary(g):
    x, s = g.some()
    op = g.pick(*PLAIN)
    g.op(f"{op} {x}{simple(g, op)}", s, reads=[x])


def positive(g, x, s, least):
    """|x| + least."""
    a = g.op(f"abs {x}", s, reads=[x])[0]
    c = g.scalar(least * g.unit)
    return g.op(f"add {a}, {c}", s, reads=[a])[0]


def domain(g):
    """Functions that are not defined everywhere, or grow fast."""
    x, s = g.some()
    kind = g.pick("log", "sqrt", "exp", "pow", "pow", "div", "div", "square", "rsqrt")
    if kind == "log":
        p = positive(g, x, s, 0.1)
        g.op(f"log {p}", s, reads=[p])
    elif kind == "sqrt":
        p = g.op(f"{g.pick('relu', 'abs')} {x}", s, reads=[x])[0]
        g.op(f"sqrt {p}", s, reads=[p])
    elif kind == "exp":
        p = g.op(f"clamp {x} {{low=-8.0, high=2.0}}" if g.chance(0.6) else f"tanh {x}", s, reads=[x])[0]
        g.op(f"exp {p}", s, reads=[p])
    elif kind == "pow":
        p = positive(g, x, s, 0.2)
        e = g.scalar(g.pick(0.5, 2.0, 3.0, -1.0, 1.3)) if g.chance(0.6) or not s else g.const((s[-1],), 0.7)
        g.op(f"pow {p}, {e}", s, reads=[p])
    elif kind == "square":
        g.op(f"mul {x}, {x}" if g.chance(0.5) else f"pow {x}, {g.scalar(2.0)}", s, reads=[x])
    elif kind == "rsqrt":
        p = positive(g, x, s, 0.3)
        r = g.op(f"sqrt {p}", s, reads=[p])[0]
        g.op(f"div {x}, {r}", s, reads=[x, r])
    else:
        y, t = g.some(lambda t: t == s)
        p = positive(g, y, t, 0.5)
        a = x if g.chance(0.7) else g.scalar(g.pick(1.0, 0.5 * g.unit))
        g.op(f"div {a}, {p}", s, reads=[a, p])


def together(a, b):
    """The broadcast shape, or None."""
    n = max(len(a), len(b))
    a, b = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    if any(p != q and 1 not in (p, q) for p, q in zip(a, b)):
        return None
    return tuple(max(p, q) for p, q in zip(a, b))


def binary(g):
    x, s = g.some()
    op = g.pick("add", "add", "add", "sub", "mul", "max", "min")
    pool = [v for v in g.values if v[1] == s] if g.chance(0.7) else [v for v in g.values if together(s, v[1])]
    y, t = g.pick(*pool)
    if g.chance(0.3):
        x, y, s, t = y, x, t, s
    shape = together(s, t)
    if not fits(shape):
        return
    clamp = g.clamp(0.1) if op == "add" else ""
    g.op(f"{op} {x}, {y}" + (f" {{{clamp}}}" if clamp else ""), shape, reads=[x, y])


def with_const(g):
    """A constant of a shape that broadcasts; now and then far outside of the value's range."""
    x, s = g.some()
    op = g.pick("add", "sub", "mul", "mul", "max", "min", "div")
    far = g.chance(0.25)
    shape = g.pick((), s[-1:], s[-1:], s, (1,) * len(s), tuple(d if g.chance(0.5) else 1 for d in s))
    if elements(shape) > 600:
        shape = s[-1:]
    unit = 1.0 if op in ("mul", "div") else g.unit
    if op == "div":
        data = (0.5 + np.abs(g.rng.standard_normal(shape))).astype(np.float32)
        c = g.const(shape, data)
    elif far:
        c = g.scalar(unit * g.pick(3.0, -3.0, 8.0, -8.0, 0.05), shape if g.chance(0.5) else ())
    else:
        c = g.const(shape, g.pick(0.5, 1.0) * unit)
    a, b = (c, x) if op in ("sub", "add", "max", "mul") and g.chance(0.3) else (x, c)
    g.op(f"{op} {a}, {b}", s, reads=[x])


def prelu(g):
    """Slopes per channel, as importers write them: max(x, 0) + slope * min(x, 0)."""
    v = g.some(lambda s: len(s) > 0)
    if not v:
        return
    x, s = v
    slope, zero = g.const(s[-1:], g.pick(0.25, 0.25, 1.5)), g.scalar(0.0)
    up = g.op(f"relu {x}" if g.chance(0.5) else f"max {x}, {zero}", s, reads=[x])[0]
    down = g.op(f"min {x}, {zero}", s, reads=[x])[0]
    low = g.op(f"mul {down}, {slope}" if g.chance(0.5) else f"mul {slope}, {down}", s, reads=[down])[0]
    g.op(f"add {up}, {low}", s, reads=[up, low])


def batch_norm(g):
    v = g.some(lambda s: len(s) > 1)
    if not v:
        return
    x, s = v
    c = s[-1:]
    gamma = (1 + 0.3 * g.rng.standard_normal(c)).astype(np.float32)
    if g.chance(0.3):
        gamma[g.rng.random(c) < 0.3] = 0
    if g.chance(0.2):
        gamma = -gamma
    var = (g.unit * g.unit * g.pick(1.0, 1.0, 0.1, 10.0) * (0.5 + g.rng.random(c))).astype(np.float32)
    parts = [g.const(c, gamma), g.const(c, 0.3), g.const(c, 0.3 * g.unit), g.const(c, var)]
    eps = g.pick("", " {epsilon=0.001}")
    y, t = g.op(f"batch_norm {x}, {', '.join(parts)}{eps}", s, reads=[x])
    if g.unit != 1:
        k = g.scalar(g.unit)
        g.op(f"mul {y}, {k}", t, reads=[y])


def sign(g):
    """A factor beyond all measure and a clamp: what importers make of Sign and of masks."""
    x, s = g.some()
    k = g.scalar(min(3e38, g.pick(1e30, 1e38, 1e6) / g.unit))
    y = g.op(f"mul {x}, {k}", s, reads=[x])[0]
    z = g.op(f"clamp {y} {{low={g.pick('-1.0', '0.0')}, high=1.0}}", s, reads=[y])[0]
    if g.chance(0.5):
        g.op(f"mul {z}, {x}", s, reads=[z, x])


MAKERS = [unary] * 6 + [binary] * 4 + [with_const] * 3 + [domain, prelu, batch_norm, batch_norm]
