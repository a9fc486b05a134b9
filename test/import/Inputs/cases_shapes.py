"""Resizing by scales, dilated pools, unknown sizes, empty tensors, scalars, one tensor as several results, other real types."""
import math

import numpy as np

from made import Model

rng = np.random.default_rng(8)
X = rng.standard_normal((2, 3, 7, 5)).astype("f4")
NO = np.zeros(0, "f4")


def one(op, inputs, want, x=X, opset=18, shape=None, **attributes):
    m = Model(opset)
    m.input("x", x, shape)
    names = ["" if a is None else m.const(a) for a in inputs]
    m.output(m.op(op, ["x"] + names, **attributes))
    return m, [x], [want]


# ---- resize ----
def position(coord, o, n, out, scale):
    if coord == "align_corners":
        return 0 if out == 1 else o * (n - 1) / (n * scale - 1)
    if coord == "asymmetric":
        return o / scale
    if coord == "tf_half_pixel_for_nn":
        return (o + 0.5) / scale
    if coord == "pytorch_half_pixel" and out == 1:
        return 0
    shift = n / 2 * (1 - out / (n * scale)) if coord == "half_pixel_symmetric" else 0
    return shift + (o + 0.5) / scale - 0.5


ROUND = {"round_prefer_floor": lambda p: math.ceil(p - 0.5), "round_prefer_ceil": lambda p: math.floor(p + 0.5), "floor": math.floor, "ceil": math.ceil}


def resized(x, axis, out, scale, coord, rounding):
    n, parts = x.shape[axis], []
    for o in range(out):
        p = position(coord, o, n, out, scale)
        if rounding:
            parts.append(np.take(x, min(max(ROUND[rounding](p), 0), n - 1), axis))
            continue
        p = min(max(p, 0), n - 1)
        low = int(p)
        parts.append(np.take(x, low, axis) * (1 - (p - low)) + np.take(x, min(low + 1, n - 1), axis) * (p - low))
    return np.stack(parts, axis)


def resize(scales, coord, rounding=None, opset=18, axes=None, sizes=None, policy=None):
    """`scales`: of rows and columns."""
    y = X.astype("f8")
    for axis, s in zip((2, 3), scales):
        out = math.floor(X.shape[axis] * s) if policy is None else math.floor(X.shape[axis] * s + 0.5)
        y = resized(y, axis, out, s, coord, rounding)
    extra = {"nearest_mode": rounding} if rounding else {}
    if axes:
        extra["axes"] = axes
    if policy:
        extra["keep_aspect_ratio_policy"] = policy
    given = np.array([1, 1, *scales], "f4") if not axes else np.array([scales[a % 4 - 2] for a in axes], "f4")
    operands = [NO, NO, np.array(sizes)] if sizes else [NO, given]
    return one("Resize", operands, y.astype("f4"), opset=opset, mode="nearest" if rounding else "linear", coordinate_transformation_mode=coord, **extra)


COORDS = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
for c in COORDS:
    globals()[f"case_resize_linear_{c}"] = lambda c=c: resize((1.6, 2.3), c, opset=19)
    globals()[f"case_resize_linear_down_{c}"] = lambda c=c: resize((0.6, 0.45), c, opset=19)
    for r in ROUND:
        globals()[f"case_resize_nearest_{c}_{r}"] = lambda c=c, r=r: resize((1.75, 0.85), c, r, opset=19)


def case_resize_tf_half_pixel_for_nn():
    return resize((1.7, 2.3), "tf_half_pixel_for_nn", "floor", opset=11)


def case_resize_axes_out_of_order():
    return resize((1.6, 0.7), "half_pixel", axes=[3, 2])


def case_resize_negative_axes():
    return resize((1.6, 0.7), "half_pixel", axes=[-1, -2])


def case_resize_not_larger():
    return resize((9 / 7, 9 / 7), "half_pixel", axes=[2, 3], sizes=[9, 11], policy="not_larger")


def case_resize_not_smaller():
    return resize((11 / 5, 11 / 5), "half_pixel", axes=[2, 3], sizes=[9, 11], policy="not_smaller")


def case_resize_same_size_other_scale():
    return resize((1.1, 1.15), "half_pixel")


def case_resize_whole_scale_written_short():
    s = np.float32(10 / 3)
    x = X[:, :, :3, :3]
    want = x[:, :, [int(o / 10 * 3) for o in range(10)]][:, :, :, [int(o / 10 * 3) for o in range(10)]]
    return one("Resize", [NO, np.array([1, 1, s, s], "f4")], want, x=x, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def case_upsample_fraction():
    want = X[:, :, [int(o / np.float32(1.7)) for o in range(11)]]
    return one("Upsample", [np.array([1, 1, 1.7, 1], "f4")], want, opset=9, mode="nearest")


# ---- pools ----
def pooled(x, k, stride, dilation, pads, count_pad, ceil, how):
    n, c, h, w = x.shape
    out = []
    for a, size in enumerate((h, w)):
        span = size + pads[a] + pads[a + 2] - (k[a] - 1) * dilation[a] - 1
        o = (math.ceil if ceil else math.floor)(span / stride[a]) + 1
        out.append(o - 1 if (o - 1) * stride[a] >= size + pads[a] else o)
    y = np.zeros((n, c, *out))
    for i in range(out[0]):
        for j in range(out[1]):
            some, count = [], 0
            for p in range(k[0]):
                for q in range(k[1]):
                    r, s = i * stride[0] - pads[0] + p * dilation[0], j * stride[1] - pads[1] + q * dilation[1]
                    if 0 <= r < h and 0 <= s < w:
                        some.append(x[:, :, r, s])
                    count += -pads[0] <= r - 0 and r < h + pads[2] and s < w + pads[3]
            y[:, :, i, j] = np.max(some, 0) if how == "max" else np.sum(some, 0) / (count if count_pad else len(some))
    return y.astype("f4")


def pool(op, k, stride, dilation, pads, count_pad=0, ceil=0, **more):
    extra = {"count_include_pad": count_pad} if op == "AveragePool" else {}
    want = pooled(X, k, stride, dilation, pads, count_pad, ceil, "max" if op == "MaxPool" else "mean")
    return one(op, [], want, opset=19, kernel_shape=list(k), strides=list(stride), dilations=list(dilation), pads=list(pads), ceil_mode=ceil, **extra, **more)


for n, p in enumerate([(0, 0, 0, 0), (1, 1, 1, 1), (2, 0, 1, 2), (0, 1, 2, 0)]):
    for count in (0, 1):
        for up in (0, 1):
            for st in ((1, 1), (2, 3)):
                tag = f"{n}{'_counted' if count else ''}{'_ceil' if up else ''}_{st[0]}"
                globals()[f"case_average_dilated_{tag}"] = lambda p=p, count=count, up=up, st=st: pool("AveragePool", (3, 2), st, (2, 2), p, count, up)
                if not count:
                    globals()[f"case_max_dilated_{tag}"] = lambda p=p, up=up, st=st: pool("MaxPool", (3, 2), st, (2, 2), p, 0, up)


def case_average_dilated_same_upper():
    want = pooled(X, (3, 3), (1, 1), (2, 2), (2, 2, 2, 2), 0, 0, "mean")
    return one("AveragePool", [], want, opset=19, kernel_shape=[3, 3], dilations=[2, 2], auto_pad="SAME_UPPER")


def case_average_dilated_valid():
    return one("AveragePool", [], pooled(X, (2, 2), (1, 1), (2, 3), (0, 0, 0, 0), 0, 0, "mean"), opset=19, kernel_shape=[2, 2], dilations=[2, 3], auto_pad="VALID")


# ---- sizes ----
def case_batch_minus_one():
    m = Model(13)
    m.input("x", X[:1], [-1, 3, 7, 5])
    m.output(m.op("Reshape", [m.op("Relu", ["x"]), m.const(np.array([-1, 105]))]))
    return m, [X[:1]], [np.maximum(X[:1], 0).reshape(1, 105)]


def case_batch_zero():
    return one("Relu", [], np.maximum(X[:1], 0), x=X[:1], shape=[0, 3, 7, 5])


def case_batch_without_symbol():
    return one("Relu", [], np.maximum(X[:1], 0), x=X[:1], shape=["", 3, 7, 5])


# ---- nothing ----
def case_concat_with_empty_constant():
    return one("Concat", [np.zeros((2, 0, 7, 5), "f4")], X, axis=1)


def case_concat_with_empty_slices():
    m = Model(13)
    m.input("x", X)
    parts = [m.op("Slice", ["x", m.const(np.array([a])), m.const(np.array([b])), m.const(np.array([1]))]) for a, b in ((0, 0), (1, 3), (9, 12), (0, 1))]
    m.output(m.op("Concat", parts, axis=1))
    return m, [X], [np.concatenate([X[:, 1:3], X[:, :1]], 1)]


def case_concat_with_an_empty_list():
    m = Model(13)
    m.input("x", X)
    m.output(m.op("Concat", [m.const(NO), "x", "x"], axis=2))
    return m, [X], [np.concatenate([X, X], 2)]


def case_split_with_an_empty_part():
    m = Model(13)
    m.input("x", X)
    a, b, c = m.op("Split", ["x", m.const(np.array([1, 0, 2]))], results=3, axis=1)
    m.output(m.op("Concat", [c, b, a], axis=1))
    return m, [X], [np.concatenate([X[:, 1:], X[:, :1]], 1)]


# ---- results ----
def case_one_tensor_as_two_results():
    m = Model(13)
    m.input("x", X)
    y = m.op("Relu", ["x"])
    m.output(y)
    m.output(y)
    m.output("x")
    m.output(m.const(X[0, 0]))
    m.output(m.op("Identity", [y]))
    y = np.maximum(X, 0)
    return m, [X], [y, y, X, X[0, 0], y]


def case_scalars():
    m = Model(13)
    s = np.array(-2.5, "f4")
    m.input("x", X)
    m.input("s", s)
    m.output(m.op("ReduceSum", ["x"], keepdims=0))
    m.output(m.op("Abs", ["s"]))
    m.output(m.op("Mul", ["x", "s"]))
    m.output("s")
    m.output(m.const(np.array(7)))
    return m, [X, s], [X.sum(dtype="f8").astype("f4"), np.abs(s), X * s, s, np.array(7)]


def typed(t):
    x, w, b = rng.standard_normal((2, 6)).astype(t), rng.standard_normal((6, 4)).astype(t), rng.standard_normal(4).astype(t)
    m = Model(13)
    m.input("x", x)
    y = m.op("Gemm", ["x", m.const(w), m.const(b)])
    m.output(m.op("Sigmoid", [y]))
    m.output("x")
    want = 1 / (1 + np.exp(-(x.astype("f8") @ w.astype("f8") + b.astype("f8"))))
    return m, [x], [want.astype(t), x]


def case_double():
    return typed("f8")


def case_half():
    return typed("f2")
