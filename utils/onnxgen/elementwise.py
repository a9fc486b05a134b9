"""Activations, arithmetic, comparisons; domains are kept where an operator has one."""
import numpy as np

from .model import elements, fits

PLAIN = ("Relu", "Sigmoid", "Tanh", "Neg", "Abs", "Erf", "Softplus", "Softsign", "Identity", "Sign", "Exp")
SINCE = {"Celu": 12, "HardSwish": 14, "Mish": 18, "Gelu": 20}


def bounds(g):
    lo, hi = g.pick((0, 6), (-1, 2), (0.25, None), (0.5, 2), (None, -0.25), (-2, -0.5), (None, 1), (0, 1), (-1, 1), (1.5, 5))
    return [None if b is None else float(b * g.unit) for b in (lo, hi)]


def clip(g, v):
    lo, hi = bounds(g)
    g.node("Clip", [v] + [None if b is None else g.scalar(b) for b in (lo, hi)], [v.shape])


def with_slope(g, v, op):
    at = {"LeakyRelu": {"alpha": g.pick(None, 0.2, 1.5, -0.3)}, "Elu": {"alpha": g.pick(None, 0.5, 1.5)}, "Selu": {"alpha": g.pick(None, 1.2), "gamma": g.pick(None, 0.9)}, "Celu": {"alpha": g.pick(None, 0.7, 2.0)},
          "ThresholdedRelu": {"alpha": g.pick(None, 0.3, 0.0)}, "HardSigmoid": {"alpha": g.pick(None, 0.3), "beta": g.pick(None, 0.4)}}[op]
    g.node(op, [v], [v.shape], **at)


def unary(g):
    v = g.some()
    op = g.pick("Clip", "Clip", "Clip", "LeakyRelu", "LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "HardSigmoid", "HardSwish", "Mish", "Gelu", "PRelu", *PLAIN)
    if g.opset < SINCE.get(op, 1):
        op = "Relu"
    if op == "Exp":
        v = g.node("Clip", [v, g.scalar(-20.0), g.scalar(2.0)], [v.shape])   # no subnormal results: they are 0 here
    if op == "Clip":
        clip(g, v)
    elif op == "PRelu" and v.shape:
        shape = g.pick((1,), v.shape[-1:], (v.shape[1],) + (1,) * (len(v.shape) - 2) if len(v.shape) > 1 else (1,))
        g.node("PRelu", [v, g.const(np.asarray(0.25 * g.rng.standard_normal(shape), np.float32))], [v.shape])
    elif op == "Gelu":
        g.node("Gelu", [v], [v.shape], approximate=g.pick(None, "tanh"))
    elif op in ("LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "HardSigmoid"):
        with_slope(g, v, op)
    elif op != "PRelu":
        g.node(op, [v], [v.shape])


def positive(g, v, least):
    a = g.node("Abs", [v], [v.shape])
    return g.node("Add", [a, g.scalar(least * g.unit)], [v.shape])


def domain(g):
    v = g.some()
    op = g.pick("Log", "Sqrt", "Reciprocal", "Pow", "Div")
    if op == "Pow":
        g.node("Pow", [positive(g, v, 0.2), g.scalar(g.pick(0.5, 2.0, 3.0, -1.0, 1.3))], [v.shape])
    elif op == "Div":
        w = g.some(lambda s: s == v.shape)
        g.node("Div", [v if g.chance(0.7) else g.scalar(1.0), positive(g, w, 0.5)], [v.shape])
    else:
        g.node(op, [positive(g, v, 0.3)], [v.shape])


def together(*shapes):
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def partner(g, v):
    """A value or a constant that broadcasts with v, and its shape."""
    if g.chance(0.4):
        shape = g.pick((), v.shape[-1:], (1,) * len(v.shape), tuple(d if g.chance(0.5) else 1 for d in v.shape))
        if elements(shape) <= 500:
            return (g.scalar(g.unit * g.pick(3.0, -3.0, 0.5), shape) if g.chance(0.3) else g.floats(shape, g.unit)), shape
    w = g.pick(*[w for w in g.values if w.kind == "f32" and together(v.shape, w.shape)])
    return w, w.shape


def binary(g):
    v = g.some()
    op = g.pick("Add", "Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean")
    w, s = partner(g, v)
    operands, shape = [v, w], together(v.shape, s)
    if op in ("Max", "Min", "Sum", "Mean") and g.chance(0.3):
        u, t = partner(g, v)
        operands.append(u)
        shape = together(shape, t)
    if g.chance(0.3):
        operands[:2] = operands[1::-1]
    if shape is not None and fits(shape):
        g.node(op, operands, [shape])


def compare(g):
    v = g.some()
    op = g.pick("Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal")
    if op.endswith("OrEqual") and g.opset < 12:
        op = "Less"
    w, s = partner(g, v)
    shape = together(v.shape, s)
    if fits(shape):
        g.node(op, [v, w], [shape], "bool")


def logic(g):
    a = g.some(kind="bool")
    if not a:
        return compare(g)
    op = g.pick("And", "Or", "Xor", "Not", "Where", "Where", "Where", "Cast")
    if op == "Not":
        g.node(op, [a], [a.shape], "bool")
    elif op == "Cast":
        g.node(op, [a], [a.shape], to=1)
    elif op == "Where":
        v = g.some(lambda s: together(a.shape, s) is not None)
        if v:
            w = g.scalar(g.pick(0.0, -1e9, 7.0 * g.unit)) if g.chance(0.5) else g.floats(a.shape[-1:], g.unit) if a.shape else g.scalar(1.0)
            shape = together(a.shape, v.shape)
            if fits(shape):
                g.node(op, [a, v, w] if g.chance(0.5) else [a, w, v], [shape])
    else:
        b = g.some(lambda s: together(a.shape, s) is not None, "bool")
        g.node(op, [a, b], [together(a.shape, b.shape)], "bool")


MAKERS = [unary] * 7 + [binary] * 5 + [domain, logic, logic]
