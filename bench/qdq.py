#!/usr/bin/python3
"""Writes the QDQ form of a convolutional ONNX network, as ONNX Runtime's quantize_static does.

    bench/qdq.py net.onnx calib.npz out.onnx [--acts=u8|s8] [--weights=s8|u8] [--per-tensor]
    bench/qdq.py net.onnx calib.npz out.onnx --samples=N --preprocess=scale,mean,std --nhwc

Batch norms are folded first; Q and DQ are around every Conv, Add, Gemm and pool; biases are
i32 of scale s_x * s_w. calib.npz has `x` (samples first). Ops: Conv, BatchNormalization, Relu,
Add, AveragePool, GlobalAveragePool, MaxPool, Flatten, Reshape, Gemm, Softmax, Identity. Needs
python3-onnx and python3-numpy.
"""
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper


def option(name, default):
    found = [a.split("=", 1)[1] for a in sys.argv if a.startswith(f"--{name}=")]
    return found[-1] if found else default


def attributes(node):
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def windows(x, kernel, stride, pads, value):
    """[n, c, oh, ow, kh, kw]"""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=value)
    w = np.lib.stride_tricks.sliding_window_view(x, tuple(kernel), axis=(2, 3))
    return w[:, :, :: stride[0], :: stride[1]]


def padding(node, x, kernel, stride):
    a = attributes(node)
    mode = a.get("auto_pad", b"NOTSET")
    if mode in (b"NOTSET", b"VALID"):
        return list(a.get("pads", [0] * 4))
    total = [
        max(0, (-(-x.shape[2 + i] // stride[i]) - 1) * stride[i] + kernel[i] - x.shape[2 + i])
        for i in range(2)
    ]
    small = [t // 2 for t in total]
    large = [t - s for t, s in zip(total, small)]
    return small + large if mode == b"SAME_UPPER" else large + small


def conv(node, x, w, b):
    a = attributes(node)
    stride, groups = a.get("strides", [1, 1]), a.get("group", 1)
    p = windows(x, w.shape[2:], stride, padding(node, x, w.shape[2:], stride), 0)
    n, c, oh, ow, kh, kw = p.shape
    p = p.reshape(n, groups, c // groups, oh, ow, kh, kw)
    w = w.reshape(groups, -1, *w.shape[1:])
    y = np.einsum("ngchwij,gocij->ngohw", p, w, optimize=True).reshape(n, -1, oh, ow)
    return y if b is None else y + b[None, :, None, None]


def pool(node, x, mean):
    a = attributes(node)
    kernel, stride = a["kernel_shape"], a.get("strides", [1, 1])
    p = windows(x, kernel, stride, padding(node, x, kernel, stride), 0 if mean else -np.inf)
    return p.mean((4, 5)) if mean else p.max((4, 5))


def evaluate(node, x):
    op, a = node.op_type, attributes(node)
    if op == "Conv":
        return conv(node, x[0], x[1], x[2] if len(x) > 2 else None)
    if op == "Gemm":
        return x[0] @ (x[1].T if a.get("transB", 0) else x[1]) + (x[2] if len(x) > 2 else 0)
    if op == "Softmax":
        e = np.exp(x[0] - x[0].max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
    if op in ("AveragePool", "MaxPool"):
        return pool(node, x[0], op == "AveragePool")
    simple = {
        "Relu": lambda: np.maximum(x[0], 0),
        "Add": lambda: x[0] + x[1],
        "Identity": lambda: x[0],
        "GlobalAveragePool": lambda: x[0].mean((2, 3), keepdims=True),
        "Flatten": lambda: x[0].reshape(len(x[0]), -1),
        "Reshape": lambda: x[0].reshape(len(x[0]), -1),
    }
    return simple[op]()


def fold_batch_norms(graph, weights):
    """Into the Conv before: same reals."""
    made = {o: n for n in graph.node for o in n.output}
    for bn in [n for n in graph.node if n.op_type == "BatchNormalization"]:
        c = made[bn.input[0]]
        g, b, m, v = (weights[i].astype("f8") for i in bn.input[1:5])
        k = g / np.sqrt(v + attributes(bn).get("epsilon", 1e-5))
        w = c.input[1]
        bias = weights[c.input[2]] if len(c.input) > 2 else np.zeros(len(k))
        weights[w] = (weights[w] * k[:, None, None, None]).astype("f4")
        name = c.input[2] if len(c.input) > 2 else w + "_bias"
        weights[name] = ((bias - m) * k + b).astype("f4")
        if len(c.input) < 3:
            c.input.append(name)
        c.output[0] = bn.output[0]
        graph.node.remove(bn)


def fuse_relus(graph):
    """The range of a quantized result does what Relu does: Conv and Add take its name."""
    made = {o: n for n in graph.node for o in n.output}
    for r in [n for n in graph.node if n.op_type == "Relu"]:
        if r.input[0] in made and sum(r.input[0] in n.input for n in graph.node) == 1:
            made[r.input[0]].output[0] = r.output[0]
            graph.node.remove(r)


def parameters(lo, hi, dtype):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    q = np.iinfo(dtype)
    scale = np.float32((hi - lo) / (int(q.max) - int(q.min)) or 1.0)
    return scale, dtype(np.clip(np.rint(q.min - lo / scale), q.min, q.max))


class Writer:
    def __init__(self, acts, weight_type, per_channel):
        self.nodes, self.init = [], []
        self.acts, self.weight_type, self.per_channel = acts, weight_type, per_channel
        self.real = {}  # name -> its dequantized name

    def constant(self, name, value):
        self.init.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def activation(self, name, lo, hi):
        scale, zero = parameters(lo, hi, self.acts)
        p = [self.constant(name + "_scale", scale), self.constant(name + "_zero", zero)]
        self.nodes.append(
            helper.make_node("QuantizeLinear", [name, *p], [name + "_q"], name + "_QuantizeLinear")
        )
        self.nodes.append(
            helper.make_node(
                "DequantizeLinear", [name + "_q", *p], [name + "_dq"], name + "_DequantizeLinear"
            )
        )
        self.real[name] = (name + "_dq", scale)

    def dequantize(self, name, q, scale, zero, axis):
        p = [
            self.constant(name + "_q", q),
            self.constant(name + "_scale", scale),
            self.constant(name + "_zero", zero),
        ]
        self.nodes.append(
            helper.make_node(
                "DequantizeLinear",
                p,
                [name + "_dq"],
                name + "_DequantizeLinear",
                **({} if axis is None else {"axis": axis}),
            )
        )
        return name + "_dq"

    def weight(self, name, w, axis):
        """Returns the dequantized name and its scales."""
        if self.weight_type == np.uint8:
            scale, zero = parameters(float(w.min()), float(w.max()), np.uint8)
            q = np.clip(np.rint(w / scale) + zero, 0, 255).astype(np.uint8)
            return self.dequantize(name, q, scale, zero, None), scale
        other = tuple(i for i in range(w.ndim) if i != axis)
        most = np.abs(w).max(other) if self.per_channel else np.abs(w).max()
        scale = np.where(most > 1e-12, most / 127, 1).astype("f4")
        shape = [-1 if i == axis else 1 for i in range(w.ndim)]
        q = np.clip(
            np.rint(w / (scale.reshape(shape) if self.per_channel else scale)), -127, 127
        ).astype(np.int8)
        zero = np.zeros(scale.shape, np.int8)
        return self.dequantize(name, q, scale, zero, axis if self.per_channel else None), scale

    def bias(self, name, b, scale):
        q = np.rint(b / scale).astype(np.int32)
        return self.dequantize(
            name, q, scale, np.zeros(np.shape(scale), np.int32), 0 if np.ndim(scale) else None
        )


def main():
    words = [a for a in sys.argv[1:] if not a.startswith("--")]
    if len(words) != 3:
        sys.exit(__doc__)
    model = onnx.load(words[0])
    graph = model.graph
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in weights]
    for n in [n for n in graph.node if n.op_type == "Identity" and n.input[0] in weights]:
        weights[n.output[0]] = weights[n.input[0]]
        graph.node.remove(n)
    fold_batch_norms(graph, weights)
    fuse_relus(graph)
    x = np.load(words[1])["x"][: int(option("samples", 100))].astype("f4")
    if "--nhwc" in sys.argv:
        x = x.transpose(0, 3, 1, 2)
    if option("preprocess", ""):
        scale, mean, std = (float(v) for v in option("preprocess", "").split(","))
        x = (x * scale - mean) / std
    values, relu = {inputs[0].name: x}, {
        o for n in onnx.load(words[0]).graph.node if n.op_type == "Relu" for o in n.output
    }
    w = Writer(
        np.int8 if option("acts", "u8") == "s8" else np.uint8,
        np.uint8 if option("weights", "s8") == "u8" else np.int8,
        "--per-tensor" not in sys.argv,
    )
    w.activation(inputs[0].name, float(x.min()), float(x.max()))
    for n in graph.node:
        y = evaluate(n, [values[i] if i in values else weights[i] for i in n.input])
        y = np.maximum(y, 0) if n.output[0] in relu else y
        values[n.output[0]] = y
        names = [w.real[i][0] if i in w.real else i for i in n.input]
        if n.op_type in ("Conv", "Gemm"):
            names[1], s = w.weight(
                n.input[1],
                weights[n.input[1]],
                1 if n.op_type == "Gemm" and not attributes(n).get("transB", 0) else 0,
            )
            if len(names) > 2:
                names[2] = w.bias(n.input[2], weights[n.input[2]], w.real[n.input[0]][1] * s)
        else:
            for i in n.input:
                if i in weights:
                    w.constant(i, weights[i])
        w.nodes.append(
            helper.make_node(n.op_type, names, n.output, n.name or n.output[0], **attributes(n))
        )
        if n.op_type not in ("Softmax", "Identity"):
            w.activation(n.output[0], float(y.min()), float(y.max()))
    g = helper.make_graph(w.nodes, "qdq", inputs, graph.output, w.init)
    out = helper.make_model(g, opset_imports=[helper.make_opsetid("", 13)])
    out.ir_version = 8
    onnx.checker.check_model(out)
    onnx.save(out, words[2])


main()
