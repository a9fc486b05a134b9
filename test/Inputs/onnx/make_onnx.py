#!/usr/bin/env python3
"""Writes the small ONNX models that the import tests read, with an input and the expected output of each.

    make_onnx.py              rewrites every file beside this script
    make_onnx.py conv gemm    only the cases whose name starts with one of these words

A case NAME is two files: NAME.onnx, and NAME.npz with arrays in0, in1, ... (the graph's inputs, in order) and
out0, ... (its outputs). bad_*.onnx are models that an importer has to refuse; they have no .npz.

Expected outputs come from torch or from the few lines of numpy here, never from the project. The random numbers of a
case depend on its name alone, so adding a case changes no other file. Needs numpy, onnx >= 1.12 and torch.
"""
import pathlib
import sys
import zlib

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
ONLY = sys.argv[1:]
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Random:
    """Random arrays of one case."""

    def __init__(self, name):
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))

    def __call__(self, *shape):
        return self.rng.normal(size=shape).astype(np.float32)

    def positive(self, *shape):
        return self.rng.uniform(0.25, 2.0, size=shape).astype(np.float32)

    def integers(self, low, high, shape, dtype):
        return self.rng.integers(low, high, size=shape).astype(dtype)


def i64(*values):
    return np.array(values, dtype=np.int64)


def f32(value):
    return np.array(value, dtype=np.float32)


def node(op, inputs, outputs="y", name="", **attributes):
    """Operands are words in one string; '-' stands for an operand that is left out."""
    words = ["" if w == "-" else w for w in inputs.split()]
    return helper.make_node(op, words, outputs.split(), name=name or f"{op}_{outputs.split()[0]}",
                            **attributes)


def value_info(name, array, dims=None):
    return helper.make_tensor_value_info(name, numpy_helper.from_array(array).data_type,
                                         list(array.shape) if dims is None else dims)


def model_of(name, nodes, inputs, outputs, constants, opset, ir, dims=None, extra_inputs=()):
    dims = dims or {}
    graph = helper.make_graph(
        nodes, name,
        [value_info(k, v, dims.get(k)) for k, v in {**inputs, **dict(extra_inputs)}.items()],
        [value_info(k, v, dims.get(k)) for k, v in outputs.items()],
        [v if isinstance(v, TensorProto) else numpy_helper.from_array(v, k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="make_onnx")
    model.ir_version = ir
    return model


def wanted(name):
    return not ONLY or any(name.startswith(word) for word in ONLY)


def case(name, nodes, inputs, outputs, constants=None, opset=13, ir=8, dims=None, extra_inputs=()):
    """Writes one case. inputs and outputs map value names to arrays, in the order of the graph."""
    if not wanted(name):
        return
    outputs = {k: np.asarray(v.numpy() if isinstance(v, torch.Tensor) else v, order="C") for k, v in outputs.items()}
    nodes = nodes if isinstance(nodes, list) else [nodes]
    model = model_of(name, nodes, inputs, outputs, constants or {}, opset, ir, dims, extra_inputs)
    if opset <= onnx.defs.onnx_opset_version():
        onnx.checker.check_model(model)
        if not dims:
            onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())
    arrays = {f"in{i}": v for i, v in enumerate(inputs.values())}
    arrays.update({f"out{i}": v for i, v in enumerate(outputs.values())})
    np.savez_compressed(HERE / f"{name}.npz", **arrays)


def bad(name, data):
    if wanted(name):
        (HERE / f"{name}.onnx").write_bytes(data if isinstance(data, bytes) else data.SerializeToString())


def t(array):
    return torch.from_numpy(np.ascontiguousarray(array))


# ---- convolutions ---------------------------------------------------------------------------------------------------

def conv(x, w, b, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1):
    top, left, bottom, right = pads
    x = F.pad(t(x), (left, right, top, bottom))
    return F.conv2d(x, t(w), None if b is None else t(b), tuple(strides), 0, tuple(dilations), group)


def convolutions():
    rows = [  # name, x, w, bias, attributes, what the attributes mean to conv() where that differs
        ("conv_bias", (1, 3, 8, 8), (4, 3, 3, 3), True, dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1]), {}),
        ("conv_nobias", (1, 3, 8, 8), (4, 3, 3, 3), False, dict(kernel_shape=[3, 3]), {}),
        ("conv_no_attributes", (1, 3, 6, 6), (4, 3, 3, 3), True, {}, {}),
        ("conv_1x1", (1, 6, 5, 5), (4, 6, 1, 1), True, dict(kernel_shape=[1, 1]), {}),
        ("conv_batch2", (2, 3, 6, 6), (4, 3, 3, 3), True, dict(pads=[1, 1, 1, 1]), {}),
        ("conv_strides", (1, 3, 9, 8), (4, 3, 3, 3), True, dict(strides=[2, 1], pads=[1, 1, 1, 1]), {}),
        ("conv_pads_asymmetric", (1, 3, 7, 8), (4, 3, 3, 3), True, dict(pads=[0, 1, 2, 3]), {}),
        ("conv_kernel_1x5", (1, 3, 7, 8), (4, 3, 1, 5), True, dict(kernel_shape=[1, 5], pads=[0, 2, 0, 2]), {}),
        ("conv_dilations", (1, 3, 9, 9), (4, 3, 3, 3), True, dict(dilations=[2, 3], pads=[2, 3, 2, 3]), {}),
        ("conv_groups", (1, 4, 6, 6), (6, 2, 3, 3), True, dict(group=2, pads=[1, 1, 1, 1]), {}),
        ("conv_depthwise", (1, 6, 7, 7), (6, 1, 3, 3), True, dict(group=6, strides=[2, 2], pads=[1, 1, 1, 1]), {}),
        ("conv_depthwise_mult2", (1, 3, 6, 6), (6, 1, 3, 3), False, dict(group=3, pads=[1, 1, 1, 1]), {}),
        ("conv_same_upper", (1, 3, 8, 7), (4, 3, 3, 3), True, dict(auto_pad="SAME_UPPER", strides=[2, 2]),
         dict(pads=[0, 1, 1, 1])),
        ("conv_same_lower", (1, 3, 8, 7), (4, 3, 3, 3), True, dict(auto_pad="SAME_LOWER", strides=[2, 2]),
         dict(pads=[1, 1, 0, 1])),
        ("conv_same_upper_even", (1, 3, 6, 6), (4, 3, 2, 4), True, dict(auto_pad="SAME_UPPER"),
         dict(pads=[0, 1, 1, 2])),
        ("conv_auto_valid", (1, 3, 8, 8), (4, 3, 3, 3), True, dict(auto_pad="VALID", strides=[2, 2]), {}),
    ]
    for name, xs, ws, bias, attributes, meaning in rows:
        r = Random(name)
        x, w, b = r(*xs), r(*ws), r(ws[0]) if bias else None
        plain = {k: v for k, v in {**attributes, **meaning}.items() if k not in ("auto_pad", "kernel_shape")}
        case(name, node("Conv", "x w b" if bias else "x w", **attributes), {"x": x}, {"y": conv(x, w, b, **plain)},
             {"w": w, "b": b} if bias else {"w": w})

    r = Random("conv_1d")
    x, w, b = r(1, 3, 12), r(4, 3, 5), r(4)
    case("conv_1d", node("Conv", "x w b", pads=[2, 2], strides=[2]), {"x": x},
         {"y": F.conv1d(t(x), t(w), t(b), 2, 2)}, {"w": w, "b": b})

    rows = [  # name, x, w [in, out / group, rows, columns], attributes, arguments of conv_transpose2d
        ("convtranspose_stride2", (1, 4, 5, 5), (4, 3, 2, 2), dict(strides=[2, 2]), dict(stride=2)),
        ("convtranspose_pads", (1, 4, 5, 6), (4, 3, 3, 3), dict(strides=[2, 2], pads=[1, 1, 1, 1]),
         dict(stride=2, padding=1)),
        ("convtranspose_output_padding", (1, 4, 5, 5), (4, 3, 3, 3),
         dict(strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]), dict(stride=2, padding=1, output_padding=1)),
        ("convtranspose_groups", (1, 4, 5, 5), (4, 3, 3, 3), dict(group=2), dict(groups=2)),
        ("convtranspose_dilations", (1, 4, 5, 5), (4, 3, 3, 3), dict(dilations=[2, 2]), dict(dilation=2)),
    ]
    for name, xs, ws, attributes, arguments in rows:
        r = Random(name)
        groups = arguments.get("groups", 1)
        x, w, b = r(*xs), r(*ws), r(ws[1] * groups)
        case(name, node("ConvTranspose", "x w b", **attributes), {"x": x},
             {"y": F.conv_transpose2d(t(x), t(w), t(b), **arguments)}, {"w": w, "b": b})
    r = Random("convtranspose_nobias")
    x, w = r(1, 4, 4, 4), r(4, 3, 3, 3)
    case("convtranspose_nobias", node("ConvTranspose", "x w"), {"x": x}, {"y": F.conv_transpose2d(t(x), t(w))},
         {"w": w})


# ---- matrix products ------------------------------------------------------------------------------------------------

def matrix_products():
    rows = [  # name, shape of a, of b, of c or None, attributes
        ("gemm_plain", (2, 5), (5, 4), (4,), {}),
        ("gemm_transb", (2, 5), (4, 5), (4,), dict(transB=1)),
        ("gemm_transa", (5, 2), (5, 4), (4,), dict(transA=1)),
        ("gemm_transa_transb", (5, 2), (4, 5), (4,), dict(transA=1, transB=1)),
        ("gemm_alpha_beta", (2, 5), (5, 4), (4,), dict(alpha=0.5, beta=0.25)),
        ("gemm_noc", (2, 5), (4, 5), None, dict(transB=1)),
        ("gemm_c_matrix", (2, 5), (5, 4), (2, 4), dict(beta=2.0)),
        ("gemm_c_column", (2, 5), (5, 4), (2, 1), {}),
        ("gemm_c_scalar", (2, 5), (5, 4), (), {}),
    ]
    for name, sa, sb, sc, attributes in rows:
        r = Random(name)
        a, b, c = r(*sa), r(*sb), None if sc is None else f32(r(*sc))
        left, right = (a.T if attributes.get("transA") else a), (b.T if attributes.get("transB") else b)
        y = f32(attributes.get("alpha", 1.0)) * (left @ right)
        if c is not None:
            y = y + f32(attributes.get("beta", 1.0)) * c
        case(name, node("Gemm", "x w" if c is None else "x w c", **attributes), {"x": a}, {"y": y},
             {"w": b} if c is None else {"w": b, "c": c})

    rows = [  # name, shape of a, of b, is b a constant
        ("matmul_2d", (3, 5), (5, 4), True),
        ("matmul_2d_dynamic", (3, 5), (5, 4), False),
        ("matmul_3d_weight", (2, 3, 5), (5, 4), True),
        ("matmul_batched", (2, 3, 4), (2, 4, 5), False),
        ("matmul_broadcast", (2, 1, 3, 4), (5, 4, 2), False),
        ("matmul_vector_left", (5,), (5, 4), True),
        ("matmul_vector_right", (3, 5), (5,), True),
    ]
    for name, sa, sb, constant in rows:
        r = Random(name)
        a, b = r(*sa), r(*sb)
        case(name, node("MatMul", "x w"), {"x": a} if constant else {"x": a, "w": b}, {"y": np.matmul(a, b)},
             {"w": b} if constant else {})


# ---- normalization --------------------------------------------------------------------------------------------------

def normalization():
    rows = [  # name, shape, opset, attributes
        ("batchnorm", (1, 4, 5, 5), 9, dict(epsilon=1e-3)),
        ("batchnorm_default_epsilon", (1, 4, 5, 5), 9, {}),
        ("batchnorm_opset15", (2, 4, 3, 3), 15, dict(epsilon=1e-4, momentum=0.8)),
        ("batchnorm_2d", (3, 4), 9, {}),
    ]
    for name, shape, opset, attributes in rows:
        r = Random(name)
        x, c = r(*shape), shape[1]
        p = {"scale": r(c), "bias": r(c), "mean": r(c), "var": r.positive(c)}
        y = F.batch_norm(t(x), t(p["mean"]), t(p["var"]), t(p["scale"]), t(p["bias"]), False, 0.0,
                         attributes.get("epsilon", 1e-5))
        case(name, node("BatchNormalization", "x scale bias mean var", **attributes), {"x": x}, {"y": y}, p,
             opset=opset)

    rows = [  # name, shape, bias, attributes
        ("layernorm", (2, 3, 8), True, {}),
        ("layernorm_nobias", (2, 3, 8), False, dict(epsilon=1e-3)),
        ("layernorm_axis1", (2, 3, 4), True, dict(axis=1)),
    ]
    for name, shape, bias, attributes in rows:
        r = Random(name)
        over = shape[attributes.get("axis", -1):]
        x, scale, b = r(*shape), r(*over), r(*over) if bias else None
        y = F.layer_norm(t(x), over, t(scale), t(b) if bias else None, attributes.get("epsilon", 1e-5))
        case(name, node("LayerNormalization", "x scale b" if bias else "x scale", **attributes), {"x": x}, {"y": y},
             {"scale": scale, "b": b} if bias else {"scale": scale}, opset=17)

    # The form that older exporters write: mean, difference, square, mean, sqrt, division.
    r = Random("layernorm_pattern")
    x, scale, b = r(2, 3, 8), r(8), r(8)
    case("layernorm_pattern",
         [node("ReduceMean", "x", "m", axes=[-1]), node("Sub", "x m", "d"), node("Pow", "d two", "q"),
          node("ReduceMean", "q", "v", axes=[-1]), node("Add", "v eps", "ve"), node("Sqrt", "ve", "s"),
          node("Div", "d s", "n"), node("Mul", "n scale", "ns"), node("Add", "ns b")],
         {"x": x}, {"y": F.layer_norm(t(x), (8,), t(scale), t(b), 1e-5)},
         {"two": f32(2), "eps": f32(1e-5), "scale": scale, "b": b})


# ---- pooling and reductions -----------------------------------------------------------------------------------------

def pool(x, kernel, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), ceil_mode=0, average=False,
         count_include_pad=0):
    n, c, h, w = x.shape
    top, left, bottom, right = pads
    sizes = []
    for size, k, s, d, pad in zip((h, w), kernel, strides, dilations, (top + bottom, left + right)):
        steps = (size + pad - (k - 1) * d - 1) / s
        sizes.append(int(np.ceil(steps) if ceil_mode else np.floor(steps)) + 1)
    y = np.empty((n, c, *sizes), dtype=np.float32)
    for i in range(sizes[0]):
        for j in range(sizes[1]):
            rows = [r for r in (i * strides[0] - top + a * dilations[0] for a in range(kernel[0])) if 0 <= r < h]
            cols = [q for q in (j * strides[1] - left + a * dilations[1] for a in range(kernel[1])) if 0 <= q < w]
            window = x[:, :, rows][:, :, :, cols]
            if average:
                count = kernel[0] * kernel[1] if count_include_pad else len(rows) * len(cols)
                y[:, :, i, j] = window.sum((2, 3)) / np.float32(count)
            else:
                y[:, :, i, j] = window.max((2, 3))
    return y


def pooling():
    rows = [  # name, shape, attributes, what the attributes mean to pool() where that differs
        ("maxpool", (1, 3, 8, 8), dict(kernel_shape=[2, 2], strides=[2, 2]), {}),
        ("maxpool_pads", (1, 3, 7, 7), dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), {}),
        ("maxpool_default_strides", (1, 3, 6, 6), dict(kernel_shape=[3, 2]), {}),
        ("maxpool_ceil", (1, 3, 8, 7), dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), {}),
        ("maxpool_dilations", (1, 3, 8, 8), dict(kernel_shape=[2, 2], dilations=[2, 2]), {}),
        ("maxpool_same_upper", (1, 3, 7, 8), dict(kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
         dict(pads=[1, 0, 1, 1])),
        ("averagepool", (1, 3, 8, 8), dict(kernel_shape=[2, 2], strides=[2, 2]), {}),
        ("averagepool_exclude_pad", (1, 3, 7, 7), dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), {}),
        ("averagepool_include_pad", (1, 3, 7, 7),
         dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1), {}),
        ("averagepool_ceil", (1, 3, 8, 7), dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), {}),
        ("averagepool_same_lower", (1, 3, 8, 8), dict(kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
         dict(pads=[1, 1, 0, 0])),
    ]
    for name, shape, attributes, meaning in rows:
        x = Random(name)(*shape)
        plain = {**attributes, **meaning}
        plain.pop("auto_pad", None)
        average = name.startswith("average")
        y = pool(x, plain.pop("kernel_shape"), average=average, **plain)
        case(name, node("AveragePool" if average else "MaxPool", "x", **attributes), {"x": x}, {"y": y})

    for name, op, reduce in [("globalaveragepool", "GlobalAveragePool", np.mean),
                             ("globalmaxpool", "GlobalMaxPool", np.max)]:
        x = Random(name)(1, 4, 5, 6)
        case(name, node(op, "x"), {"x": x}, {"y": reduce(x, axis=(2, 3), keepdims=True)})


def reductions():
    functions = {"ReduceMean": np.mean, "ReduceSum": np.sum, "ReduceMax": np.max, "ReduceMin": np.min}
    rows = [  # name, op, opset, axes, are the axes an input, other attributes
        ("reducemean_attr", "ReduceMean", 13, [2, 3], False, {}),
        ("reducemean_attr_nokeep", "ReduceMean", 13, [2, 3], False, dict(keepdims=0)),
        ("reducemean_negative_axis", "ReduceMean", 13, [-1], False, dict(keepdims=1)),
        ("reducemean_all", "ReduceMean", 13, None, False, dict(keepdims=0)),
        ("reducemean_input", "ReduceMean", 18, [1, 3], True, dict(keepdims=0)),
        ("reducesum_attr", "ReduceSum", 11, [1], False, dict(keepdims=0)),
        ("reducesum_input", "ReduceSum", 13, [1, 2], True, dict(keepdims=1)),
        ("reducesum_noop", "ReduceSum", 13, [], True, dict(noop_with_empty_axes=1)),
        ("reducemax_attr", "ReduceMax", 13, [1], False, dict(keepdims=1)),
        ("reducemax_input", "ReduceMax", 18, [-1, -2], True, dict(keepdims=0)),
        ("reducemin_attr", "ReduceMin", 13, [3], False, dict(keepdims=0)),
    ]
    for name, op, opset, axes, as_input, attributes in rows:
        x = Random(name)(2, 3, 4, 5)
        keep = bool(attributes.get("keepdims", 1))
        y = functions[op](x, axis=tuple(axes) if axes is not None else None, keepdims=keep) if axes != [] else x
        if as_input:
            case(name, node(op, "x axes", **attributes), {"x": x}, {"y": y}, {"axes": i64(*axes)}, opset=opset)
        else:
            extra = {} if axes is None else dict(axes=axes)
            case(name, node(op, "x", **extra, **attributes), {"x": x}, {"y": f32(y)}, opset=opset)
    for name, axis, keep in [("argmax", 1, 1), ("argmax_nokeep", -1, 0)]:
        x = Random(name)(2, 5, 4)
        y = np.argmax(x, axis=axis)
        case(name, node("ArgMax", "x", axis=axis, keepdims=keep), {"x": x},
             {"y": np.expand_dims(y, axis) if keep else y})


# ---- elementwise ----------------------------------------------------------------------------------------------------

def elementwise():
    functions = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Min": np.minimum,
                 "Max": np.maximum}
    rows = [("same", (1, 3, 4, 4), (1, 3, 4, 4), False), ("scalar", (1, 3, 4, 4), (), True),
            ("channel", (1, 3, 4, 4), (1, 3, 1, 1), True), ("lower_rank", (1, 3, 4, 5), (5,), True)]
    for op, function in functions.items():
        for suffix, sa, sb, constant in rows if op in ("Add", "Mul") else rows[:3:2]:
            name = f"{op.lower()}_{suffix}"
            r = Random(name)
            a, b = r(*sa), f32(r.positive(*sb))
            case(name, node(op, "x b"), {"x": a} if constant else {"x": a, "b": b}, {"y": function(a, b)},
                 {"b": b} if constant else {})
    for op in ("Sub", "Div"):
        name = f"{op.lower()}_constant_first"
        r = Random(name)
        b = r.positive(1, 3, 4)
        case(name, node(op, "a x"), {"x": b}, {"y": functions[op](f32(1.5), b)}, {"a": f32(1.5)})
    r = Random("add_both_broadcast")
    a, b = r(3, 1, 4), r(2, 1)
    case("add_both_broadcast", node("Add", "x b"), {"x": a, "b": b}, {"y": a + b})
    r = Random("add_twice_same_operand")
    a = r(1, 3, 4, 4)
    case("add_twice_same_operand", node("Add", "x x"), {"x": a}, {"y": a + a})
    for op in ("Max", "Min"):
        name = f"{op.lower()}_three"
        r = Random(name)
        a, b, c = r(2, 3, 4), r(2, 3, 4), r(3, 1)
        case(name, node(op, "x b c"), {"x": a, "b": b, "c": c}, {"y": functions[op](functions[op](a, b), c)})

    for name, exponent in [("pow_square", 2.0), ("pow_half", 0.5), ("pow_cube", 3.0)]:
        x = Random(name).positive(1, 3, 4, 4)
        case(name, node("Pow", "x e"), {"x": x}, {"y": np.power(x, f32(exponent))}, {"e": f32(exponent)})

    rows = [  # name, op, opset, attributes, function
        ("neg", "Neg", 13, {}, torch.neg),
        ("abs", "Abs", 13, {}, torch.abs),
        ("exp", "Exp", 13, {}, torch.exp),
        ("log", "Log", 13, {}, torch.log),
        ("sqrt", "Sqrt", 13, {}, torch.sqrt),
        ("erf", "Erf", 13, {}, torch.erf),
        ("relu", "Relu", 13, {}, torch.relu),
        ("leakyrelu", "LeakyRelu", 13, dict(alpha=0.2), lambda x: F.leaky_relu(x, 0.2)),
        ("leakyrelu_default", "LeakyRelu", 13, {}, lambda x: F.leaky_relu(x, 0.01)),
        ("elu", "Elu", 13, dict(alpha=0.7), lambda x: F.elu(x, 0.7)),
        ("elu_default", "Elu", 13, {}, F.elu),
        ("sigmoid", "Sigmoid", 13, {}, torch.sigmoid),
        ("tanh", "Tanh", 13, {}, torch.tanh),
        ("hardsigmoid", "HardSigmoid", 13, {}, lambda x: torch.clamp(0.2 * x + 0.5, 0, 1)),
        ("hardsigmoid_sixth", "HardSigmoid", 13, dict(alpha=1 / 6, beta=0.5), F.hardsigmoid),
        ("hardswish", "HardSwish", 14, {}, F.hardswish),
        ("gelu", "Gelu", 20, {}, F.gelu),
        ("gelu_tanh", "Gelu", 20, dict(approximate="tanh"), lambda x: F.gelu(x, approximate="tanh")),
    ]
    for name, op, opset, attributes, function in rows:
        r = Random(name)
        x = r.positive(1, 3, 4, 6) if name in ("log", "sqrt") else 2 * r(1, 3, 4, 6)
        case(name, node(op, "x", **attributes), {"x": x}, {"y": function(t(x))}, opset=opset,
             ir=9 if opset >= 19 else 8)

    x = 3 * Random("clip")(1, 3, 4, 4)
    case("clip_attr", node("Clip", "x", min=0.0, max=6.0), {"x": x}, {"y": x.clip(0, 6)}, opset=10)
    case("clip_input", node("Clip", "x lo hi"), {"x": x}, {"y": x.clip(-1, 1)}, {"lo": f32(-1), "hi": f32(1)})
    case("clip_min_only", node("Clip", "x lo"), {"x": x}, {"y": x.clip(-0.5, None)}, {"lo": f32(-0.5)})
    case("clip_max_only", node("Clip", "x - hi"), {"x": x}, {"y": x.clip(None, 0.5)}, {"hi": f32(0.5)})
    case("clip_constant_nodes", [node("Constant", "", "lo", value=numpy_helper.from_array(f32(0))),
                                 node("Constant", "", "hi", value_float=6.0), node("Clip", "x lo hi")],
         {"x": x}, {"y": x.clip(0, 6)})

    x = 2 * Random("patterns")(1, 3, 4, 6)
    case("gelu_erf_pattern", [node("Div", "x root2", "d"), node("Erf", "d", "e"), node("Add", "e one", "a"),
                              node("Mul", "x a", "m"), node("Mul", "m half")],
         {"x": x}, {"y": F.gelu(t(x))}, {"root2": f32(np.sqrt(2)), "one": f32(1), "half": f32(0.5)})
    case("hardswish_pattern", [node("Add", "x three", "a"), node("Clip", "a zero six", "c"), node("Mul", "x c", "m"),
                               node("Div", "m six")],
         {"x": x}, {"y": F.hardswish(t(x))}, {"three": f32(3), "zero": f32(0), "six": f32(6)})
    case("silu_pattern", [node("Sigmoid", "x", "s"), node("Mul", "x s")], {"x": x}, {"y": F.silu(t(x))})


def softmaxes():
    x = Random("softmax")(2, 3, 4)
    flat = torch.softmax(t(x).reshape(2, 12), 1).reshape(2, 3, 4)
    case("softmax_opset11_default", node("Softmax", "x"), {"x": x}, {"y": flat}, opset=11)
    case("softmax_opset11_axis2", node("Softmax", "x", axis=2), {"x": x}, {"y": torch.softmax(t(x), 2)}, opset=11)
    case("softmax_opset13_default", node("Softmax", "x"), {"x": x}, {"y": torch.softmax(t(x), -1)})
    case("softmax_opset13_axis1", node("Softmax", "x", axis=1), {"x": x}, {"y": torch.softmax(t(x), 1)})


# ---- shapes and movement --------------------------------------------------------------------------------------------

def movement():
    r = Random("concat")
    a, b, c, d = r(1, 2, 4, 4), r(1, 3, 4, 4), r(1, 1, 4, 4), r(1, 2, 3, 4)
    case("concat_channels", node("Concat", "a b c", axis=1), {"a": a, "b": b, "c": c},
         {"y": np.concatenate([a, b, c], 1)})
    case("concat_constant", node("Concat", "a b", axis=-3), {"a": a}, {"y": np.concatenate([a, b], 1)}, {"b": b})
    case("concat_rows", node("Concat", "a d", axis=2), {"a": a, "d": d}, {"y": np.concatenate([a, d], 2)})

    x = Random("split")(1, 6, 3, 4)
    case("split_attr", node("Split", "x", "y z", axis=1, split=[2, 4]), {"x": x}, {"y": x[:, :2], "z": x[:, 2:]},
         opset=11)
    case("split_input", node("Split", "x s", "y z", axis=1), {"x": x}, {"y": x[:, :5], "z": x[:, 5:]},
         {"s": i64(5, 1)})
    case("split_equal", node("Split", "x", "y z w", axis=1), {"x": x},
         {"y": x[:, :2], "z": x[:, 2:4], "w": x[:, 4:]})
    case("split_num_outputs", node("Split", "x", "y z", axis=3, num_outputs=2), {"x": x},
         {"y": x[..., :2], "z": x[..., 2:]}, opset=18)

    x = Random("slice")(1, 4, 7, 8)
    case("slice_attr", node("Slice", "x", axes=[2, 3], starts=[1, -6], ends=[6, 9223372036854775807]), {"x": x},
         {"y": x[:, :, 1:6, 2:]}, opset=9)
    case("slice_input", node("Slice", "x s e a"), {"x": x}, {"y": x[:, 1:3]},
         {"s": i64(1), "e": i64(3), "a": i64(1)})
    case("slice_steps", node("Slice", "x s e a k"), {"x": x}, {"y": x[:, :, ::2, 1::3]},
         {"s": i64(0, 1), "e": i64(2**63 - 1, 2**31 - 1), "a": i64(2, -1), "k": i64(2, 3)})
    case("slice_reverse", node("Slice", "x s e a k"), {"x": x}, {"y": x[:, :, :, ::-1]},
         {"s": i64(-1), "e": i64(-2**63), "a": i64(3), "k": i64(-1)})
    case("slice_no_axes", node("Slice", "x s e"), {"x": x}, {"y": x[0:1, 1:-1]}, {"s": i64(0, 1), "e": i64(1, -1)})

    x = Random("pad")(1, 2, 4, 5)
    spatial = i64(0, 0, 1, 2, 0, 0, 3, 0)
    width = [(0, 0), (0, 0), (1, 3), (2, 0)]
    case("pad_attr", node("Pad", "x", pads=spatial.tolist(), value=1.5), {"x": x},
         {"y": np.pad(x, width, constant_values=1.5)}, opset=10)
    case("pad_input", node("Pad", "x p v"), {"x": x}, {"y": np.pad(x, width, constant_values=-2)},
         {"p": spatial, "v": f32(-2)})
    case("pad_default_value", node("Pad", "x p"), {"x": x}, {"y": np.pad(x, width)}, {"p": spatial})
    case("pad_channels", node("Pad", "x p"), {"x": x}, {"y": np.pad(x, [(0, 0), (1, 2), (0, 0), (0, 0)])},
         {"p": i64(0, 1, 0, 0, 0, 2, 0, 0)})
    case("pad_reflect", node("Pad", "x p", mode="reflect"), {"x": x}, {"y": np.pad(x, width, mode="reflect")},
         {"p": spatial})
    case("pad_edge", node("Pad", "x p", mode="edge"), {"x": x}, {"y": np.pad(x, width, mode="edge")}, {"p": spatial})
    case("pad_negative", node("Pad", "x p"), {"x": x}, {"y": x[:, :, 1:, :-2]}, {"p": i64(0, 0, -1, 0, 0, 0, 0, -2)})

    x = Random("reshape")(2, 3, 4, 2)
    case("reshape", node("Reshape", "x s"), {"x": x}, {"y": x.reshape(6, 8)}, {"s": i64(6, 8)})
    case("reshape_zero_minus1", node("Reshape", "x s"), {"x": x}, {"y": x.reshape(2, 3, 8)}, {"s": i64(0, 0, -1)})
    case("flatten", node("Flatten", "x"), {"x": x}, {"y": x.reshape(2, 24)})
    case("flatten_axis2", node("Flatten", "x", axis=2), {"x": x}, {"y": x.reshape(6, 8)})
    case("flatten_axis0", node("Flatten", "x", axis=0), {"x": x}, {"y": x.reshape(1, 48)})
    case("transpose", node("Transpose", "x", perm=[0, 2, 3, 1]), {"x": x}, {"y": x.transpose(0, 2, 3, 1)})
    case("transpose_default", node("Transpose", "x"), {"x": x}, {"y": x.transpose()})
    x = Random("expand")(1, 3, 1)
    case("expand", node("Expand", "x s"), {"x": x}, {"y": np.broadcast_to(x, (2, 3, 4))}, {"s": i64(2, 1, 4)})

    x = Random("squeeze")(1, 3, 1, 4)
    case("squeeze_attr", node("Squeeze", "x", axes=[2]), {"x": x}, {"y": x[:, :, 0]}, opset=11)
    case("squeeze_input", node("Squeeze", "x a"), {"x": x}, {"y": x[0, :, 0]}, {"a": i64(0, -2)})
    case("squeeze_all", node("Squeeze", "x"), {"x": x}, {"y": x[0, :, 0]})
    x = Random("unsqueeze")(3, 4)
    case("unsqueeze_attr", node("Unsqueeze", "x", axes=[0, 3]), {"x": x}, {"y": x[None, :, :, None]}, opset=11)
    case("unsqueeze_input", node("Unsqueeze", "x a"), {"x": x}, {"y": x[:, None, :, None]}, {"a": i64(-1, 1)})

    r = Random("gather")
    table, indices = r(10, 4), r.integers(0, 10, (2, 3), np.int64)
    indices[0, 0] = -1  # counts from the end
    case("gather_embedding", node("Gather", "table i"), {"i": indices}, {"y": table[indices]}, {"table": table})
    x = r(2, 5, 3)
    case("gather_axis1", node("Gather", "x i", axis=1), {"x": x}, {"y": x[:, [4, 0, 2]]}, {"i": i64(4, 0, 2)})
    case("gather_scalar", node("Gather", "x i", axis=1), {"x": x}, {"y": x[:, 2]},
         {"i": np.array(2, dtype=np.int64)})

    r = Random("cast")
    x = f32([[-2.75, -0.5, 0.0, 0.5, 1.5, 127.25]])
    case("cast_f32_i32", node("Cast", "x", to=TensorProto.INT32), {"x": x}, {"y": x.astype(np.int32)})
    whole = r.integers(-9, 9, (2, 3), np.int64)
    case("cast_i64_f32", node("Cast", "x", to=FLOAT), {"x": whole}, {"y": whole.astype(np.float32)})
    byte = r.integers(0, 256, (2, 3), np.uint8)
    case("cast_u8_f32", node("Cast", "x", to=FLOAT), {"x": byte}, {"y": byte.astype(np.float32)})
    case("cast_same", node("Cast", "x", to=FLOAT), {"x": x}, {"y": x})


def source_coordinate(out, scale, size, out_size, mode):
    if mode == "half_pixel":
        return (out + 0.5) / scale - 0.5
    if mode == "align_corners":
        return out * (size - 1) / (out_size - 1) if out_size > 1 else out * 0.0
    if mode == "asymmetric":
        return out / scale
    raise ValueError(mode)


def resize_axis(x, axis, scale, out_size, mode, nearest):
    size = x.shape[axis]
    at = source_coordinate(np.arange(out_size, dtype=np.float64), scale, size, out_size, mode)
    if nearest:
        index = {"floor": np.floor(at), "ceil": np.ceil(at), "round_prefer_floor": np.ceil(at - 0.5),
                 "round_prefer_ceil": np.floor(at + 0.5)}[nearest]
        return np.take(x, np.clip(index, 0, size - 1).astype(int), axis)
    at = np.clip(at, 0, size - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, size - 1)
    shape = [1] * x.ndim
    shape[axis] = out_size
    f = (at - low).reshape(shape)
    return np.take(x, low, axis) * (1 - f) + np.take(x, high, axis) * f


def resizes():
    rows = [  # name, mode, coordinates, rounding of nearest, scales or None, sizes or None
        ("resize_nearest_asymmetric", "nearest", "asymmetric", "floor", (2, 2), None),
        ("resize_nearest_half_pixel", "nearest", "half_pixel", "round_prefer_floor", (2, 3), None),
        ("resize_nearest_down", "nearest", "asymmetric", "floor", (0.5, 0.5), None),
        ("resize_nearest_sizes", "nearest", "asymmetric", "floor", None, (8, 12)),
        ("resize_nearest_ceil", "nearest", "half_pixel", "round_prefer_ceil", None, (7, 9)),
        ("resize_linear_half_pixel", "linear", "half_pixel", None, (2, 2), None),
        ("resize_linear_align_corners", "linear", "align_corners", None, None, (7, 9)),
        ("resize_linear_asymmetric", "linear", "asymmetric", None, (2, 2), None),
        ("resize_linear_down", "linear", "half_pixel", None, None, (3, 4)),
    ]
    for name, mode, coordinates, nearest, scales, sizes in rows:
        x = Random(name)(1, 2, 4, 6)
        out = sizes or [int(np.floor(n * s)) for n, s in zip(x.shape[2:], scales)]
        y = x.astype(np.float64)
        for axis in (2, 3):
            scale = scales[axis - 2] if scales else out[axis - 2] / x.shape[axis]
            y = resize_axis(y, axis, scale, out[axis - 2], coordinates, nearest)
        attributes = dict(mode=mode, coordinate_transformation_mode=coordinates)
        if nearest:
            attributes["nearest_mode"] = nearest
        if scales:
            case(name, node("Resize", "x - scales", **attributes), {"x": x}, {"y": y.astype(np.float32)},
                 {"scales": f32([1, 1, *scales])})
        else:
            case(name, node("Resize", "x - - sizes", **attributes), {"x": x}, {"y": y.astype(np.float32)},
                 {"sizes": i64(1, 2, *sizes)})


# ---- quantization ---------------------------------------------------------------------------------------------------

def quantize(x, scale, zero, dtype):
    bounds = np.iinfo(dtype)
    return np.clip(np.rint(x / scale) + zero, bounds.min, bounds.max).astype(dtype)


def quantization():
    x = 2 * Random("quantize")(1, 3, 4, 4)
    scale, u8, s8 = f32(0.0234375), np.array(128, np.uint8), np.array(-3, np.int8)
    case("quantizelinear_u8", node("QuantizeLinear", "x s z"), {"x": x}, {"y": quantize(x, scale, 128, np.uint8)},
         {"s": scale, "z": u8})
    case("quantizelinear_i8", node("QuantizeLinear", "x s z"), {"x": x}, {"y": quantize(x, scale, -3, np.int8)},
         {"s": scale, "z": s8})
    # Halves round to even; the ends saturate.
    ties = f32([[-400, -2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 400]])
    case("quantizelinear_ties", node("QuantizeLinear", "x s z"), {"x": ties},
         {"y": quantize(ties, f32(1), 0, np.int8)}, {"s": f32(1), "z": np.array(0, np.int8)})
    per_channel = f32([0.01, 0.02, 0.04])
    case("quantizelinear_axis", node("QuantizeLinear", "x s z", axis=1), {"x": x},
         {"y": quantize(x, per_channel[None, :, None, None], 0, np.int8)},
         {"s": per_channel, "z": np.zeros(3, np.int8)})
    q = quantize(x, scale, 128, np.uint8)
    case("dequantizelinear_u8", node("DequantizeLinear", "x s z"), {"x": q},
         {"y": (q.astype(np.float32) - 128) * scale}, {"s": scale, "z": u8})
    case("dequantizelinear_nozero", node("DequantizeLinear", "x s"), {"x": q}, {"y": q.astype(np.float32) * scale},
         {"s": scale})
    w = quantize(x, per_channel[None, :, None, None], 0, np.int8)
    case("dequantizelinear_axis", node("DequantizeLinear", "x s z", axis=1), {"x": w},
         {"y": w.astype(np.float32) * per_channel[None, :, None, None]}, {"s": per_channel, "z": np.zeros(3, np.int8)})

    # A quantized convolution as exporters write it: dequantize, compute in float, quantize. Computed here in integers,
    # with the rounding of QLinearConv.
    r = Random("qdq_conv")
    image = r.integers(0, 256, (1, 6, 6, 3), np.uint8).transpose(0, 3, 1, 2).copy()
    weight, bias = r.integers(-127, 128, (4, 3, 3, 3), np.int8), r.integers(-2000, 2000, 4, np.int32)
    sx, zx, sw, sy, zy = f32(0.02), 120, f32([0.01, 0.003, 0.02, 0.007]), f32(0.09), 10
    acc = conv((image.astype(np.float32) - zx), weight.astype(np.float32), bias.astype(np.float32), pads=(1, 1, 1, 1))
    m = ((sx * sw) / sy)[None, :, None, None]
    y = np.clip(np.rint(acc.numpy() * m) + zy, zy, 255).astype(np.uint8)  # the relu is the lower bound
    case("qdq_conv_relu",
         [node("DequantizeLinear", "x sx zx", "xd"), node("DequantizeLinear", "w sw zw", "wd", axis=0),
          node("DequantizeLinear", "b sb", "bd", axis=0), node("Conv", "xd wd bd", "c", pads=[1, 1, 1, 1]),
          node("Relu", "c", "r"), node("QuantizeLinear", "r sy zy")],
         {"x": image}, {"y": y},
         {"sx": sx, "zx": np.array(zx, np.uint8), "w": weight, "sw": sw, "zw": np.zeros(4, np.int8), "b": bias,
          "sb": sx * sw, "sy": sy, "zy": np.array(zy, np.uint8)})


# ---- constants, no-ops, shape arithmetic, ways to store a model -----------------------------------------------------

def structure():
    r = Random("structure")
    x, c = r(2, 3), r(3)
    case("constant", [node("Constant", "", "c", value=numpy_helper.from_array(c)), node("Add", "x c")], {"x": x},
         {"y": x + c})
    case("constant_floats", [node("Constant", "", "c", value_floats=[1.0, 2.0, 4.0]), node("Mul", "x c")], {"x": x},
         {"y": x * f32([1, 2, 4])})
    case("constant_of_shape", [node("ConstantOfShape", "s", "c", value=numpy_helper.from_array(f32([0.5]))),
                               node("Add", "x c")], {"x": x}, {"y": x + f32(0.5)}, {"s": i64(2, 3)})
    case("identity", [node("Identity", "x", "i"), node("Relu", "i")], {"x": x}, {"y": np.maximum(x, 0)})
    case("identity_output", node("Identity", "x"), {"x": x}, {"y": x})
    case("identity_of_weight", [node("Identity", "c", "i"), node("Add", "x i")], {"x": x}, {"y": x + c}, {"c": c})
    case("dropout_opset10", [node("Dropout", "x", "d", ratio=0.25), node("Relu", "d")], {"x": x},
         {"y": np.maximum(x, 0)}, opset=10)
    case("dropout_opset12", [node("Dropout", "x ratio", "d m"), node("Relu", "d")], {"x": x}, {"y": np.maximum(x, 0)},
         {"ratio": f32(0.25)}, opset=12)

    # x.view(x.size(0), -1), x.view(n, groups, c / groups, ...), and an enlargement by computed sizes.
    x = r(2, 4, 3, 3)
    case("shape_flatten", [node("Shape", "x", "s"), node("Gather", "s zero", "n", axis=0),
                           node("Unsqueeze", "n axis0", "n1"), node("Concat", "n1 minus1", "to", axis=0),
                           node("Reshape", "x to")],
         {"x": x}, {"y": x.reshape(2, 36)},
         {"zero": np.array(0, np.int64), "axis0": i64(0), "minus1": i64(-1)})
    case("shape_channel_shuffle",
         [node("Shape", "x", "s"), node("Slice", "s k0 k1", "n"), node("Slice", "s k1 k2", "c"),
          node("Slice", "s k2 k4", "hw"), node("Div", "c groups", "cg"),
          node("Concat", "n groups cg hw", "to5", axis=0), node("Reshape", "x to5", "x5"),
          node("Transpose", "x5", "t5", perm=[0, 2, 1, 3, 4]), node("Reshape", "t5 s")],
         {"x": x}, {"y": x.reshape(2, 2, 2, 3, 3).transpose(0, 2, 1, 3, 4).reshape(2, 4, 3, 3)},
         {"k0": i64(0), "k1": i64(1), "k2": i64(2), "k4": i64(4), "groups": i64(2)})
    case("shape_resize",
         [node("Shape", "x", "s"), node("Slice", "s k0 k2", "nc"), node("Slice", "s k2 k4", "hw"),
          node("Cast", "hw", "hwf", to=FLOAT), node("Mul", "hwf two", "big"), node("Floor", "big", "whole"),
          node("Cast", "whole", "sizes2", to=INT64), node("Concat", "nc sizes2", "sizes", axis=0),
          node("Resize", "x - - sizes", mode="nearest", coordinate_transformation_mode="asymmetric",
               nearest_mode="floor")],
         {"x": x}, {"y": x.repeat(2, 2).repeat(2, 3)},
         {"k0": i64(0), "k2": i64(2), "k4": i64(4), "two": f32(2)})
    case("shape_expand", [node("Shape", "x", "s"), node("Expand", "c s", "e"), node("Add", "x e")],
         {"x": x}, {"y": x + c[:, None][:1]}, {"c": c[:, None][:1]})

    # A batch axis with a name: the importer takes one batch (the arrays have 1) or is told which.
    x1, w, b = r(1, 5), r(4, 5), r(4)
    case("symbolic_batch", [node("Gemm", "x w b", "g", transB=1), node("Relu", "g")], {"x": x1},
         {"y": np.maximum(x1 @ w.T + b, 0)}, {"w": w, "b": b}, dims={"x": ["batch", 5], "y": ["batch", 4]})
    case("initializer_as_input", node("Gemm", "x w b", transB=1), {"x": x1}, {"y": x1 @ w.T + b}, {"w": w, "b": b},
         opset=7, ir=3, extra_inputs=[("w", w), ("b", b)])
    # Weights in float_data / int64_data instead of raw_data.
    case("typed_data", [node("Mul", "x f", "m"), node("Reshape", "m s")], {"x": x},
         {"y": (x * f32(1.25)).reshape(8, 9)},
         {"f": helper.make_tensor("f", FLOAT, [1], [1.25]), "s": helper.make_tensor("s", INT64, [2], [8, 9])})
    case("half_weights", [node("Cast", "h", "w", to=FLOAT), node("Mul", "x w")], {"x": x}, {"y": x * f32(0.5)},
         {"h": np.array([0.5], np.float16)})
    case("two_outputs", [node("Relu", "x", "y"), node("Neg", "x", "z")], {"x": x},
         {"y": np.maximum(x, 0), "z": -x})
    case("odd_names", [node("Relu", "x", "model/layer.0/relu:0", name="a b"),
                       helper.make_node("Neg", ["model/layer.0/relu:0"], ["1"], name="")],
         {"x": x}, {"1": -np.maximum(x, 0)})
    case("dead_node", [node("Exp", "x", "unused"), node("Relu", "x")], {"x": x}, {"y": np.maximum(x, 0)})

    # Weights in a file beside the model. The first tensor starts at 64, so an importer that ignores offsets is seen.
    if wanted("external_data"):
        data = bytes(64) + w.tobytes()
        data += bytes(-len(data) % 64)
        where = {"w": (64, w.nbytes), "b": (len(data), b.nbytes)}
        (HERE / "external_data.bin").write_bytes(data + b.tobytes())
        tensors = {}
        for k, array in (("w", w), ("b", b)):
            tensors[k] = TensorProto(name=k, data_type=FLOAT, dims=array.shape, data_location=TensorProto.EXTERNAL)
            for key, text in (("location", "external_data.bin"), ("offset", where[k][0]), ("length", where[k][1])):
                tensors[k].external_data.add(key=key, value=str(text))
        model = model_of("external_data", [node("Gemm", "x w b", transB=1)], {"x": x1}, {"y": x1 @ w.T + b}, tensors,
                         13, 8)
        (HERE / "external_data.onnx").write_bytes(model.SerializeToString())
        np.savez_compressed(HERE / "external_data.npz", in0=x1, out0=x1 @ w.T + b)


def a_small_net():
    """Convolution, batch norm, residual add, pooling and a classifier: the ops above in one model."""
    r = Random("net_residual")
    x, w1, w2, wf, bf = r(1, 3, 8, 8), r(4, 3, 3, 3), r(4, 4, 3, 3), r(5, 4), r(5)
    p = {n + k: r.positive(4) if k in "sv" else r(4) for n in ("n1", "n2") for k in "sbmv"}
    bn = lambda y, n: F.batch_norm(y, t(p[n + "m"]), t(p[n + "v"]), t(p[n + "s"]), t(p[n + "b"]))
    a = F.relu(bn(conv(x, w1, None, pads=(1, 1, 1, 1)), "n1"))
    s = F.relu(bn(conv(a.numpy(), w2, None, pads=(1, 1, 1, 1)), "n2") + a)
    y = torch.softmax(F.linear(F.max_pool2d(s, 2).mean((2, 3)), t(wf), t(bf)), 1)
    case("net_residual",
         [node("Conv", "x w1", "c1", pads=[1, 1, 1, 1]), node("BatchNormalization", "c1 n1s n1b n1m n1v", "b1"),
          node("Relu", "b1", "a"), node("Conv", "a w2", "c2", pads=[1, 1, 1, 1]),
          node("BatchNormalization", "c2 n2s n2b n2m n2v", "b2"), node("Add", "b2 a", "sum"), node("Relu", "sum", "s"),
          node("MaxPool", "s", "m", kernel_shape=[2, 2], strides=[2, 2]), node("GlobalAveragePool", "m", "g"),
          node("Flatten", "g", "f"), node("Gemm", "f wf bf", "l", transB=1), node("Softmax", "l", axis=1)],
         {"x": x}, {"y": y}, {"w1": w1, "w2": w2, "wf": wf, "bf": bf, **p})


# ---- models to refuse -----------------------------------------------------------------------------------------------

def refused():
    x = np.zeros((1, 3, 4, 4), np.float32)
    good = model_of("g", [node("Relu", "x")], {"x": x}, {"y": x}, {}, 13, 8).SerializeToString()
    bad("bad_truncated", good[:-9])
    bad("bad_not_protobuf", b"this is not an ONNX model\n")
    bad("bad_empty", b"")
    bad("bad_unknown_op", model_of("g", [node("Frobnicate", "x")], {"x": x}, {"y": x}, {}, 13, 8))
    bad("bad_undefined_operand", model_of("g", [node("Add", "x nowhere")], {"x": x}, {"y": x}, {}, 13, 8))
    bad("bad_undefined_output", model_of("g", [node("Relu", "x", "z")], {"x": x}, {"y": x}, {}, 13, 8))
    bad("bad_defined_twice", model_of("g", [node("Relu", "x"), node("Neg", "x")], {"x": x}, {"y": x}, {}, 13, 8))
    bad("bad_cycle", model_of("g", [node("Add", "x z", "w"), node("Relu", "w", "z"), node("Relu", "z")], {"x": x},
                              {"y": x}, {}, 13, 8))
    bad("bad_arity", model_of("g", [node("Conv", "x")], {"x": x}, {"y": x}, {}, 13, 8))
    bad("bad_broadcast", model_of("g", [node("Add", "x c")], {"x": x}, {"y": x}, {"c": np.zeros(5, np.float32)}, 13, 8))
    bad("bad_conv_channels", model_of("g", [node("Conv", "x w")], {"x": x}, {"y": np.zeros((1, 2, 2, 2), np.float32)},
                                      {"w": np.zeros((2, 5, 3, 3), np.float32)}, 13, 8))
    bad("bad_reshape_size", model_of("g", [node("Reshape", "x s")], {"x": x}, {"y": np.zeros((5, 5), np.float32)},
                                     {"s": i64(5, 5)}, 13, 8))
    bad("bad_data_dependent_shape", model_of("g", [node("Reshape", "x s")], {"x": x, "s": i64(1, 48)},
                                             {"y": x.reshape(1, 48)}, {}, 13, 8))
    bad("bad_attribute_type", model_of("g", [node("Conv", "x w", strides=[1.5, 1.5])], {"x": x}, {"y": x},
                                       {"w": np.zeros((3, 3, 1, 1), np.float32)}, 13, 8))
    bad("bad_future_opset", model_of("g", [node("Relu", "x")], {"x": x}, {"y": x}, {}, 9999, 8))
    short = TensorProto(name="c", data_type=FLOAT, dims=[1, 3, 4, 4], raw_data=bytes(20))
    bad("bad_short_tensor", model_of("g", [node("Add", "x c")], {"x": x}, {"y": x}, {"c": short}, 13, 8))
    negative = TensorProto(name="c", data_type=FLOAT, dims=[-1, 3], raw_data=bytes(12))
    bad("bad_negative_dim", model_of("g", [node("Add", "x c")], {"x": x}, {"y": x}, {"c": negative}, 13, 8))
    missing = TensorProto(name="c", data_type=FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    missing.external_data.add(key="location", value="no_such_file.bin")
    bad("bad_missing_external", model_of("g", [node("Add", "x c")], {"x": x}, {"y": x}, {"c": missing}, 13, 8))
    outside = TensorProto(name="c", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="../outside.bin")
    bad("bad_external_escapes", model_of("g", [node("Add", "x c")], {"x": x}, {"y": x}, {"c": outside}, 13, 8))


def main():
    for family in (convolutions, matrix_products, normalization, pooling, reductions, elementwise, softmaxes, movement,
                   resizes, quantization, structure, a_small_net, refused):
        family()
    files = sorted(p for p in HERE.iterdir() if p.suffix in (".onnx", ".npz", ".bin"))
    print(f"{sum(p.suffix == '.onnx' for p in files)} models, {sum(p.stat().st_size for p in files)} bytes in all")


if __name__ == "__main__":
    main()
