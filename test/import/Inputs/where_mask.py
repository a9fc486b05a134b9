"""y = x where [1, 0, 1, 0] else -inf"""
import struct
import sys

from onnx_bytes import field, model, node, value

mask = field(1, 4) + field(2, 9) + field(8, "m") + field(9, bytes([1, 0, 1, 0]))
low = field(2, 1) + field(8, "low") + field(9, struct.pack("<f", float("-inf")))
open(sys.argv[1], "wb").write(model([node("Where", ["m", "x", "low"], ["y"], "mask")], [value("x", [1, 4])], [value("y", [1, 4])], [mask, low]))
