#!/usr/bin/env python3
"""usage: oracle.py FILE.mir TMP [mc-run options]

Runs the first graph of a .mir file through mc-run on random inputs and compares with numpy, which computes every op here a second time,
from docs/reference/mir.md and docs/reference/numerics.md: integers and moved elements exactly, f32 results within a tolerance (`// TOL: rtol`, default 2e-6 of the value
and of the largest value). `// INPUT name lo hi` bounds an input's real (or stored) values."""
import base64
import math
import re
import subprocess
import sys

import numpy as np

F = np.float32
NP = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "i8": np.int8, "u8": np.uint8, "i16": np.int16, "i32": np.int32, "i64": np.int64, "bool": np.bool_}


class Type:
    def __init__(self, text, scales):
        m = re.fullmatch(r"(\w+)(?:<([^>]*)>)?\[([\d,]*)\]", text.strip())
        self.dt, q, dims = m.group(1), m.group(2), m.group(3)
        self.shape = tuple(int(d) for d in dims.split(",") if d)
        self.axis, self.scale, self.zero = None, None, 0
        if q and q.startswith("@"):
            name, axis = re.fullmatch(r"@([\w.]+) axis=(\d+)", q).groups()
            self.axis = int(axis)
            bc = [1] * len(self.shape)
            bc[self.axis] = -1
            self.scale = scales[name].reshape(bc)
        elif q:
            s, z = q.split(":")
            self.scale, self.zero = F(s), int(z)

    def limits(self):
        i = np.iinfo(NP[self.dt])
        return i.min, i.max


def quant(v, t):
    """Q of docs/reference/numerics.md."""
    lo, hi = t.limits()
    v = np.where(v > F(lo - t.zero), v, F(lo - t.zero)).astype(F)
    v = np.where(v < F(hi - t.zero), v, F(hi - t.zero)).astype(F)
    return (np.rint(v).astype(np.int64) + t.zero).astype(NP[t.dt])


def centered(x, t):
    return x.astype(np.int64) - t.zero


def attr(a, name, default=None):
    return a.get(name, default)


def erf(x):
    return np.vectorize(math.erf)(x)


def pair(v):
    return (v, v) if not isinstance(v, list) else v


def pads(a):
    p = attr(a, "pad", 0)
    return [p] * 4 if not isinstance(p, list) else p


UNARY = {
    "neg": lambda x, a: -x, "abs": lambda x, a: np.abs(x), "exp": lambda x, a: np.exp(x), "log": lambda x, a: np.log(x), "sqrt": lambda x, a: np.sqrt(x),
    "erf": lambda x, a: erf(x), "relu": lambda x, a: np.maximum(x, 0), "clamp": lambda x, a: np.clip(x, attr(a, "low", -np.inf), attr(a, "high", np.inf)),
    "leaky_relu": lambda x, a: np.where(x >= 0, x, x * float(F(attr(a, "alpha", 0.01)))), "elu": lambda x, a: np.where(x >= 0, x, attr(a, "alpha", 1.0) * np.expm1(x)),
    "sigmoid": lambda x, a: 1 / (1 + np.exp(-x)), "tanh": lambda x, a: np.tanh(x),
    "gelu": lambda x, a: 0.5 * x * (1 + (np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)) if attr(a, "approximate") == "tanh" else erf(x / math.sqrt(2)))),
    "silu": lambda x, a: x / (1 + np.exp(-x)), "hard_sigmoid": lambda x, a: np.clip(x * attr(a, "alpha", 1 / 6) + attr(a, "beta", 0.5), 0, 1),
    "hard_swish": lambda x, a: x * np.clip(x + 3, 0, 6) / 6,
}
BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum, "pow": np.power}


def clamp(y, a):
    lo, hi = attr(a, "clamp", [-np.inf, np.inf])
    return np.clip(y, lo, hi)


def op_binary(op, xs, ts, a, out):
    x, y = xs
    if ts[0].dt == "f32":
        x, y = x.astype(np.float64), y.astype(np.float64)
        return clamp(np.divide(x, y) if op == "div" else BINARY[op](x, y), a)
    if ts[0].scale is None:
        if op == "div":
            return np.vectorize(lambda p, q: int(math.trunc(p / q)))(x.astype(np.int64), y.astype(np.int64)).astype(x.dtype)
        return BINARY[op](x, y)
    p, q = centered(x, ts[0]), centered(y, ts[1])
    if op == "mul":
        return quant((p * q).astype(F) * F(F(ts[0].scale * ts[1].scale) / out.scale), out)
    return quant(BINARY[op](p.astype(F) * F(ts[0].scale / out.scale), q.astype(F) * F(ts[1].scale / out.scale)).astype(F), out)


def op_unary(op, x, t, a, out):
    if t.dt == "f32":
        return UNARY[op](x.astype(np.float64), a)
    real = (centered(x, t).astype(F) * t.scale).astype(F)
    return quant((UNARY[op](real.astype(np.float64), a).astype(F) / out.scale).astype(F), out)


def values(x, t):
    return x.astype(np.float64) if t.dt == "f32" else centered(x, t)


def sums(y, bias, tb, a, out):
    if bias is not None:
        y = y + values(bias, tb)
    return clamp(y, a) if out.dt == "f32" else y.astype(np.int32)


def conv2d(x, w, a):
    n, h, wd, c = x.shape
    co, kh, kw, cg = w.shape
    s, p, d, g = pair(attr(a, "stride", 1)), pads(a), pair(attr(a, "dilation", 1)), attr(a, "groups", 1)
    x = np.pad(x, ((0, 0), (p[0], p[2]), (p[1], p[3]), (0, 0)))
    oh, ow = (x.shape[1] - d[0] * (kh - 1) - 1) // s[0] + 1, (x.shape[2] - d[1] * (kw - 1) - 1) // s[1] + 1
    y = np.zeros((n, oh, ow, co), x.dtype)
    for o in range(co):
        k = o // (co // g)
        for i in range(kh):
            for j in range(kw):
                part = x[:, i * d[0]:i * d[0] + oh * s[0]:s[0], j * d[1]:j * d[1] + ow * s[1]:s[1], k * cg:(k + 1) * cg][:, :oh, :ow]
                y[..., o] += (part * w[o, i, j]).sum(-1)
    return y


def conv_transpose2d(x, w, a):
    n, h, wd, c = x.shape
    co, kh, kw, cg = w.shape
    s, p, d, g, op = pair(attr(a, "stride", 1)), pads(a), pair(attr(a, "dilation", 1)), attr(a, "groups", 1), pair(attr(a, "out_pad", 0))
    full = np.zeros((n, (h - 1) * s[0] + d[0] * (kh - 1) + 1 + op[0], (wd - 1) * s[1] + d[1] * (kw - 1) + 1 + op[1], co), x.dtype)
    for o in range(co):
        k = o // (co // g)
        for yy in range(h):
            for xx in range(wd):
                for i in range(kh):
                    for j in range(kw):
                        full[:, yy * s[0] + i * d[0], xx * s[1] + j * d[1], o] += (x[:, yy, xx, k * cg:(k + 1) * cg] * w[o, i, j]).sum(-1)
    return full[:, p[0]:full.shape[1] - p[2], p[1]:full.shape[2] - p[3]]


def windows(x, a, out, fill):
    """[n, oh, ow, c, kh * kw] and which of them are inside, inside or padding."""
    n, h, w, c = x.shape
    k, s, p, d = attr(a, "kernel"), pair(attr(a, "stride", 1)), pads(a), pair(attr(a, "dilation", 1))
    k = pair(k)
    oh, ow = out.shape[1:3]
    y = np.full((n, oh, ow, c, k[0] * k[1]), fill, x.dtype)
    inside, padded = np.zeros((oh, ow, k[0] * k[1]), bool), np.zeros((oh, ow, k[0] * k[1]), bool)
    for oy in range(oh):
        for ox in range(ow):
            for i in range(k[0]):
                for j in range(k[1]):
                    iy, ix = oy * s[0] - p[0] + i * d[0], ox * s[1] - p[1] + j * d[1]
                    if 0 <= iy < h and 0 <= ix < w:
                        y[:, oy, ox, :, i * k[1] + j] = x[:, iy, ix]
                        inside[oy, ox, i * k[1] + j] = True
                    padded[oy, ox, i * k[1] + j] = iy < h + p[2] and ix < w + p[3]
    return y, inside, padded


def mean_q(total, count, t, out):
    m = (F(t.scale / out.scale) / count.astype(F)).astype(F)
    return quant((total.astype(F) * m).astype(F), out)


def avg_pool(x, t, a, out):
    v, inside, padded = windows(values(x, t), a, out, 0)
    count = (padded if attr(a, "count_pad", False) else inside).sum(-1)[None, :, :, None]
    return v.sum(-1) / count if t.dt == "f32" else mean_q(v.sum(-1), count, t, out)


def reduce(op, x, t, a, out):
    axes = tuple(v % x.ndim for v in attr(a, "axes"))
    keep = attr(a, "keepdims", True)
    if op == "reduce_max":
        return x.max(axis=axes, keepdims=keep)
    total = values(x, t).sum(axis=axes, keepdims=keep)
    count = np.array(np.prod([x.shape[i] for i in axes]) if op == "reduce_mean" else 1)
    return total / count if t.dt == "f32" else mean_q(total, count, t, out)


def resize_axis(a, n, m):
    """(lo, hi, frac) per result."""
    o = np.arange(m, dtype=np.float64)
    coord, mode, rnd = attr(a, "coord", "half_pixel"), attr(a, "mode", "nearest"), attr(a, "round", "round_prefer_floor")
    x = {"half_pixel": (o + 0.5) * n / m - 0.5, "pytorch_half_pixel": (o + 0.5) * n / m - 0.5 if m > 1 else o * 0,
         "align_corners": o * (n - 1) / (m - 1) if m > 1 else o * 0, "asymmetric": o * n / m}[coord]
    if mode == "nearest":
        x = {"round_prefer_floor": np.ceil(x - 0.5), "round_prefer_ceil": np.floor(x + 0.5), "floor": np.floor(x), "ceil": np.ceil(x)}[rnd]
    x = np.clip(x, 0, n - 1)
    lo = np.floor(x).astype(int)
    return lo, np.minimum(lo + 1, n - 1), (x - lo).astype(F)


def resize(x, t, a, out):
    r, c = resize_axis(a, x.shape[1], out.shape[1]), resize_axis(a, x.shape[2], out.shape[2])
    if attr(a, "mode", "nearest") == "nearest":
        return x[:, r[0]][:, :, c[0]]
    v = values(x, t).astype(F)
    fx, fy = c[2][None, None, :, None], r[2][None, :, None, None]
    line = lambda rows: v[:, rows][:, :, c[0]] * (F(1) - fx) + v[:, rows][:, :, c[1]] * fx
    y = line(r[0]) * (F(1) - fy) + line(r[1]) * fy
    return y if t.dt == "f32" else quant((y * F(t.scale / out.scale)).astype(F), out)


def requantize(x, t, a, out):
    s = np.broadcast_to(t.scale, x.shape)
    acc, rounding = centered(x, t), attr(a, "rounding", "fp32_rne")
    if rounding == "fp32_rne":
        return quant((acc.astype(F) * (s / out.scale).astype(F)).astype(F), out)
    lo, hi = out.limits()
    y = np.zeros(x.shape, np.int64)
    for i in np.ndindex(*x.shape):
        f, e = math.frexp(float(s[i]) / float(out.scale))
        m = math.floor(f * 2**31 + 0.5)
        if m == 2**31:
            m, e = m // 2, e + 1
        shift, v = 31 - e, int(acc[i])
        if rounding == "single":
            v = (v * m + (1 << (shift - 1))) >> shift
        else:
            v = max(min(v << max(e, 0), 2**31 - 1), -2**31) * m
            v = v + (1 << 30) if v >= 0 else v + 1 - (1 << 30)
            v = v // 2**31 if v >= 0 else -(-v // 2**31)
            k = max(-e, 0)
            rest, half = v & ((1 << k) - 1), (((1 << k) - 1) >> 1) + (v < 0)
            v = (v >> k) + (rest > half)
        y[i] = min(max(v + out.zero, lo), hi)
    return y.astype(NP[out.dt])


def layer_norm_q(x, t, axes, params, eps, out):
    u = centered(x, t)
    d = int(np.prod([x.shape[i] for i in axes]))
    s1, s2 = u.sum(axes, keepdims=True), (u * u).sum(axes, keepdims=True)
    mean = s1.astype(F) / F(d)
    var = (d * s2 - s1 * s1).astype(F) / F(d) / F(d)
    k = F(1) / np.sqrt(var * (t.scale * t.scale) + eps) * t.scale
    v = (u.astype(F) - mean) * k * ((params[0] if params else F(1)) / out.scale)
    return quant((v + params[1] / out.scale if len(params) > 1 else v).astype(F), out)


def softmax_q(x, t, axis, out):
    """The exponentials are fp32 functions of the library: here in doubles. The results that lie on an edge, one in some ten thousands, could differ; the tests' data has none."""
    q = x.astype(np.int64)
    d = (q.max(axis, keepdims=True) - q).astype(np.float64) * float(t.scale)
    e = np.where(d > 87, 0, np.exp(-d))
    return quant((e / e.sum(axis, keepdims=True) / float(out.scale)).astype(F), out)


def cast(x, t, out):
    if out.dt == "bool":
        return x != 0
    if t.dt[0] == "f" and out.dt[0] in "iu":
        lo, hi = out.limits()
        return np.vectorize(lambda v: lo if v != v or v <= lo else hi if v >= hi else int(v), otypes=[np.int64])(x.astype(np.float64)).astype(NP[out.dt])
    return x.astype(NP[out.dt])


def evaluate(op, xs, ts, a, outs):
    x, t, out = xs[0], ts[0], outs[0]
    if op in UNARY:
        return [op_unary(op, x, t, a, out)]
    if op in BINARY or op == "div":
        return [op_binary(op, xs, ts, a, out)]
    bias = (xs[2], ts[2]) if len(xs) > 2 else (None, None)
    if op == "conv2d":
        return [sums(conv2d(values(x, t), values(xs[1], ts[1]), a), *bias, a, out)]
    if op == "conv_transpose2d":
        return [sums(conv_transpose2d(values(x, t), values(xs[1], ts[1]), a), *bias, a, out)]
    if op == "linear":
        return [sums(values(x, t) @ values(xs[1], ts[1]).T, *bias, a, out)]
    if op == "matmul":
        b = values(xs[1], ts[1])
        return [sums(values(x, t) @ (np.swapaxes(b, -1, -2) if attr(a, "transpose_b", False) else b), None, None, a, out)]
    if op == "batch_norm":
        g, b, m, v = (z.astype(np.float64) for z in xs[1:])
        return [(x - m) / np.sqrt(v + attr(a, "epsilon", 1e-5)) * g + b]
    if op == "layer_norm":
        axes = tuple(range(attr(a, "axis", -1) % x.ndim, x.ndim))
        if out.dt != "f32":
            return [layer_norm_q(x, t, axes, xs[1:], F(attr(a, "epsilon", 1e-5)), out)]
        v = x.astype(np.float64)
        y = (v - v.mean(axes, keepdims=True)) / np.sqrt(v.var(axes, keepdims=True) + attr(a, "epsilon", 1e-5))
        return [y * (xs[1] if len(xs) > 1 else 1) + (xs[2] if len(xs) > 2 else 0)]
    if op == "softmax" and out.dt != "f32":
        return [softmax_q(x, t, attr(a, "axis", -1), out)]
    if op == "softmax":
        e = np.exp(x.astype(np.float64) - x.max(attr(a, "axis", -1), keepdims=True))
        return [e / e.sum(attr(a, "axis", -1), keepdims=True)]
    if op == "max_pool":
        return [windows(x, a, out, -np.inf if t.dt == "f32" else t.limits()[0])[0].max(-1)]
    if op == "avg_pool":
        return [avg_pool(x, t, a, out)]
    if op.startswith("global_"):
        whole = {"axes": [1, 2]}
        return [reduce("reduce_max" if "max" in op else "reduce_mean", x, t, whole, out)]
    if op.startswith("reduce_"):
        return [reduce(op, x, t, a, out)]
    if op == "concat":
        same = lambda s: s.scale is None or (s.scale == out.scale and s.zero == out.zero and s.dt == out.dt)
        return [np.concatenate([v if same(s) else quant((centered(v, s).astype(F) * F(s.scale / out.scale)).astype(F), out) for v, s in zip(xs, ts)], attr(a, "axis"))]
    if op == "split":
        return np.split(x, np.cumsum(attr(a, "sizes"))[:-1], attr(a, "axis"))
    if op == "slice":
        steps = attr(a, "steps") or [1] * x.ndim
        for i, (s, n, k) in enumerate(zip(attr(a, "starts"), attr(a, "sizes"), steps)):
            x = np.take(x, s + k * np.arange(n), i)
        return [x]
    if op == "pad":
        border, mode = list(zip(attr(a, "before"), attr(a, "after"))), attr(a, "mode", "constant")
        if mode != "constant":
            return [np.pad(x, border, mode)]
        v = F(attr(a, "value", 0.0))
        return [np.pad(x, border, constant_values=v if t.scale is None else int(quant(np.array(v / t.scale), t)))]
    if op == "reshape":
        return [x.reshape(out.shape)]
    if op == "transpose":
        return [x.transpose(attr(a, "perm"))]
    if op == "broadcast":
        return [np.broadcast_to(x, out.shape)]
    if op == "resize":
        return [resize(x, t, a, out)]
    if op == "gather":
        n = x.shape[attr(a, "axis", 0)]
        i = np.where(xs[1] < 0, xs[1] + n, xs[1])
        return [np.take(x, np.clip(i, 0, n - 1), attr(a, "axis", 0))]
    if op == "argmax":
        y = x.argmax(attr(a, "axis", -1)).astype(NP[out.dt])
        return [np.expand_dims(y, attr(a, "axis", -1)) if attr(a, "keepdims", False) else y]
    if op == "cast":
        return [cast(x, t, out)]
    if op == "quantize":
        if out.dt == "i32":
            v = np.clip((x / out.scale).astype(F), F(-2**31), F(2**31 - 128))
            return [np.clip(np.rint(v).astype(np.int64) + out.zero, -2**31, 2**31 - 1).astype(np.int32)]
        return [quant((x / out.scale).astype(F), out)]
    if op == "dequantize":
        return [centered(x, t).astype(F) * t.scale]
    if op == "requantize":
        return [requantize(x, t, a, out)]
    raise SystemExit("oracle.py: no formula for " + op)


EXACT = {"max_pool", "global_max_pool", "reduce_max", "concat", "split", "slice", "pad", "reshape", "transpose", "broadcast", "gather", "relu", "clamp", "neg", "abs", "min", "max",
         "dequantize", "cast", "sqrt", "add", "sub", "mul", "div"}


def parse_attrs(text):
    a = {}
    for m in re.finditer(r"(\w+)\s*=\s*(\[[^\]]*\]|[^,\s]+)", text or ""):
        v = m.group(2)
        num = lambda s: {"true": True, "false": False}.get(s) if s in ("true", "false") else int(s) if re.fullmatch(r"-?\d+", s) else float(s) if re.fullmatch(r"-?(inf|nan|[\d.e+-]+)", s) else s
        a[m.group(1)] = [num(s.strip()) for s in v[1:-1].split(",") if s.strip()] if v[0] == "[" else num(v)
    return a


def split_types(text):
    return [m.group(0) for m in re.finditer(r"\w+(?:<[^>]*>)?\[[\d,]*\]", text)]


def random_input(rng, t, bounds):
    if t.dt == "f32":
        lo, hi = bounds or (-4.0, 4.0)
        return rng.uniform(lo, hi, t.shape).astype(F)
    if t.dt == "bool":
        return rng.integers(0, 2, t.shape).astype(bool)
    lo, hi = bounds or (t.limits() if t.scale is not None and t.dt != "i32" else (-9, 9) if t.dt != "i32" or t.scale is None else (-40000, 40000))
    lo = -127 if t.axis is not None and t.dt == "i8" else lo
    return rng.integers(int(lo), int(hi) + 1, t.shape).astype(NP[t.dt])


def compare(name, got, want, exact, rtol):
    if got.shape != want.shape:
        raise SystemExit(f"{name}: shape {got.shape}, expected {want.shape}")
    if want.dtype.kind == "f" and not exact:
        want = want.astype(np.float64)
        finite = np.isfinite(want)
        big = np.abs(want[finite]).max() if finite.any() else 0
        bad = np.where(finite, ~(np.abs(got - np.where(finite, want, 0)) <= rtol * (np.abs(np.where(finite, want, 0)) + big)), ~((got == want) | (np.isnan(got) & np.isnan(want))))
    else:
        if want.dtype.kind == "f":
            want = want.astype(got.dtype)
        bad = ~((got == want) | ((got != got) & (want != want)))
    if bad.any():
        i = tuple(int(k) for k in np.argwhere(bad)[0])
        raise SystemExit(f"{name}: {bad.sum()} of {bad.size} elements are wrong, first at {i}: got {got[i]!r}, expected {want[i]!r}")


def main():
    path, tmp, options = sys.argv[1], sys.argv[2], sys.argv[3:]
    raw = open(path).read()
    text = re.sub(r"//.*", "", raw)
    scales = {m.group(1): np.frombuffer(base64.b64decode(m.group(2)), F) for m in re.finditer(r"@([\w.]+)\s*:\s*f32\[\d+\]\s*=\s*\"([^\"]*)\"", text)}
    bounds = {m.group(1): (float(m.group(2)), float(m.group(3))) for m in re.finditer(r"// INPUT (\w+) (\S+) (\S+)", raw)}
    tol = re.search(r"// TOL: (\S+)", raw)
    params = re.search(r"graph @\w+\(([^)]*)\)", text).group(1)
    rng = np.random.default_rng(7)
    types, env = {}, {}
    for m in re.finditer(r"%(\w+)\s*:\s*(\w+(?:<[^>]*>)?\[[\d,]*\])", params):
        types[m.group(1)] = Type(m.group(2), scales)
        env[m.group(1)] = random_input(rng, types[m.group(1)], bounds.get(m.group(1)))
    if env:
        np.savez(tmp + ".in.npz", **env)
        options = options + ["--input=" + tmp + ".in.npz"]
    subprocess.run(["mc-run", path, "--output=" + tmp + ".out.npz", *options], check=True)
    exact = True
    for m in re.finditer(r"^\s*((?:%\w+(?:,\s*)?)+)\s*=\s*(\w+)\s+((?:%\w+(?:,\s*)?)+)\s*(?:\{([^}]*)\})?\s*:\s*(.*)$", text, re.M):
        names, op, ins = re.findall(r"%(\w+)", m.group(1)), m.group(2), re.findall(r"%(\w+)", m.group(3))
        outs = [Type(s, scales) for s in split_types(m.group(5))]
        with np.errstate(all="ignore"):
            ys = evaluate(op, [env[i] for i in ins], [types[i] for i in ins], parse_attrs(m.group(4)), outs)
        exact = exact and op in EXACT
        for name, y, t in zip(names, ys, outs):
            env[name], types[name] = y, t
            if y.dtype.kind == "f" and y.dtype != np.float32 and t.dt == "f32" and op in EXACT:
                env[name] = y.astype(F)
    got = np.load(tmp + ".out.npz")
    for name in re.findall(r"%(\w+)", re.search(r"return (.*)", text).group(1)):
        compare(name, got[name], env[name], exact, float(tol.group(1)) if tol else 2e-6)


main()
