"""Small ONNX models as Python calls, for cases whose right values numpy computes. Needs no onnx module."""
import struct

import numpy as np

from onnx_bytes import field, node

KINDS = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11}


def attribute(name, value, typed=True):
    """Integers, floats, texts, lists of them, arrays; `typed`: with its kind, which files of the first format have not."""
    head = field(1, name)
    if isinstance(value, np.ndarray):
        return head + field(5, tensor("", value)) + (field(20, 4) if typed else b"")
    if isinstance(value, str):
        return head + field(4, value) + (field(20, 3) if typed else b"")
    if isinstance(value, float):
        return head + b"\x15" + struct.pack("<f", value) + (field(20, 1) if typed else b"")
    if isinstance(value, int):
        return head + field(3, value) + (field(20, 2) if typed else b"")
    if value and isinstance(value[0], float):
        return head + b"".join(b"\x3d" + struct.pack("<f", v) for v in value) + (field(20, 6) if typed else b"")
    return head + b"".join(field(8, v) for v in value) + (field(20, 7) if typed else b"")


def tensor(name, array):
    array = np.asarray(array, order="C")
    kind = KINDS[str(array.dtype)]
    return b"".join(field(1, d) for d in np.shape(array)) + field(2, kind) + field(8, name) + field(9, array.tobytes())


def info(name, shape, kind=1):
    """shape: integers, or texts for symbols ('' for none at all); a negative one as exporters write it."""
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, b"".join(field(1, b"" if d == "" else dim(d)) for d in shape))))


def dim(d):
    return field(2 if isinstance(d, str) else 1, d)


class Model:
    """Nodes are called by operator: m.op("Conv", ["x", "w"], pads=[1, 1, 1, 1]) -> the result's name."""

    def __init__(self, opset, ir=8, typed=True):
        self.opset, self.ir, self.typed = opset, ir, typed
        self.nodes, self.inputs, self.tensors, self.outputs, self.n = [], [], [], [], 0

    def input(self, name, array, shape=None):
        self.inputs.append(info(name, np.shape(array) if shape is None else shape, KINDS[str(np.asarray(array).dtype)]))
        return name

    def const(self, array, listed=False):
        """An initializer; `listed`: among the inputs as well, as the formats before 4 want it."""
        self.n += 1
        name = f"c{self.n}"
        self.tensors.append(tensor(name, array))
        if listed:
            self.inputs.append(info(name, np.shape(array), KINDS[str(np.asarray(array).dtype)]))
        return name

    def op(self, kind, inputs, results=1, domain="", **attributes):
        names = []
        for _ in range(results):
            self.n += 1
            names.append(f"t{self.n}")
        text = b"".join(field(5, attribute(k, v, self.typed)) for k, v in attributes.items())
        self.nodes.append(node(kind, inputs, names, f"n{self.n}", domain, text))
        return names[0] if results == 1 else names

    def output(self, name, shape=None, kind=1):
        self.outputs.append(info(name, shape, kind) if shape is not None else field(1, name))

    def bytes(self):
        graph = (b"".join(field(1, n) for n in self.nodes) + field(2, "g") + b"".join(field(5, t) for t in self.tensors)
                 + b"".join(field(11, i) for i in self.inputs) + b"".join(field(12, o) for o in self.outputs))
        return field(1, self.ir) + field(7, graph) + (field(8, field(2, self.opset)) if self.ir > 2 else b"")
