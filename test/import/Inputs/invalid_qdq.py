#!/usr/bin/env python3
"""Writes WORK/NAME.onnx: quantized networks that the importer refuses."""
import pathlib
import sys

import numpy as np

from onnx_bytes import model, node, value
from qdq_cases import attribute, tensor

U, S = np.uint8, np.int8
SCALE, ZERO = tensor("s", np.float32(0.1)), tensor("z", U(0))
WEIGHT = tensor("w", np.ones((4, 4), S))
DYNAMIC = node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"], "dynamic")
CASES = {
    "dynamic-reader": ([DYNAMIC, node("Add", ["q", "q"], ["y"], "sum")], []),
    "dynamic-result": ([node("DynamicQuantizeLinear", ["x"], ["y", "qs", "qz"], "dynamic")], []),
    "integer-product": (
        [
            node("QuantizeLinear", ["x", "s", "z"], ["q"], "q"),
            node("MatMulInteger", ["q", "w", "z"], ["y"], "product"),
        ],
        [SCALE, ZERO, WEIGHT],
    ),
    "blocks": (
        [
            node(
                "DequantizeLinear",
                ["w", "s4"],
                ["wd"],
                "dq",
                "",
                attribute("axis", 0) + attribute("block_size", 3),
            ),
            node("MatMul", ["x", "wd"], ["y"], "y"),
        ],
        [WEIGHT, tensor("s4", np.ones((4, 4), "f4"))],
    ),
    "blocks-activations": (
        [
            node(
                "QuantizeLinear",
                ["x", "s1", "z1"],
                ["y"],
                "blocked",
                "",
                attribute("axis", 1) + attribute("block_size", 2),
            )
        ],
        [tensor("s1", np.ones((2, 2), "f4")), tensor("z1", np.zeros((2, 2), U))],
    ),
    "axis-activations": (
        [node("QuantizeLinear", ["x", "s2", "z2"], ["y"], "axis")],
        [tensor("s2", np.ones(4, "f4")), tensor("z2", np.zeros(4, U))],
    ),
    "negative-scale": (
        [node("QuantizeLinear", ["x", "s5", "z"], ["y"], "negative")],
        [tensor("s5", np.float32(-1)), ZERO],
    ),
    "scale-of-integers": ([node("QuantizeLinear", ["x", "z", "z"], ["y"], "integers")], [ZERO]),
    "channels-last": (
        [
            node("QuantizeLinear", ["x", "s", "z"], ["q"], "q"),
            node(
                "QLinearGlobalAveragePool",
                ["q", "s", "z", "s", "z"],
                ["y"],
                "pool",
                "com.microsoft",
                attribute("channels_last", 1),
            ),
        ],
        [SCALE, ZERO],
    ),
}
work = pathlib.Path(sys.argv[1])
work.mkdir(parents=True, exist_ok=True)
for name, (nodes, init) in CASES.items():
    (work / f"{name}.onnx").write_bytes(
        model(nodes, [value("x", [2, 4])], [value("y", [2, 4])], init, 21)
    )
