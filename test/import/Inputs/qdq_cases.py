#!/usr/bin/env python3
"""Quantized networks as other tools write them: each becomes integer layers and gives
numpy's numbers, one step beside at most.

    qdq_cases.py WORK [CASE...]

Prints what is wrong, then "N of N cases right". The reference computes in double what ONNX says.
"""
import pathlib
import re
import subprocess
import sys

import numpy as np

from onnx_bytes import field, model, node, value, varint

KINDS = {"f4": 1, "u1": 2, "i1": 3, "u2": 4, "i2": 5, "i4": 6, "i8": 7}


def tensor(name, a, kind=None):
    a = np.asarray(a)
    head = b"".join(field(1, d) for d in a.shape)
    if kind in (21, 22):  # two in a byte, the first in the low half
        v = (a.reshape(-1).astype(np.int64) & 15).tolist() + [0] * (a.size % 2)
        data = bytes(v[i] | v[i + 1] << 4 for i in range(0, len(v), 2))
    else:
        kind, data = KINDS[a.dtype.str[1:]], a.tobytes()
    return head + field(2, kind) + field(8, name) + field(9, data)


def attribute(name, v):
    kind = 7 if isinstance(v, list) else 2
    body = b"".join(field(8, x) for x in v) if isinstance(v, list) else field(3, v)
    return field(5, field(1, name) + body + field(20, kind))


class Net:
    """Nodes and initializers, and beside them the values in double."""

    def __init__(self, seed):
        self.r = np.random.RandomState(seed)
        self.nodes, self.init, self.v, self.steps = [], [], {}, {}
        self.layers, self.opset, self.says = 0, 13, ""

    def op(self, kind, ins, out, result, domain="", **attributes):
        attrs = b"".join(attribute(k, v) for k, v in attributes.items())
        self.nodes.append(node(kind, ins, [out], out, domain, attrs))
        self.v[out] = result
        return out

    def const(self, name, a, kind=None):
        self.init.append(tensor(name, a, kind))
        self.v[name] = np.asarray(a)
        return name

    def params(self, name, scale, zero):
        return [self.const(name + "_s", np.asarray(scale, "f4")), self.const(name + "_z", zero)]

    def qdq(self, x, scale, zero):
        """Quantize and dequantize x."""
        p = self.params(x, scale, zero)
        i = np.iinfo(zero.dtype)
        q = np.clip(np.rint(self.v[x] / np.float64(np.float32(scale))) + int(zero), i.min, i.max)
        self.op("QuantizeLinear", [x, *p], x + "_q", q)
        return self.op(
            "DequantizeLinear",
            [x + "_q", *p],
            x + "_d",
            (q - int(zero)) * np.float64(np.float32(scale)),
        )

    def weight(self, name, q, scale, zero, axis=None, kind=None):
        s = np.asarray(scale, "f4").astype("f8")
        shape = [-1 if i == axis else 1 for i in range(np.ndim(q))] if np.ndim(s) else ()
        z = np.asarray(zero).astype("f8")
        real = (
            q.astype("f8") - z.reshape(shape) if np.ndim(z) else q.astype("f8") - z
        ) * s.reshape(shape)
        self.const(name, q, kind)
        p = [
            self.const(name + "_s", np.asarray(scale, "f4")),
            self.const(name + "_z", np.asarray(zero, q.dtype), kind),
        ]
        return self.op(
            "DequantizeLinear",
            [name, *p],
            name + "_d",
            real,
            **({} if axis is None else {"axis": axis}),
        )

    def random(self, dtype, shape, lo=None, hi=None):
        i = np.iinfo(dtype)
        return self.r.randint(
            i.min if lo is None else lo, (i.max if hi is None else hi) + 1, shape
        ).astype(dtype)


def conv(x, w, b=None, pads=(0, 0, 0, 0), stride=1, group=1):
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    p = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[
        :, :, ::stride, ::stride
    ]
    n, c, oh, ow, kh, kw = p.shape
    y = np.einsum(
        "ngchwij,gocij->ngohw",
        p.reshape(n, group, c // group, oh, ow, kh, kw),
        w.reshape(group, -1, *w.shape[1:]),
    )
    y = y.reshape(n, -1, oh, ow)
    return y if b is None else y + b[None, :, None, None]


def conv_transpose(x, w, stride, group):
    n, c, h, wd = x.shape
    ci, co, k = c // group, w.shape[1], w.shape[2]
    y = np.zeros((n, co * group, (h - 1) * stride + k, (wd - 1) * stride + k))
    for g in range(group):
        for i in range(ci):
            for a in range(h):
                for b in range(wd):
                    y[
                        :,
                        g * co : (g + 1) * co,
                        a * stride : a * stride + k,
                        b * stride : b * stride + k,
                    ] += (
                        x[:, g * ci + i, a, b][:, None, None, None] * w[g * ci + i][None]
                    )
    return y


def convolution(
    t, acts, wtype, zero, per_channel, group=1, bias="i4", relu=False, stride=1, pads=1, kind=None
):
    """One Conv between Q and DQ."""
    c, o, k = 6, 12, 3
    lim = {21: (0, 15), 22: (-8, 7)}.get(kind, (None, None))
    q = t.random(wtype, (o, c // group, k, k), *lim)
    s = (t.r.rand(o) * 0.004 + 0.002).astype("f4") if per_channel else np.float32(0.004)
    z = np.asarray(zero(t, o) if per_channel else zero(t, 1)[0], wtype)
    x = t.qdq("x", 0.04, np.asarray(120 if acts == np.uint8 else -9, acts))
    w = t.weight("w", q, s, z, 0 if per_channel else None, kind)
    ins = [x, w]
    if bias == "i4":
        b = t.random(np.int32, (o,), -3000, 3000)
        bs = (np.asarray(s) * np.float32(0.04)).astype("f4")
        ins.append(
            t.weight("b", b, bs, np.zeros(np.shape(bs), np.int32), 0 if per_channel else None)
        )
    elif bias == "f4":
        ins.append(t.const("b", (t.r.randn(o) * 0.3).astype("f4")))
    y = conv(
        t.v[x],
        t.v[w],
        t.v[ins[2]].astype("f8") if len(ins) > 2 else None,
        (pads,) * 4,
        stride,
        group,
    )
    y = t.op("Conv", ins, "y", y, pads=[pads] * 4, strides=[stride] * 2, group=group)
    if relu:
        y = t.op("Relu", [y], "r", np.maximum(t.v[y], 0))
    step = np.abs(t.v[y]).max() / 100
    t.layers += 1
    return t.qdq(y, step, np.asarray(100 if acts == np.uint8 else -4, acts))


def zeros(t, n):
    return np.zeros(n)


def some(t, n):
    return t.r.randint(100, 140, n)


def half(t, n):
    return np.full(n, 128)


def near(t, n):
    return t.r.randint(-20, 20, n)


U, S = np.uint8, np.int8
CASES = {
    "u8-s8-channels": lambda t: convolution(t, U, S, zeros, True),
    "s8-s8-channels": lambda t: convolution(t, S, S, zeros, True, relu=True),
    "u8-s8-tensor": lambda t: convolution(t, U, S, zeros, False, bias=None),
    "u8-u8-128": lambda t: convolution(t, U, U, half, False),
    "u8-u8-zero": lambda t: convolution(t, U, U, some, False),
    "u8-u8-zeros": lambda t: convolution(t, U, U, some, True, relu=True),
    "s8-s8-zeros": lambda t: convolution(t, S, S, near, True),
    "grouped-zero": lambda t: convolution(t, U, U, some, False, group=2),
    "depthwise": lambda t: convolution(t, U, S, zeros, True, group=6),
    "depthwise-zero": lambda t: convolution(t, U, U, some, True, group=6, stride=2),
    "float-bias": lambda t: convolution(t, U, S, zeros, True, bias="f4"),
    "int4": lambda t: convolution(t, U, S, zeros, True, kind=22),
    "uint4": lambda t: convolution(t, S, U, lambda t, n: t.r.randint(0, 16, n), True, kind=21),
}


def case(f):
    CASES[f.__name__.replace("_", "-")] = f


@case
def transposed(t):
    """ConvTranspose: output channels are axis 1 of the weight."""
    x = t.qdq("x", 0.04, U(130))
    w = t.weight(
        "w",
        t.random(S, (6, 5, 2, 2)),
        (t.r.rand(5) * 0.004 + 0.002).astype("f4"),
        np.zeros(5, S),
        1,
    )
    y = t.op("ConvTranspose", [x, w], "y", conv_transpose(t.v[x], t.v[w], 2, 1), strides=[2, 2])
    t.layers += 1
    return t.qdq(y, 0.05, U(128))


@case
def transposed_groups(t):
    x = t.qdq("x", 0.04, U(130))
    w = t.weight("w", t.random(U, (6, 5, 2, 2)), np.float32(0.004), U(120))
    y = t.op(
        "ConvTranspose", [x, w], "y", conv_transpose(t.v[x], t.v[w], 2, 2), strides=[2, 2], group=2
    )
    t.layers += 1
    return t.qdq(y, 0.05, U(128))


def flat(t, zero=U(120)):
    x = t.qdq("x", 0.04, zero)
    r = t.op("Flatten", [x], "flat", t.v[x].reshape(1, -1))
    return r


@case
def gemm(t):
    x = flat(t)
    k = t.v[x].shape[1]
    s = (t.r.rand(10) * 0.002 + 0.001).astype("f4")
    w = t.weight("w", t.random(S, (10, k)), s, np.zeros(10, S), 0)
    b = t.weight(
        "b",
        t.random(np.int32, (10,), -9000, 9000),
        (s * np.float32(0.04)).astype("f4"),
        np.zeros(10, np.int32),
        0,
    )
    y = t.op("Gemm", [x, w, b], "y", t.v[x] @ t.v[w].T + t.v[b], transB=1)
    t.layers += 1
    return t.qdq(y, 0.5, U(128))


@case
def gemm_no_quantize(t):
    """A last layer that gives reals: dequantized sums."""
    x = flat(t)
    w = t.weight("w", t.random(U, (t.v[x].shape[1], 10)), np.float32(0.002), U(117))
    t.layers += 1
    return t.op("Gemm", [x, w], "y", t.v[x] @ t.v[w])


@case
def matmul_columns(t):
    x = flat(t)
    w = t.weight(
        "w",
        t.random(S, (t.v[x].shape[1], 7)),
        (t.r.rand(7) * 0.002 + 0.001).astype("f4"),
        np.zeros(7, S),
        1,
    )
    y = t.op("MatMul", [x, w], "y", t.v[x] @ t.v[w])
    t.layers += 1
    return t.qdq(y, 0.5, U(128))


@case
def matmul_bias(t):
    """An addition of one f32 number per column is the layer's bias; Relu after it."""
    x = flat(t)
    w = t.weight(
        "w",
        t.random(S, (t.v[x].shape[1], 7)),
        (t.r.rand(7) * 0.002 + 0.001).astype("f4"),
        np.zeros(7, S),
        1,
    )
    b = t.const("b", t.r.randn(7).astype("f4"))
    y = t.op(
        "Add",
        [b, t.op("MatMul", [x, w], "m", t.v[x] @ t.v[w])],
        "y",
        t.v[x] @ t.v[w] + t.v[b].astype("f8"),
    )
    y = t.op("Relu", [y], "r", np.maximum(t.v[y], 0))
    t.layers += 1
    return t.qdq(y, 0.1, S(-20))


@case
def quantized_weights(t):
    """The weight is f32 with Q and DQ of its own, scales along an axis (as TensorRT's tools do)."""
    x = t.qdq("x", 0.04, S(0))
    w = (t.r.randn(12, 6, 3, 3) * 0.1).astype("f4")
    s = (np.abs(w).max((1, 2, 3)) / 127).astype("f4")
    t.const("w", w)
    p = t.params("w", s, np.zeros(12, S))
    q = np.clip(np.rint(w / s[:, None, None, None]), -128, 127)
    t.op("QuantizeLinear", ["w", *p], "wq", q, axis=0)
    t.op("DequantizeLinear", ["wq", *p], "wd", q * s.astype("f8")[:, None, None, None], axis=0)
    y = t.op(
        "Conv",
        [x, "wd", t.const("b", t.r.randn(12).astype("f4"))],
        "y",
        conv(t.v[x], t.v["wd"], t.v["b"].astype("f8")),
    )
    t.layers += 1
    return t.qdq(y, 0.05, S(0))


@case
def shared(t):
    """One DQ for two layers, an add of both, and a weight that both read."""
    x = t.qdq("x", 0.04, U(120))
    w = t.weight("w", t.random(S, (6, 6, 1, 1)), np.float32(0.004), S(0))
    a = t.qdq(t.op("Conv", [x, w], "a", conv(t.v[x], t.v[w])), 0.05, U(128))
    b = t.qdq(t.op("Conv", [a, w], "b", conv(t.v[a], t.v[w])), 0.06, U(120))
    y = t.op("Add", [b, x], "y", t.v[b] + t.v[x])
    t.layers += 2
    return t.qdq(y, 0.08, U(128))


@case
def moved(t):
    """Movements between Q and DQ pairs of other scales; the clamp of a Relu6 above zero stays."""
    x = t.qdq("x", 0.04, U(120))
    m = t.op("Transpose", [x], "m", t.v[x].transpose(0, 2, 1, 3), perm=[0, 2, 1, 3])
    m = t.qdq(m, 0.05, U(100))
    m = t.op("Transpose", [m], "n", t.v[m].transpose(0, 2, 1, 3), perm=[0, 2, 1, 3])
    m = t.qdq(m, 0.045, S(-3))
    w = t.weight("w", t.random(S, (6, 6, 1, 1)), np.float32(0.004), S(0))
    y = t.op("Conv", [m, w], "y", conv(t.v[m], t.v[w]))
    lo, hi = t.const("lo", np.float32(0.5)), t.const("hi", np.float32(2))
    y = t.op("Clip", [y, lo, hi], "c", np.clip(t.v[y], 0.5, 2))
    t.layers += 1
    return t.qdq(y, 0.02, S(-128))


@case
def integer_input(t):
    """The graph's input is u8 and only dequantized."""
    t.input = ("u1", t.random(U, (1, 6, 9, 9)))
    p = t.params("x", 0.04, U(120))
    t.v["x"] = t.input[1].astype("f8")
    x = t.op("DequantizeLinear", ["x", *p], "x_d", (t.v["x"] - 120) * np.float64(np.float32(0.04)))
    w = t.weight("w", t.random(S, (5, 6, 3, 3)), np.float32(0.004), S(0))
    y = t.op("Conv", [x, w], "y", conv(t.v[x], t.v[w]))
    t.layers += 1
    return t.qdq(y, 0.05, U(128))


@case
def qlinear_conv(t):
    px, pw, py = (
        t.params("x", 0.04, U(120)),
        t.params("w", (t.r.rand(5) * 0.004 + 0.002).astype("f4"), np.zeros(5, S)),
        t.params("y", 0.05, U(128)),
    )
    sx = np.float64(np.float32(0.04))
    q = np.clip(np.rint(t.v["x"] / sx) + 120, 0, 255)
    t.op("QuantizeLinear", ["x", *px], "q", q)
    w, b = t.random(S, (5, 6, 3, 3)), t.random(np.int32, (5,), -3000, 3000)
    s = t.v["w_s"].astype("f8")
    y = conv((q - 120) * sx, w * s[:, None, None, None], b * sx * s)
    y = np.clip(np.rint(y / np.float64(np.float32(0.05))) + 128, 0, 255)
    t.op("QLinearConv", ["q", *px, t.const("w", w), *pw, *py, t.const("b", b)], "y", y)
    t.layers += 1
    return t.op("DequantizeLinear", ["y", *py], "out", (y - 128) * np.float64(np.float32(0.05)))


def quantized(t, x, scale, zero, name="q"):
    """The name of x's integers, and their parameters."""
    p = t.params(name, scale, zero)
    i = np.iinfo(zero.dtype)
    q = np.clip(np.rint(t.v[x] / np.float64(np.float32(scale))) + int(zero), i.min, i.max)
    return t.op("QuantizeLinear", [x, *p], name, q), p


def qlinear(t, op, f, scale, zero, ins=None, shape=None, **attributes):
    """x -> Q -> op of com.microsoft on integers -> DQ."""
    q, p = quantized(t, "x", 0.04, U(120))
    s, py = np.float64(np.float32(scale)), t.params("y", scale, zero)
    y = np.clip(np.rint(f((t.v[q] - 120) * np.float64(np.float32(0.04))) / s) + int(zero), 0, 255)
    t.op(op, ins(q, p, py) if ins else [q, *p, *py], "y", y, "com.microsoft", **attributes)
    return t.op("DequantizeLinear", ["y", *py], "out", (y - int(zero)) * s)


CASES["qlinear-sigmoid"] = lambda t: qlinear(
    t, "QLinearSigmoid", lambda x: 1 / (1 + np.exp(-x)), 1 / 256, U(0)
)
CASES["qlinear-pool"] = lambda t: qlinear(
    t, "QLinearGlobalAveragePool", lambda x: x.mean((2, 3), keepdims=True), 0.01, U(128)
)
CASES["qlinear-mean"] = lambda t: qlinear(
    t, "QLinearReduceMean", lambda x: x.mean(1, keepdims=True), 0.02, U(128), axes=[1]
)
CASES["qlinear-avg-pool"] = lambda t: qlinear(
    t,
    "QLinearAveragePool",
    lambda x: x[:, :, :8, :8].reshape(1, 6, 4, 2, 4, 2).mean((3, 5)),
    0.0187,
    U(128),
    kernel_shape=[2, 2],
    strides=[2, 2],
)
CASES["qlinear-concat"] = lambda t: qlinear(
    t,
    "QLinearConcat",
    lambda x: np.concatenate([x, x], 1),
    0.05,
    U(110),
    lambda q, p, y: [*y, q, *p, q, *p],
    axis=1,
)
CASES["qlinear-add"] = lambda t: qlinear(
    t, "QLinearAdd", lambda x: x + x, 0.08, U(128), lambda q, p, y: [q, *p, q, *p, *y]
)


@case
def qgemm(t):
    x = t.op("Flatten", ["x"], "flat", t.v["x"].reshape(1, -1))
    q, p = quantized(t, x, 0.04, U(120))
    w, s = t.random(S, (9, t.v[x].shape[1])), (t.r.rand(9) * 0.002 + 0.001).astype("f4")
    b = t.random(np.int32, (9,), -9000, 9000)
    pw, sx, py = (
        t.params("w", s, np.zeros(9, S)),
        np.float64(np.float32(0.04)),
        t.params("y", 0.5, U(128)),
    )
    y = ((t.v[q] - 120) @ w.T.astype("f8") + b) * sx * s.astype("f8")
    y = np.clip(np.rint(y / 0.5) + 128, 0, 255)
    t.op(
        "QGemm",
        [q, *p, t.const("w", w), *pw, t.const("b", b), *py],
        "y",
        y,
        "com.microsoft",
        transB=1,
    )
    t.layers += 1
    return t.op("DequantizeLinear", ["y", *py], "out", (y - 128) * 0.5)


@case
def blocks(t):
    """Scales in blocks: f32, with a warning."""
    w, s, z = (
        t.random(S, (4, 6, 3, 3)),
        (t.r.rand(4, 2, 3, 3) * 0.004 + 0.002).astype("f4"),
        np.zeros((4, 2, 3, 3), S),
    )
    real = w * np.repeat(s.astype("f8"), 3, 1)
    x, t.opset = t.qdq("x", 0.04, U(120)), 21
    t.op(
        "DequantizeLinear",
        [t.const("w", w), *t.params("w", s, z)],
        "wd",
        real,
        axis=1,
        block_size=3,
    )
    t.says = "1 of the 1 layers that read quantized values stay in f32"
    return t.qdq(t.op("Conv", [x, "wd"], "y", conv(t.v[x], real)), 0.05, U(128))


@case
def sixteen_bits(t):
    """16-bit activations: f32, with a warning."""
    t.opset = 21
    x = t.qdq("x", 0.0005, np.uint16(30000))
    w = t.weight("w", t.random(S, (4, 6, 3, 3)), np.float32(0.004), S(0))
    t.says = "1 of the 1 layers that read quantized values stay in f32"
    return t.qdq(t.op("Conv", [x, w], "y", conv(t.v[x], t.v[w])), 0.0005, np.int16(-7))


@case
def weights_only(t):
    w = t.weight("w", t.random(S, (4, 6, 3, 3)), np.float32(0.004), S(0))
    t.says = "only its weights are quantized"
    return t.op("Conv", ["x", w], "y", conv(t.v["x"], t.v[w]))


@case
def dynamic(t):
    """Dynamic quantization is computed in f32 on the weights' reals."""
    t.op("DynamicQuantizeLinear", ["x"], "q", t.v["x"])
    t.nodes[-1] = node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"], "q")
    w, z = t.random(U, (9, 7)), U(117)
    real = (w.astype("f8") - 117) * np.float64(np.float32(0.01))
    t.op("MatMulInteger", ["q", t.const("w", w), "qz", t.const("wz", z)], "i", None)
    t.nodes.append(node("Cast", ["i"], ["c"], "c", "", attribute("to", 1)))
    t.op("Mul", ["qs", t.const("ws", np.float32(0.01))], "s", None)
    t.says = "only its weights are quantized"
    return t.op("Mul", ["c", "s"], "y", t.v["x"] @ real)


def run(*words):
    p = subprocess.run(
        [str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120
    )
    if p.returncode:
        raise RuntimeError(p.stdout.decode(errors="replace"))
    return p.stdout.decode(errors="replace")


def check(name, build, work):
    t = Net(sum(map(ord, name)))
    x = (t.r.randn(1, 6, 9, 9) * 1.5).astype("f4")
    t.input, t.v["x"] = ("f4", x), x.astype("f8")
    out = build(t)
    want = t.v[out]
    kind, x = t.input
    file = work / f"{name}.onnx"
    file.write_bytes(
        model(
            t.nodes, [value("x", x.shape, KINDS[kind])], [value(out, want.shape)], t.init, t.opset
        )
    )
    np.save(work / "x.npy", x)
    run("mc-import", file, "-o", work / f"{name}.mir")
    said = run("mcc", "-march=native", "-remarks", work / f"{name}.mir", "-o", work / f"{name}.o")
    got = int(re.search(r"(\d+) layers INT8, (\d+) fp32", said).group(1))
    wrong = [] if got == t.layers else [f"{got} layers INT8, expected {t.layers}: {said}"]
    wrong += [] if t.says in said else [f"mcc does not say '{t.says}': {said}"]
    step = (
        np.diff(np.unique(want)).min()
        if out.endswith("_d") or out == "out"
        else np.abs(want).max() * 1e-5
    )
    for what in ("mir", "o"):
        run("mc-run", work / f"{name}.{what}", f"--input={work}/x.npy", f"--output={work}/y.npz")
        with np.load(work / "y.npz") as z:
            d = np.abs(z[z.files[0]].astype("f8").reshape(want.shape) - want) / step
        if d.max() > 1.01 or (d > 0.01).mean() > 0.05:
            wrong.append(f"{what}: {d.max():.2f} steps, {100 * (d > .01).mean():.2f} % differ")
    return wrong


def main():
    work = pathlib.Path(sys.argv[1])
    work.mkdir(parents=True, exist_ok=True)
    names, right = sys.argv[2:] or list(CASES), 0
    for name in names:
        try:
            wrong = check(name, CASES[name], work)
        except RuntimeError as e:
            wrong = [str(e)]
        right += not wrong
        for w in wrong:
            print(f"{name}: {w}")
    print(f"{right} of {len(names)} cases right")
    sys.exit(right != len(names))


if __name__ == "__main__":
    main()
