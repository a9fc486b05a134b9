"""ConstantOfShape of 4 GB, from 16 bytes."""
import struct
import sys

from onnx_bytes import field, model, node, value

shape = field(1, 2) + field(2, 7) + field(8, "s") + field(9, struct.pack("<2q", 32768, 32768))
nodes = [node("ConstantOfShape", ["s"], ["c"], "grow"), node("Add", ["x", "c"], ["y"], "use")]
open(sys.argv[1], "wb").write(model(nodes, [value("x", [1])], [value("y", [1])], [shape]))
