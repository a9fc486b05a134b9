"""refused.py CASE FILE: one model that must be refused, or read with a warning."""
import sys

import numpy as np

from made import Model

X = np.zeros((2, 3, 4, 5), "f4")
V3 = np.ones(3, "f4")


def one(opset, op, inputs, x=X, given=None, **attributes):
    m = Model(opset)
    m.input("x", x, given)
    m.output(m.op(op, ["x"] + [m.const(a) for a in inputs], **attributes))
    return m


CASES = {
    "no_broadcast": lambda: one(6, "Add", [V3]),
    "late_broadcast": lambda: one(7, "Add", [V3], broadcast=1, axis=1),
    "bad_axis": lambda: one(6, "Add", [V3], broadcast=1, axis=4),
    "gemm_no_broadcast": lambda: one(6, "Gemm", [np.ones((3, 5), "f4"), np.ones(5, "f4")], x=np.zeros((2, 3), "f4")),
    "is_test": lambda: one(6, "Dropout", []),
    "cast_number": lambda: one(1, "Cast", [], to=6),
    "cast_text": lambda: one(9, "Cast", [], to="INT32"),
    "shape_attribute": lambda: one(5, "Reshape", [], shape=[6, 20]),
    "consumed": lambda: one(7, "Relu", [], consumed_inputs=[0]),
    "untyped": lambda: one_untyped(),
    "crop_and_resize": lambda: one(13, "Resize", [np.array([0, 0, 0, 0, 1, 1, 1, 1], "f4"), np.ones(4, "f4") * 2],
                                   coordinate_transformation_mode="tf_crop_and_resize"),
    "antialias": lambda: one(18, "Resize", [np.zeros(0, "f4"), np.array([1, 1, 0.5, 0.5], "f4")], mode="linear", antialias=1),
    "cubic": lambda: one(18, "Resize", [np.zeros(0, "f4"), np.array([1, 1, 0.5, 0.5], "f4")], mode="cubic"),
    "nothing_left": lambda: one(18, "Resize", [np.zeros(0, "f4"), np.array([1, 1, 0.1, 0.5], "f4")], mode="linear"),
    "empty_slice": lambda: one(13, "Slice", [np.array([2]), np.array([2]), np.array([1])]),
    "empty_input": lambda: one(13, "Relu", [], x=np.zeros((2, 0, 3), "f4")),
    "unknown_columns": lambda: one(13, "Relu", [], given=[-1, 3, 4, -1]),
    "zero_columns": lambda: one(13, "Relu", [], given=["N", 3, 0, 4]),
    "no_symbol": lambda: one(13, "Relu", [], given=["", 3, "", 4]),
    "negative": lambda: one(13, "Relu", [], given=[2, 3, -7, 4]),
}


def one_untyped():
    m = Model(1, 8, typed=False)
    m.input("x", X)
    m.output(m.op("Elu", ["x"], alpha=0.5))
    return m


with open(sys.argv[2], "wb") as f:
    f.write(CASES[sys.argv[1]]().bytes())
