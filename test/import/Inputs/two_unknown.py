"""Three nodes, each wrong in its own way."""
import sys

from onnx_bytes import field, model, node, value

slope = field(5, field(1, "slope") + field(3, 1) + field(20, 2))
nodes = [node("Frobnicate", ["x"], ["a"], "first"), node("Relu", ["a"], ["b"], "second", attributes=slope), node("Relu", ["b"], ["y"], "third", "my.domain")]
open(sys.argv[1], "wb").write(model(nodes, [value("x", [1, 4])], [value("y", [1, 4])]))
