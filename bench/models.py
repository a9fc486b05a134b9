#!/usr/bin/python3
"""Writes the ten networks that the bench compares, with random weights of He's variance and the real shapes.

usage: models.py [-o DIR] [NAME ...]          (python3-numpy and python3-onnx; nothing else)

One description makes two graphs at once, and computes the activations of one random input on the way:

  DIR/NAME.fp32.onnx   as trained: Conv, BatchNormalization, Relu or Clip; what mc-import reads
  DIR/NAME.int8.onnx   for ONNX Runtime: batch_norm folded, QuantizeLinear and DequantizeLinear around everything (u8 activations per tensor,
                       s8 weights per channel), ranges from the computed activations
  DIR/NAME.dyn.onnx    BERT only: DynamicQuantizeLinear and MatMulInteger, the other form ONNX Runtime has for transformers
  DIR/NAME.calib.npz   four random inputs, for mcc -calib
  DIR/NAME.f32.layers  the convolutions and matrix products as text, for oneDNN (compare/dnnl.c says how it reads them)
  DIR/NAME.int8.layers the same in INT8
  DIR/models.json      multiply-accumulates and parameters of each network

Inputs are called x, outputs y; the first dimension is the symbol N.  Weights are random, so only time is comparable, not accuracy."""
import json, pathlib, sys
import numpy as np
import onnx
from onnx import TensorProto, helper

F32 = np.float32


class Graph:
    """An ONNX graph under construction."""

    def __init__(self):
        self.nodes, self.inits, self.count = [], {}, 0

    def name(self):
        self.count += 1
        return f"v{self.count}"

    def const(self, a, name=None):
        a = np.asarray(a, order="C")
        name = name or self.name()
        if name not in self.inits:
            self.inits[name] = helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(a.dtype) if hasattr(helper, "np_dtype_to_tensor_dtype") else onnx.mapping.NP_TYPE_TO_TENSOR_TYPE[a.dtype],
                                                  a.shape, a.tobytes(), raw=True)
        return name

    def op(self, kind, *inputs, **attrs):
        out = self.name()
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=f"{kind}_{out}", **attrs))
        return out

    def save(self, path, title, shape, result):
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = ["y" if n == result else n for n in names]
        info = helper.make_tensor_value_info
        g = helper.make_graph(self.nodes, title, [info("x", TensorProto.FLOAT, ["N", *shape])], [info("y", TensorProto.FLOAT, None)], list(self.inits.values()))
        path.write_bytes(helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


class Value:
    """One activation: its name in the float graph, its dequantized name and scale in the quantized graph, and its numbers."""

    def __init__(self, f, q, a, scale=None, zero=None):
        self.f, self.q, self.a, self.scale, self.zero = f, q, a, scale, zero
        self.layer = None   # the convolution or product that made it


class Layers:
    """The convolutions and matrix products, in order."""

    def __init__(self):
        self.list = []

    def conv(self, x, w, groups, stride, pad, relu):
        self.list.append(["conv", groups, x.shape[1], w.shape[0], *x.shape[2:], *w.shape[2:], stride, *pad, int(bool(relu)), 0])
        return self.list[-1]

    def matmul(self, m, w, relu):
        self.list.append(["matmul", m, *w.shape, int(bool(relu))])
        return self.list[-1]

    def save(self, folder, name):
        for kind in ("f32", "int8"):
            (folder / f"{name}.{kind}.layers").write_text("".join(" ".join(map(str, [l[0], kind, *l[1:]])) + "\n" for l in self.list))


# ---- the arithmetic, for ranges ----

def windows(a, k, stride, pad, fill=0.0):
    """a: [1, c, h, w] -> [c, oh, ow, kh, kw]"""
    top, left, bottom, right = pad
    a = np.pad(a[0], ((0, 0), (top, bottom), (left, right)), constant_values=fill)
    w = np.lib.stride_tricks.sliding_window_view(a, k, axis=(1, 2))
    return w[:, :: stride[0], :: stride[1]]


def conv2d(a, w, b, stride, pad, groups):
    cols = windows(a, w.shape[2:], stride, pad)
    c, oh, ow = cols.shape[:3]
    if groups == c and w.shape[0] == c:
        y = sum(cols[..., i, j] * w[:, 0, i, j, None, None] for i in range(w.shape[2]) for j in range(w.shape[3]))
    else:
        assert groups == 1
        rows = np.ascontiguousarray(cols.transpose(0, 3, 4, 1, 2)).reshape(-1, oh * ow)
        y = (w.reshape(len(w), -1) @ rows).reshape(-1, oh, ow)
    return (y + b[:, None, None])[None].astype(F32)


def softmax(a):
    e = np.exp(a - a.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def erf(x):
    """Abramowitz and Stegun 7.1.26, 1.5e-7: enough for a range."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return (np.sign(x) * (1 - p * np.exp(-x * x))).astype(F32)


# ---- both graphs ----

class Net:
    def __init__(self, seed, *shape):
        self.rng = np.random.default_rng(seed)
        self.shape, self.macs, self.params = shape, 0, 0
        self.fg, self.qg, self.layers = Graph(), Graph(), Layers()
        self.input = self.quantize("x", "x", self.rng.standard_normal((1, *shape), F32))

    # quantized forms
    def quantize(self, f, q, a, like=None):
        """The value with a QuantizeLinear and DequantizeLinear pair after it; `like` keeps the parameters of another value."""
        lo, hi = min(float(a.min()), 0.0), max(float(a.max()), 1e-6)
        scale = like.scale if like else F32((hi - lo) / 255)
        zero = like.zero if like else np.uint8(np.clip(np.rint(-lo / scale), 0, 255))
        g = self.qg
        s, z = g.const(np.array(scale)), g.const(np.array(zero))
        return Value(f, g.op("DequantizeLinear", g.op("QuantizeLinear", q, s, z), s, z), a, scale, zero)

    def quantized_weight(self, w, axis):
        scale = (np.abs(w).max(axis=tuple(i for i in range(w.ndim) if i != axis)) / 127).astype(F32)
        q = np.clip(np.rint(w / scale.reshape([-1 if i == axis else 1 for i in range(w.ndim)])), -127, 127).astype(np.int8)
        g = self.qg
        return g.op("DequantizeLinear", g.const(q), g.const(scale), g.const(np.zeros(scale.shape, np.int8)), axis=axis), scale

    def quantized_bias(self, b, scale):
        g = self.qg
        return g.op("DequantizeLinear", g.const(np.rint(b / scale).astype(np.int32)), g.const(scale.astype(F32)), g.const(np.zeros(scale.shape, np.int32)), axis=0)

    def activation(self, f, q, a, kind):
        """In the quantized graph the range of the result does the clamping."""
        if kind == "relu":
            f, a = self.fg.op("Relu", f), np.maximum(a, 0)
        elif kind == "relu6":
            f = self.fg.op("Clip", f, self.fg.const(np.array(0, F32), "zero"), self.fg.const(np.array(6, F32), "six"))
            a = np.clip(a, 0, 6)
        return self.quantize(f, q, a)

    # layers; activations are NCHW
    def conv(self, x, c_out, k, stride=1, act="relu", groups=1, pad=None, bn=True, gain=1.0):
        kh, kw = (k, k) if isinstance(k, int) else k
        pad = pad or (kh // 2, kw // 2, kh // 2, kw // 2)
        strides, c_in = (stride, stride), x.a.shape[1]
        fan = c_in // groups * kh * kw
        w = self.rng.standard_normal((c_out, c_in // groups, kh, kw), F32) * F32(np.sqrt(2 / fan))
        gamma, beta = (self.rng.uniform(0.8, 1.2, c_out) * gain).astype(F32), self.rng.normal(0, 0.1, c_out).astype(F32)
        mean, var = self.rng.normal(0, 0.1, c_out).astype(F32), self.rng.uniform(0.8, 1.2, c_out).astype(F32)
        how = dict(kernel_shape=[kh, kw], strides=list(strides), pads=list(pad), group=groups)
        fg, qg = self.fg, self.qg
        if bn:
            f = fg.op("Conv", x.f, fg.const(w), **how)
            f = fg.op("BatchNormalization", f, *(fg.const(v) for v in (gamma, beta, mean, var)), epsilon=1e-5)
            factor = gamma / np.sqrt(var + F32(1e-5))
            w, b = w * factor[:, None, None, None], beta - mean * factor
        else:
            b = beta
            f = fg.op("Conv", x.f, fg.const(w), fg.const(b), **how)
        a = conv2d(x.a, w, b, strides, pad, groups)
        wq, scale = self.quantized_weight(w, 0)
        q = qg.op("Conv", x.q, wq, self.quantized_bias(b, scale * x.scale), **how)
        self.macs += a.size * fan
        self.params += w.size + b.size
        y = self.activation(f, q, a, act)
        y.layer = self.layers.conv(x.a, w, groups, stride, pad, act)
        return y

    def depthwise(self, x, stride=1, act="relu"):
        return self.conv(x, x.a.shape[1], 3, stride, act, groups=x.a.shape[1])

    def add(self, x, y, act=None):
        """x: the branch, whose last convolution may add y on the way"""
        x.layer[-2:] = [int(bool(act)), 1]
        return self.activation(self.fg.op("Add", x.f, y.f), self.qg.op("Add", x.q, y.q), x.a + y.a, act)

    def max_pool(self, x, k, stride, pad=0):
        how = dict(kernel_shape=[k, k], strides=[stride, stride], pads=[pad] * 4)
        a = windows(x.a, (k, k), (stride, stride), (pad,) * 4, -np.inf).max(axis=(3, 4))[None]
        return self.quantize(self.fg.op("MaxPool", x.f, **how), self.qg.op("MaxPool", x.q, **how), a, like=x)

    def mean(self, x):
        a = x.a.mean(axis=(2, 3), keepdims=True)
        return self.quantize(self.fg.op("GlobalAveragePool", x.f), self.qg.op("GlobalAveragePool", x.q), a)

    def flatten(self, x):
        return self.quantize(self.fg.op("Flatten", x.f, axis=1), self.qg.op("Flatten", x.q, axis=1), x.a.reshape(1, -1), like=x)

    def dense(self, x, n, act=None, bn=False):
        k = x.a.shape[1]
        w = self.rng.standard_normal((k, n), F32) * F32(np.sqrt((2 if act else 1) / k))
        b = self.rng.normal(0, 0.1, n).astype(F32)
        f = self.fg.op("Gemm", x.f, self.fg.const(w), self.fg.const(b))
        if bn:
            one, zero = np.ones(n, F32), np.zeros(n, F32)
            f = self.fg.op("BatchNormalization", f, *(self.fg.const(v) for v in (one, zero, zero, one - F32(1e-5))), epsilon=1e-5)
        wq, scale = self.quantized_weight(w, 1)
        q = self.qg.op("Gemm", x.q, wq, self.quantized_bias(b, scale * x.scale))
        self.macs += k * n
        self.params += w.size + n
        self.layers.matmul(1, w, act)
        return self.activation(f, q, x.a @ w + b, act)

    def softmax(self, x):
        return Value(self.fg.op("Softmax", x.f, axis=-1), self.qg.op("Softmax", x.q, axis=-1), softmax(x.a))

    def save(self, folder, name, result):
        self.fg.save(folder / f"{name}.fp32.onnx", name, self.shape, result.f)
        self.qg.save(folder / f"{name}.int8.onnx", name, self.shape, result.q)
        self.layers.save(folder, name)
        np.savez(folder / f"{name}.calib.npz", x=self.rng.standard_normal((4, *self.shape), F32))


class Encoder:
    """A transformer's encoder stack, written three times: float, static Gemm with int32 bias, dynamic MatMulInteger.  Only the products with weights are
    quantized, so LayerNorm, softmax, GELU and attention stay float: the runtime's own recommended form."""

    def __init__(self, seed, seq, d, heads):
        self.rng = np.random.default_rng(seed)
        self.seq, self.d, self.heads, self.shape = seq, d, heads, (seq, d)
        self.macs = self.params = 0
        self.g = {"fp32": Graph(), "int8": Graph(), "dyn": Graph()}
        self.layers = Layers()
        self.dynamic = {}

    def each(self, kind, *inputs, a, **attrs):
        """The same op in all graphs; an input is a value (names by graph, numbers) or a constant array."""
        names = {m: g.op(kind, *(i[0][m] if isinstance(i, tuple) else g.const(i) for i in inputs), **attrs) for m, g in self.g.items()}
        return names, a

    def rows(self, m, *dims):
        """Shapes: the int8 graph has [N * seq, d] where the others have [N, seq, d], for Gemm takes matrices."""
        return np.array([-1, *dims] if m == "int8" else [-1, self.seq, *dims], np.int64)

    def linear(self, x, n, gain=1.0):
        names, a = x
        k = a.shape[-1]
        w = self.rng.standard_normal((k, n), F32) * F32(gain / np.sqrt(k))
        b = self.rng.normal(0, 0.02, n).astype(F32)
        self.macs += self.seq * k * n
        self.params += w.size + n
        self.layers.matmul(self.seq, w, False)
        return {"fp32": self.linear_fp32(names["fp32"], w, b), "int8": self.linear_int8(names["int8"], a, w, b), "dyn": self.linear_dyn(names["dyn"], w, b)}, a @ w + b

    def linear_fp32(self, x, w, b):
        g = self.g["fp32"]
        return g.op("Add", g.op("MatMul", x, g.const(w)), g.const(b))

    def linear_int8(self, x, a, w, b):
        g = self.g["int8"]
        lo, hi = float(a.min()), float(a.max())
        s = F32((hi - lo) / 255)
        z = np.uint8(np.rint(-lo / s))
        ws = (np.abs(w).max(axis=0) / 127).astype(F32)
        key = ("pair", x)
        if key not in self.dynamic:
            sn, zn = g.const(np.array(s)), g.const(np.array(z))
            self.dynamic[key] = g.op("DequantizeLinear", g.op("QuantizeLinear", x, sn, zn), sn, zn)
        wq = g.op("DequantizeLinear", g.const(np.rint(w / ws).astype(np.int8)), g.const(ws), g.const(np.zeros(ws.shape, np.int8)), axis=1)
        bs = (ws * s).astype(F32)
        bq = g.op("DequantizeLinear", g.const(np.rint(b / bs).astype(np.int32)), g.const(bs), g.const(np.zeros(ws.shape, np.int32)), axis=0)
        return g.op("Gemm", self.dynamic[key], wq, bq)

    def linear_dyn(self, x, w, b):
        g = self.g["dyn"]
        if x not in self.dynamic:
            q, s, z = g.name(), g.name(), g.name()
            g.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], [q, s, z], name=f"DynamicQuantizeLinear_{q}"))
            self.dynamic[x] = q, s, z
        q, s, z = self.dynamic[x]
        ws = (np.abs(w).max(axis=0) / 127).astype(F32)
        i = g.op("MatMulInteger", q, g.const(np.rint(w / ws).astype(np.int8)), z, g.const(np.zeros(ws.shape, np.int8)))
        y = g.op("Mul", g.op("Cast", i, to=TensorProto.FLOAT), g.op("Mul", s, g.const(ws)))
        return g.op("Add", y, g.const(b))

    def split_heads(self, x, *perm):
        names, a = x
        shape = np.array([-1, self.seq, self.heads, self.d // self.heads], np.int64)
        y = self.each("Reshape", x, shape, a=a.reshape(self.seq, self.heads, -1)[None])
        return self.each("Transpose", y, a=y[1].transpose(perm), perm=list(perm))

    def attention(self, x):
        q, k, v = self.linear(x, self.d), self.linear(x, self.d), self.linear(x, self.d)
        q, k, v = self.split_heads(q, 0, 2, 1, 3), self.split_heads(k, 0, 2, 3, 1), self.split_heads(v, 0, 2, 1, 3)
        root = np.array(np.sqrt(self.d // self.heads), F32)
        s = self.each("MatMul", q, k, a=q[1] @ k[1])
        s = self.each("Div", s, root, a=s[1] / root)
        s = self.each("Softmax", s, a=softmax(s[1]), axis=-1)
        c = self.each("MatMul", s, v, a=s[1] @ v[1])
        c = self.each("Transpose", c, a=c[1].transpose(0, 2, 1, 3), perm=[0, 2, 1, 3])
        self.macs += 2 * self.seq * self.seq * self.d
        return {m: g.op("Reshape", c[0][m], g.const(self.rows(m, self.d))) for m, g in self.g.items()}, c[1].reshape(1, self.seq, self.d)

    def gelu(self, x):
        a = x[1]
        e = self.each("Div", x, np.array(np.sqrt(2), F32), a=None)
        e = self.each("Add", self.each("Erf", e, a=None), np.array(1, F32), a=None)
        y = self.each("Mul", self.each("Mul", x, e, a=None), np.array(0.5, F32), a=None)
        return y[0], (a * 0.5 * (1 + erf(a / np.sqrt(2)))).astype(F32)

    def norm(self, x):
        a = x[1]
        y = (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-12)
        self.params += 2 * self.d
        return self.each("LayerNormalization", x, np.ones(self.d, F32), np.zeros(self.d, F32), a=y.astype(F32), axis=-1, epsilon=1e-12)

    def residual(self, x, y):
        return self.norm(self.each("Add", x, y, a=x[1] + y[1]))

    def start(self):
        names = {"fp32": "x", "dyn": "x", "int8": self.g["int8"].op("Reshape", "x", self.g["int8"].const(self.rows("int8", self.d)))}
        return names, self.rng.standard_normal((1, self.seq, self.d), F32)

    def layer(self, x, hidden):
        x = self.residual(self.linear(self.attention(x), self.d), x)
        return self.residual(self.linear(self.gelu(self.linear(x, hidden)), self.d), x)

    def save(self, folder, name, result):
        for mode, g in self.g.items():
            g.save(folder / f"{name}.{mode}.onnx", name, self.shape, result[0][mode])
        self.layers.save(folder, name)
        np.savez(folder / f"{name}.calib.npz", x=self.rng.standard_normal((4, *self.shape), F32))


# ---- the networks ----

def classifier(n, x, classes):
    return n.softmax(n.dense(n.flatten(n.mean(x)), classes))


def resnet8(seed):
    n = Net(seed, 3, 32, 32)
    x = n.conv(n.input, 16, 3)
    for c, s in [(16, 1), (32, 2), (64, 2)]:
        y = n.conv(n.conv(x, c, 3, s), c, 3, act=None, gain=0.5)
        x = n.add(y, x if s == 1 else n.conv(x, c, 1, s, act=None, bn=False), "relu")
    return n, classifier(n, x, 10)


def ds_cnn(seed):
    n = Net(seed, 1, 49, 10)
    x = n.conv(n.input, 64, (10, 4), 2, pad=(4, 1, 5, 1))
    for _ in range(4):
        x = n.conv(n.depthwise(x), 64, 1)
    return n, classifier(n, x, 12)


def mobilenet_v1(seed, width=1.0, size=224, classes=1000):
    n = Net(seed, 3, size, size)
    x = n.conv(n.input, int(32 * width), 3, 2)
    for c, s in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + 5 * [(512, 1)] + [(1024, 2), (1024, 1)]:
        x = n.conv(n.depthwise(x, s), int(c * width), 1)
    return n, classifier(n, x, classes)


def vww(seed):
    return mobilenet_v1(seed, 0.25, 96, 2)


def autoencoder(seed):
    n = Net(seed, 640)
    x = n.input
    for c in 4 * [128] + [8] + 4 * [128]:
        x = n.dense(x, c, "relu", bn=True)
    return n, n.dense(x, 640)


def mobilenet_v2(seed):
    n = Net(seed, 3, 224, 224)
    x = n.conv(n.input, 32, 3, 2, "relu6")
    for t, c, repeat, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(repeat):
            s, c_in = stride if i == 0 else 1, x.a.shape[1]
            y = n.conv(x, c_in * t, 1, 1, "relu6") if t > 1 else x
            y = n.conv(n.depthwise(y, s, "relu6"), c, 1, act=None)
            x = n.add(y, x) if s == 1 and c_in == c else y
    return n, classifier(n, n.conv(x, 1280, 1, 1, "relu6"), 1000)


def resnet_stem(seed):
    n = Net(seed, 3, 224, 224)
    return n, n.max_pool(n.conv(n.input, 64, 7, 2), 3, 2, 1)


def resnet18(seed):
    n, x = resnet_stem(seed)
    for c, stride in [(64, 1), (128, 2), (256, 2), (512, 2)]:
        for s in (stride, 1):
            y = n.conv(n.conv(x, c, 3, s), c, 3, act=None, gain=0.5)
            x = n.add(y, x if s == 1 else n.conv(x, c, 1, s, act=None), "relu")
    return n, classifier(n, x, 1000)


def resnet50(seed):
    """v1.5: the stride is in the 3x3"""
    n, x = resnet_stem(seed)
    for c, repeat, stride in [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]:
        for i in range(repeat):
            s = stride if i == 0 else 1
            y = n.conv(n.conv(n.conv(x, c, 1), c, 3, s), 4 * c, 1, act=None, gain=0.25)
            x = n.add(y, n.conv(x, 4 * c, 1, s, act=None) if i == 0 else x, "relu")
    return n, classifier(n, x, 1000)


def vgg16(seed):
    n = Net(seed, 3, 224, 224)
    x = n.input
    for c, repeat in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(repeat):
            x = n.conv(x, c, 3, bn=False)
        x = n.max_pool(x, 2, 2)
    return n, n.softmax(n.dense(n.dense(n.dense(n.flatten(x), 4096, "relu"), 4096, "relu"), 1000))


def bert(seed):
    n = Encoder(seed, 128, 768, 12)
    x = n.start()
    for _ in range(12):
        x = n.layer(x, 3072)
    return n, x


NETWORKS = [resnet8, ds_cnn, vww, autoencoder, mobilenet_v1, mobilenet_v2, resnet18, resnet50, vgg16, bert]


def main(args):
    folder = pathlib.Path("build/bench-models")
    if args[:1] == ["-o"]:
        folder, args = pathlib.Path(args[1]), args[2:]
    known = {f.__name__: f for f in NETWORKS}
    for name in args:
        if name not in known:
            sys.exit(f"models.py: there is no network '{name}'; there are {', '.join(known)}")
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "models.json"
    facts = json.loads(index.read_text()) if index.exists() else {}
    for name in args or known:
        n, result = known[name](7)
        n.save(folder, name, result)
        facts[name] = {"macs": int(n.macs), "params": int(n.params)}
        index.write_text(json.dumps(facts, indent=1) + "\n")
        print(f"{name:14s} {n.macs / 1e6:10.3f} M multiply-accumulates {n.params / 1e6:8.3f} M parameters", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
