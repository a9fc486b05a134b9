"""x: [1, width]"""
import sys

from onnx_bytes import model, node, value

open(sys.argv[1], "wb").write(model([node("Relu", ["x"], ["y"], "r")], [value("x", [1, "width"])], [value("y", [1, "width"])]))
