"""Operators as opsets 1 to 6 have them. Values by numpy."""
import numpy as np

from made import Model

rng = np.random.default_rng(6)
X = rng.standard_normal((2, 3, 4, 5)).astype("f4")
V3, V5 = rng.standard_normal(3).astype("f4"), rng.standard_normal(5).astype("f4")
M45 = rng.standard_normal((4, 5)).astype("f4")


def one(opset, op, inputs, want, x=X, ir=3, **attributes):
    """A network of one operator: `inputs` are arrays that become constants after x."""
    m = Model(opset, ir, typed=ir > 1)
    m.input("x", x)
    m.output(m.op(op, ["x"] + [m.const(a, listed=True) for a in inputs], **attributes))
    return m, [x], [want]


def along(v, axis):
    return v.reshape(v.shape + (1,) * (X.ndim - axis - v.ndim))


def case_add_axis():
    return one(6, "Add", [V3], X + along(V3, 1), broadcast=1, axis=1)


def case_add_last_axes():
    return one(6, "Add", [M45], X + M45, broadcast=1)


def case_sub_scalar():
    return one(6, "Sub", [np.array([2.5], "f4")], X - np.float32(2.5), broadcast=1)


def case_sub_one_element_of_three_axes():
    return one(3, "Sub", [np.full((1, 1, 1), 2.5, "f4")], X - np.float32(2.5), broadcast=1, axis=0)


def case_mul_axis_consumed():
    return one(1, "Mul", [V3], X * along(V3, 1), broadcast=1, axis=1, consumed_inputs=[0, 0])


def case_mul_negative_axis():
    return one(6, "Mul", [M45], X * M45, broadcast=1, axis=-2)


def case_div_two_axes():
    v = 1 + rng.random((3, 4)).astype("f4")
    return one(6, "Div", [v], X / v[:, :, None], broadcast=1, axis=1)


def case_pow_axis():
    return one(1, "Pow", [np.array([2, 3, 1], "f4")], np.abs(X) ** along(np.array([2, 3, 1], "f4"), 1), x=np.abs(X), broadcast=1, axis=1)


def case_add_same_shape_needs_no_broadcast():
    return one(6, "Add", [X], X + X)


def case_add_first_format():
    return one(1, "Add", [V3], X + along(V3, 1), ir=1, broadcast=1, axis=1)


def case_greater_axis():
    return one(1, "Greater", [V3], X > along(V3, 1), broadcast=1, axis=1)


def case_and_axis():
    a, b = X > 0, np.array([True, False, True])
    return one(1, "And", [b], a & along(b, 1), x=a, broadcast=1, axis=1)


def case_prelu_channels():
    s = np.abs(V3)
    return one(6, "PRelu", [s], np.where(X < 0, X * along(s, 1), X))


def case_gemm_bias():
    a, w = rng.standard_normal((2, 3)).astype("f4"), rng.standard_normal((5, 3)).astype("f4")
    return one(6, "Gemm", [w, V5], a @ w.T + V5, x=a, transB=1, broadcast=1)


def case_gemm_full_c():
    a, w, c = (rng.standard_normal(s).astype("f4") for s in ((2, 3), (3, 5), (2, 5)))
    return one(1, "Gemm", [w, c], 0.5 * (a @ w) + 2 * c, x=a, alpha=0.5, beta=2.0)


def normed(x, g, b, m, v, shape, eps=1e-5):
    g, b, m, v = (p.reshape(shape).astype("f8") for p in (g, b, m, v))
    return ((x - m) / np.sqrt(v + eps) * g + b).astype("f4")


def case_batchnorm_is_test():
    p = [V3, V3 + 1, V3 * 2, np.abs(V3) + 1]
    return one(6, "BatchNormalization", p, normed(X, *p, (3, 1, 1)), is_test=1, momentum=0.9)


def case_batchnorm_consumed():
    p = [V3, V3 + 1, V3 * 2, np.abs(V3) + 1]
    return one(1, "BatchNormalization", p, normed(X, *p, (3, 1, 1), 1e-3), is_test=1, spatial=1, epsilon=1e-3, consumed_inputs=[0, 0, 0, 1, 1])


def case_batchnorm_elements():
    p = [rng.standard_normal((3, 4, 5)).astype("f4") for _ in range(3)] + [1 + rng.random((3, 4, 5)).astype("f4")]
    return one(6, "BatchNormalization", p, normed(X, *p, (3, 4, 5)), is_test=1, spatial=0)


def case_dropout():
    return one(6, "Dropout", [], X, is_test=1, ratio=0.5)


def case_reshape_attribute():
    return one(1, "Reshape", [], X.reshape(2, 3, 20), shape=[0, 3, -1], consumed_inputs=[0])


def case_pad_paddings():
    return one(1, "Pad", [], np.pad(X, ((0, 0), (0, 0), (1, 0), (2, 3)), constant_values=1.5), paddings=[0, 0, 1, 2, 0, 0, 0, 3], mode="constant", value=1.5)


def case_pad_edge():
    return one(2, "Pad", [], np.pad(X, ((0, 0), (0, 0), (1, 1), (2, 2)), "edge"), pads=[0, 0, 1, 2, 0, 0, 1, 2], mode="edge")


def case_slice_attributes():
    return one(1, "Slice", [], X[:, 1:3, :, 1:-1], starts=[1, 1], ends=[3, -1], axes=[1, 3])


def case_concat_default_axis():
    return one(1, "Concat", [X], np.concatenate([X, X], 1))


def case_split_attribute():
    m = Model(2)
    m.input("x", X)
    for r in m.op("Split", ["x"], results=2, axis=3, split=[2, 3]):
        m.output(r)
    return m, [X], [X[..., :2], X[..., 2:]]


def case_cast_text():
    return one(1, "Cast", [], X.astype("i4"), to="INT32")


def case_clip_consumed():
    return one(1, "Clip", [], np.clip(X, -0.5, 0.75), min=-0.5, max=0.75, consumed_inputs=[0])


def case_squeeze_unsqueeze():
    m = Model(1)
    x = X[:, :1]
    m.input("x", x)
    m.output(m.op("Unsqueeze", [m.op("Squeeze", ["x"], axes=[1])], axes=[0, 4]))
    return m, [x], [x[:, 0][None, ..., None]]


def case_softmax_flat():
    e = np.exp(X.reshape(2, -1) - X.reshape(2, -1).max(1, keepdims=True))
    return one(1, "Softmax", [], (e / e.sum(1, keepdims=True)).reshape(X.shape))


def case_logsoftmax_flat():
    s = X.reshape(6, -1) - X.reshape(6, -1).max(1, keepdims=True)
    return one(1, "LogSoftmax", [], (s - np.log(np.exp(s).sum(1, keepdims=True))).reshape(X.shape), axis=2)


def case_elu_consumed():
    return one(1, "Elu", [], np.where(X > 0, X, 0.5 * (np.exp(X) - 1)), alpha=0.5, consumed_inputs=[0])


def case_selu_first():
    return one(1, "Selu", [], (1.0507 * np.where(X > 0, X, 1.6732 * (np.exp(X) - 1))).astype("f4"))


def case_leaky_relu_first_format():
    return one(1, "LeakyRelu", [], np.where(X > 0, X, np.float32(0.1) * X), ir=1, alpha=0.1)


def case_hard_sigmoid():
    return one(1, "HardSigmoid", [], np.clip(0.5 * X + 0.25, 0, 1).astype("f4"), alpha=0.5, beta=0.25)


def case_tile_one_axis():
    return one(1, "Tile", [np.array([3], "f4").astype("i8"), np.array([1], "i8")], np.tile(X, (1, 3, 1, 1)))


def case_upsample_height_width():
    return one(1, "Upsample", [], X.repeat(2, 2).repeat(3, 3), height_scale=2.0, width_scale=3.0, mode="nearest")


def case_sum_mean_max():
    m = Model(6)
    m.input("x", X)
    c = m.const(2 * X)
    m.output(m.op("Max", [m.op("Sum", ["x", c, "x"]), m.op("Mean", ["x", c])]))
    return m, [X], [np.maximum(4 * X, 1.5 * X)]


def windows(x, kh, kw, f, stride=1):
    h, w = (x.shape[2] - kh) // stride + 1, (x.shape[3] - kw) // stride + 1
    return np.stack([np.stack([f(x[:, :, stride * i:stride * i + kh, stride * j:stride * j + kw]) for j in range(w)], -1) for i in range(h)], -2)


def case_lp_pool():
    want = windows(np.pad(X, ((0, 0), (0, 0), (1, 1), (0, 1))), 2, 3, lambda p: np.sqrt((p ** 2).sum((2, 3))))
    return one(2, "LpPool", [], want, kernel_shape=[2, 3], pads=[1, 0, 1, 1], p=2)


def case_lp_pool_1():
    return one(11, "LpPool", [], windows(X, 2, 2, lambda p: np.abs(p).sum((2, 3)), 2), kernel_shape=[2, 2], strides=[2, 2], p=1)


def case_global_lp_pool():
    return one(2, "GlobalLpPool", [], np.sqrt((X.astype("f8") ** 2).sum((2, 3), keepdims=True)).astype("f4"))


def lrn(x, size, alpha, beta, bias):
    low = (size - 1) // 2
    p = np.pad(x.astype("f8") ** 2, ((0, 0), (low, size - 1 - low), (0, 0), (0, 0)))
    s = sum(p[:, i:i + x.shape[1]] for i in range(size))
    return (x / (bias + alpha / size * s) ** beta).astype("f4")


def case_lrn():
    x = rng.standard_normal((2, 7, 3, 4)).astype("f4") * 10
    return one(1, "LRN", [], lrn(x, 5, 0.1, 0.75, 2.0), x=x, size=5, alpha=0.1, beta=0.75, bias=2.0)


def case_lrn_even_defaults():
    return one(13, "LRN", [], lrn(X, 2, 1e-4, 0.75, 1.0), size=2)


def case_image_scaler():
    return one(1, "ImageScaler", [], X * np.float32(0.5) + along(np.array([1, -2, 3], "f4"), 1), scale=0.5, bias=[1.0, -2.0, 3.0])


def case_affine():
    return one(1, "Affine", [], 2 * X + 1, alpha=2.0, beta=1.0)


def case_scaled_tanh():
    return one(1, "ScaledTanh", [], 2 * np.tanh(np.float32(0.5) * X), alpha=2.0, beta=0.5)


def case_parametric_softplus():
    return one(1, "ParametricSoftplus", [], 2 * np.log1p(np.exp(np.float32(0.5) * X)), alpha=2.0, beta=0.5)


def case_crop():
    return one(1, "Crop", [], X[:, :, 1:3, 2:4], border=[2, 1, 1, 1])


def case_crop_scale():
    return one(1, "Crop", [], X[:, :, 1:3, 2:5], border=[2, 1, 0, 0], scale=[2, 3])
