"""Convolutions, pools, resizes and normalizations over channels: [n, c, spatial...]."""
import numpy as np

from .model import elements, fits


def images(s):
    return len(s) == 4


def window(g, v, kernel, transposed=False):
    """Attributes and the output's height and width; None where nothing is left."""
    h, w = v.shape[2:]
    stride = [g.pick(1, 1, 2, 3), g.pick(1, 1, 2)] if g.chance(0.6) else [1, 1]
    dilation = [g.pick(1, 2), g.pick(1, 2)] if g.chance(0.2) else [1, 1]
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    at = {"kernel_shape": kernel if g.chance(0.8) else None, "strides": stride if stride != [1, 1] or g.chance(0.5) else None, "dilations": dilation if dilation != [1, 1] else None}
    auto = g.pick(None, None, None, "SAME_UPPER", "SAME_LOWER", "VALID") if dilation == [1, 1] else None
    if auto:
        at["auto_pad"] = auto
        size = [-(-d // s) if auto != "VALID" else (d - k) // s + 1 for d, s, k in zip((h, w), stride, span)]
    else:
        pads = [g.between(0, s - 1) for s in span] + [g.between(0, s - 1) for s in span] if g.chance(0.7) else [0] * 4
        at["pads"] = pads if any(pads) or g.chance(0.3) else None
        size = [(d + pads[i] + pads[i + 2] - span[i]) // stride[i] + 1 for i, d in enumerate((h, w))]
    return (at, size) if min(size) >= 1 and (auto or all(d + pads[i] + pads[i + 2] >= span[i] for i, d in enumerate((h, w)))) else (None, None)


def conv(g):
    v = g.some(images)
    if not v:
        return
    n, c, h, w = v.shape
    kernel = [g.pick(1, 3, 3, 2), g.pick(1, 3, 3, 5)]
    at, size = window(g, v, kernel)
    if not at:
        return
    groups, co = 1, g.channels()
    if c > 1 and g.chance(0.35):
        groups, co = c, c * g.pick(1, 1, 2)
    elif c % 2 == 0 and g.chance(0.2):
        groups, co = 2, 2 * max(1, co // 2)
    shape = (n, co, *size)
    fan = c // groups * kernel[0] * kernel[1]
    if not fits(shape) or elements(shape) * fan > 150_000 or co * fan > 6000:
        return
    operands = [v, g.floats((co, c // groups, *kernel), fan ** -0.5)] + ([g.floats((co,), 0.2 * g.unit)] if g.chance(0.7) else [])
    y = g.node("Conv", operands, [shape], group=groups if groups > 1 or g.chance(0.3) else None, **at)
    if g.chance(0.3):
        norm(g, y)


def conv1d(g):
    v = g.some(lambda s: len(s) == 3)
    if not v:
        return
    n, c, w = v.shape
    k, co = g.pick(1, 2, 3), g.channels()
    p = [g.between(0, k - 1), g.between(0, k - 1)]
    size = w + sum(p) - k + 1
    if size < 1 or not fits((n, co, size)) or co * c * k > 4000:
        return
    g.node("Conv", [v, g.floats((co, c, k), (c * k) ** -0.5)], [(n, co, size)], kernel_shape=[k], pads=p)


def conv_transpose(g):
    v = g.some(lambda s: images(s) and s[2] * s[3] <= 64)
    if not v:
        return
    n, c, h, w = v.shape
    k, s = [g.pick(2, 3), g.pick(1, 2, 3)], [g.pick(1, 2), g.pick(1, 2)]
    p = [g.between(0, min(1, k[i % 2] - 1)) for i in range(4)]
    o = [g.between(0, s[i] - 1) for i in range(2)] if g.chance(0.3) else [0, 0]
    groups = 2 if c % 2 == 0 and g.chance(0.2) else 1
    co = g.channels()
    size = [(d - 1) * s[i] - p[i] - p[i + 2] + k[i] + o[i] for i, d in enumerate((h, w))]
    shape = (n, co * groups, *size)
    fan = c * k[0] * k[1] // groups
    if min(size) < 1 or not fits(shape) or elements(shape) * fan > 150_000:
        return
    operands = [v, g.floats((c, co, *k), fan ** -0.5)] + ([g.floats((co * groups,), 0.2 * g.unit)] if g.chance(0.5) else [])
    g.node("ConvTranspose", operands, [shape], strides=s, pads=p, kernel_shape=k, output_padding=o if any(o) else None, group=groups if groups > 1 else None)


def pool(g):
    v = g.some(images)
    if not v:
        return
    n, c, h, w = v.shape
    op = g.pick("MaxPool", "AveragePool")
    k = [g.between(1, 3), g.between(1, 3)]
    s = [g.between(1, 2), g.between(1, 3)]
    p = [g.between(0, k[i % 2] - 1) for i in range(4)] if g.chance(0.5) else [0] * 4
    ceil = int(g.chance(0.25))
    size = []
    for i, d in enumerate((h, w)):
        span = d + p[i] + p[i + 2] - k[i]
        if span < 0:
            return
        m = (-(-span // s[i]) if ceil else span // s[i]) + 1
        size.append(m - 1 if ceil and (m - 1) * s[i] >= d + p[i] else m)
    at = {"count_include_pad": 1} if op == "AveragePool" and g.chance(0.4) else {}
    if min(size) >= 1 and fits((n, c, *size)):
        g.node(op, [v], [(n, c, *size)], kernel_shape=k, strides=s, pads=p if any(p) else None, ceil_mode=ceil or None, **at)


def global_pool(g):
    v = g.some(images)
    if not v:
        return
    n, c, h, w = v.shape
    y = g.node(g.pick("GlobalAveragePool", "GlobalMaxPool"), [v], [(n, c, 1, 1)])
    if g.chance(0.5):
        z = g.node(g.pick("Sigmoid", "HardSigmoid"), [y], [y.shape])
        g.node("Mul", [v, z], [v.shape])


def resize(g):
    v = g.some(lambda s: images(s) and elements(s) <= 700)
    if not v:
        return
    n, c, h, w = v.shape
    mode = g.pick("nearest", "linear")
    coord = g.pick("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
    at = {"mode": mode, "coordinate_transformation_mode": coord}
    if mode == "nearest":
        at["nearest_mode"] = g.pick("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if g.chance(0.5):
        f = [g.pick(2.0, 1.0, 3.0, 0.5, 1.5), g.pick(2.0, 1.0, 2.5)]
        if coord == "align_corners":  # without a whole size the runtime departs from ONNX's own data
            f = [round(k) for k in f]
            f = [float(k) if k >= 1 else 1.0 for k in f]
        size = [int(np.floor(d * k)) for d, k in zip((h, w), f)]
        operands = [v, g.const(np.zeros(0, np.float32), 0) if g.opset < 13 else None, g.const(np.array([1, 1] + f, np.float32))]
    else:
        size = [g.between(1, 12), g.between(1, 12)]
        none = g.const(np.zeros(0, np.float32), 0) if g.opset < 13 else None
        operands = [v, none, none, g.ints(n, c, *size)]
    if min(size) >= 1 and fits((n, c, *size)):
        g.node("Resize", operands, [(n, c, *size)], **at)


def norm(g, v=None):
    v = v or g.some(lambda s: len(s) >= 3 and s[1] > 0 and elements(s[2:]) > 1)
    if not v:
        return
    c = v.shape[1]
    kind = g.pick("BatchNormalization", "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization", "MeanVarianceNormalization")
    gamma, beta = g.const((1 + 0.3 * g.rng.standard_normal(c)).astype(np.float32)), g.floats((c,), 0.3)
    if kind == "BatchNormalization":
        var = g.const((g.unit ** 2 * (0.5 + g.rng.random(c))).astype(np.float32))
        g.node(kind, [v, gamma, beta, g.floats((c,), 0.3 * g.unit), var], [v.shape], epsilon=g.pick(None, 1e-3))
    elif kind == "InstanceNormalization" and elements(v.shape[2:]) > 3:
        g.node(kind, [v, gamma, beta], [v.shape], epsilon=g.pick(None, 1e-3))
    elif kind == "GroupNormalization" and g.opset >= 21 and c % 2 == 0:
        g.node(kind, [v, gamma, beta], [v.shape], num_groups=2)
    elif kind == "LpNormalization" and c > 1:
        g.node(kind, [v], [v.shape], axis=g.pick(1, -1), p=g.pick(1, 2))
    elif kind == "MeanVarianceNormalization" and len(v.shape) == 4 and g.opset >= 13 and v in g.inputs:   # of equal numbers the runtime makes NaN
        g.node(kind, [v], [v.shape])


def depth_space(g):
    v = g.some(lambda s: images(s) and (s[1] % 4 == 0 or s[2] % 2 == s[3] % 2 == 0))
    if not v:
        return
    n, c, h, w = v.shape
    if c % 4 == 0 and g.chance(0.6):
        g.node("DepthToSpace", [v], [(n, c // 4, 2 * h, 2 * w)], blocksize=2, mode=g.pick(None, "DCR", "CRD"))
    elif h % 2 == w % 2 == 0:
        g.node("SpaceToDepth", [v], [(n, 4 * c, h // 2, w // 2)], blocksize=2)


MAKERS = [conv] * 7 + [conv1d, conv_transpose, pool, pool, global_pool, resize, norm, norm, depth_space]
