"""Convolutions, pools, resizes: what works on [n, h, w, c]."""
import numpy as np

from .net import MACS, elements, fits, ints


def images(s):
    return len(s) == 4


def attributes(*parts):
    return " {" + ", ".join(p for p in parts if p) + "}" if any(parts) else ""


def padding(g, k, d=1):
    """Two sides of an axis."""
    full = d * (k - 1)
    if g.chance(0.6):
        return full // 2, full - full // 2
    return g.between(0, full), g.between(0, full)


def conv(g):
    v = g.some(images)
    if not v:
        return
    x, (n, h, w, c) = v
    kh = g.pick(1, 1, 3, 3, 5, 2)
    kw = kh if g.chance(0.75) else g.pick(1, 2, 3, 7)
    dh, dw = (g.pick(1, 2), g.pick(1, 3)) if g.chance(0.15) else (1, 1)
    sh = g.pick(1, 1, 1, 2, 3)
    sw = sh if g.chance(0.8) else g.pick(1, 2)
    (t, b), (le, r) = padding(g, kh, dh), padding(g, kw, dw)
    if g.chance(0.05):
        t = t + kh                       # rows of border only
    oh, ow = (h + t + b - dh * (kh - 1) - 1) // sh + 1, (w + le + r - dw * (kw - 1) - 1) // sw + 1
    if oh < 1 or ow < 1:
        return
    groups, co = 1, g.channels()
    if c > 1 and g.chance(0.35):
        groups, co = c, c * g.pick(1, 1, 1, 2, 3)
    elif g.chance(0.2):
        groups = g.pick(*[k for k in (1, 2, 3, 4) if c % k == 0])
        co = groups * max(1, co // groups)
    fan = kh * kw * c // groups
    if not fits((n, oh, ow, co)) or n * oh * ow * co * fan > MACS or co * fan > 6000:
        return
    wt = g.const((co, kh, kw, c // groups), 1.0 / np.sqrt(fan))
    bias = ", " + g.const((co,), g.pick(0.2, 0.2, 2.0) * g.unit) if g.chance(0.75) else ""
    at = [f"stride={ints((sh, sw))}" if (sh, sw) != (1, 1) else "", f"pad={ints((t, le, b, r))}" if any((t, le, b, r)) else "",
          f"dilation={ints((dh, dw))}" if (dh, dw) != (1, 1) else "", f"groups={groups}" if groups > 1 else "", g.clamp()]
    g.op(f"conv2d {x}, {wt}{bias}{attributes(*at)}", (n, oh, ow, co), reads=[x])


def conv_transpose(g):
    v = g.some(lambda s: images(s) and s[1] * s[2] <= 64)
    if not v:
        return
    x, (n, h, w, c) = v
    k, s, d = g.pick(2, 3, 4), g.pick(1, 2, 2, 3), 2 if g.chance(0.15) else 1
    full = d * (k - 1) + 1
    pads = [g.between(0, min(full - 1, 2)) for _ in range(4)] if g.chance(0.5) else [0] * 4
    out = [g.between(0, max(s, d) - 1) for _ in range(2)] if g.chance(0.3) else [0, 0]
    oh = (h - 1) * s - pads[0] - pads[2] + full + out[0]
    ow = (w - 1) * s - pads[1] - pads[3] + full + out[1]
    groups = g.pick(*[q for q in (1, 1, 2, 3) if c % q == 0])
    co = groups * max(1, g.channels() // groups)
    fan = k * k * c // groups
    if oh < 1 or ow < 1 or not fits((n, oh, ow, co)) or n * h * w * co * fan > MACS or co * fan > 6000:
        return
    wt = g.const((co, k, k, c // groups), 1.0 / np.sqrt(fan))
    bias = ", " + g.const((co,), 0.2 * g.unit) if g.chance(0.5) else ""
    at = [f"stride={ints((s, s))}" if s > 1 else "", f"pad={ints(pads)}" if any(pads) else "", f"out_pad={ints(out)}" if any(out) else "",
          f"dilation={ints((d, d))}" if d > 1 else "", f"groups={groups}" if groups > 1 else "", g.clamp()]
    g.op(f"conv_transpose2d {x}, {wt}{bias}{attributes(*at)}", (n, oh, ow, co), reads=[x])


def pooled(h, k, s, a, b, d, ceil):
    span = h + a + b - d * (k - 1) - 1
    if span < 0:
        return 0
    n = (-(-span // s) if ceil else span // s) + 1
    return n - 1 if ceil and (n - 1) * s >= h + a else n


def pool(g):
    v = g.some(images)
    if not v:
        return
    x, (n, h, w, c) = v
    kind = g.pick("max_pool", "avg_pool")
    k = (g.between(1, 4), g.between(1, 4)) if g.chance(0.4) else (g.pick(2, 3),) * 2
    s = (g.between(1, 3), g.between(1, 3)) if g.chance(0.4) else (g.pick(1, 2),) * 2
    d = 2 if kind == "max_pool" and g.chance(0.15) else 1
    p = [g.between(0, k[i % 2] - 1) for i in range(4)] if g.chance(0.5) else [0] * 4
    ceil = g.chance(0.25)
    oh, ow = pooled(h, k[0], s[0], p[0], p[2], d, ceil), pooled(w, k[1], s[1], p[1], p[3], d, ceil)
    if oh < 1 or ow < 1 or not fits((n, oh, ow, c)):
        return
    at = [f"kernel={ints(k)}", f"stride={ints(s)}", f"pad={ints(p)}" if any(p) else "", f"dilation={ints((d, d))}" if d > 1 else "",
          "ceil_mode=true" if ceil else "", "count_pad=true" if kind == "avg_pool" and g.chance(0.3) else ""]
    g.op(f"{kind} {x}{attributes(*at)}", (n, oh, ow, c), reads=[x])


def global_pool(g):
    v = g.some(images)
    if not v:
        return
    x, s = v
    y, t = g.op(f"{g.pick('global_avg_pool', 'global_max_pool')} {x}", (s[0], 1, 1, s[3]), reads=[x])
    if g.chance(0.5):   # squeeze and excite
        gate = g.op(f"{g.pick('sigmoid', 'hard_sigmoid')} {y}", t, reads=[y])[0]
        g.op(f"mul {x}, {gate}", s, reads=[x, gate])


def resize(g):
    v = g.some(lambda s: images(s) and elements(s) <= 1000)
    if not v:
        return
    x, (n, h, w, c) = v
    oh, ow = (2 * h, 2 * w) if g.chance(0.4) else (g.between(1, 12), g.between(1, 12))
    if not fits((n, oh, ow, c)):
        return
    at = [f"size={ints((oh, ow))}"]
    if g.chance(0.5):
        at.append("mode=bilinear")
    else:
        at.append(f"round={g.pick('round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil')}")
    at.append(f"coord={g.pick('half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel')}")
    g.op(f"resize {x}{attributes(*at)}", (n, oh, ow, c), reads=[x])


MAKERS = [conv] * 8 + [conv_transpose, pool, pool, global_pool, resize]
