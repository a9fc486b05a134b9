"""An ONNX model in the making: values with their shapes, constants, inputs with samples, and the bytes (protobuf's wire format, without the onnx module)."""
import struct

import numpy as np

MOST = 3000        # elements of a value
KINDS = {"f32": (1, np.float32), "u8": (2, np.uint8), "i8": (3, np.int8), "i32": (6, np.int32), "i64": (7, np.int64), "bool": (9, np.bool_), "f64": (11, np.float64)}


def elements(shape):
    return int(np.prod(shape, dtype=np.int64))


def fits(shape):
    return elements(shape) <= MOST


# ---- the wire ----
def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """An integer, a float, or anything that is bytes on the wire (text, bytes, a message)."""
    if isinstance(value, (bool, int, np.integer)):
        return varint(number << 3) + varint(int(value))
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name, a):
    kind = next(k for k, t in KINDS.values() if t == a.dtype)
    return b"".join(field(1, d) for d in a.shape) + field(2, kind) + field(8, name) + field(9, np.ascontiguousarray(a).tobytes())


def attribute(name, v):
    if isinstance(v, np.ndarray):
        return field(1, name) + field(5, tensor("", v)) + field(20, 4)
    if isinstance(v, (list, tuple)):
        if v and isinstance(v[0], float):
            return field(1, name) + b"".join(field(7, x) for x in v) + field(20, 6)
        return field(1, name) + b"".join(field(8, x) for x in v) + field(20, 7)
    if isinstance(v, float):
        return field(1, name) + field(2, v) + field(20, 1)
    if isinstance(v, str):
        return field(1, name) + field(4, v) + field(20, 3)
    return field(1, name) + field(3, v) + field(20, 2)


def value_info(name, kind, shape):
    dims = b"".join(field(1, field(1, d)) for d in shape)
    return field(1, name) + field(2, field(1, field(1, KINDS[kind][0]) + field(2, dims)))


class Value:
    def __init__(self, name, shape, kind):
        self.name, self.shape, self.kind = name, tuple(int(d) for d in shape), kind


class Model:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.opset = self.pick(11, 12, 13, 13, 14, 15, 17, 17, 18, 19, 20, 21)
        self.nodes, self.initializers, self.inputs, self.n = [], [], [], 0
        self.values, self.used, self.samples = [], set(), {}
        self.unit = self.pick(1.0, 1.0, 1.0, 1.0, 1.0, 30.0, 0.01)

    # ---- chance ----
    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, p):
        return self.rng.random() < p

    def between(self, lo, hi):
        return int(self.rng.integers(lo, hi + 1))

    def channels(self):
        return self.pick(1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 16, 17, 18, 22, 24, 32, 34)

    # ---- building ----
    def name(self, stem):
        self.n += 1
        return f"{stem}{self.n}"

    def input(self, shape, kind="f32", make=None):
        v = Value(f"x{len(self.inputs)}", shape, kind)
        count = max(4, 2 * (v.shape[0] if v.shape else 1))
        data = make((count,) + v.shape[1:]) if make else self.rng.standard_normal((count,) + v.shape[1:]) * self.unit
        self.samples[v.name] = data.astype(KINDS[kind][1])
        self.inputs.append(v)
        self.values.append(v)
        return v

    def const(self, a, as_node=0.15):
        """The name of a constant: an initializer, or a Constant node."""
        name = self.name("c")
        if self.chance(as_node):
            self.nodes.append(field(2, name) + field(4, "Constant") + field(5, attribute("value", a)))
        else:
            self.initializers.append(tensor(name, a))
        return name

    def floats(self, shape, scale=1.0):
        return self.const(np.asarray(self.rng.standard_normal(shape) * scale, np.float32))

    def scalar(self, v, shape=()):
        return self.const(np.full(shape, v, np.float32))

    def ints(self, *v):
        return self.const(np.array(v, np.int64))

    def node(self, op, operands, shapes, kind="f32", domain="", **attributes):
        """Results with these shapes (a list of tuples); operands are Values, names, or None for one that is left out."""
        names = [o.name if isinstance(o, Value) else o or "" for o in operands]
        out = [Value(self.name("v"), s, kind) for s in shapes]
        body = b"".join(field(1, n) for n in names) + b"".join(field(2, v.name) for v in out) + field(3, f"{op}_{self.n}") + field(4, op)
        body += b"".join(field(5, attribute(k, v)) for k, v in attributes.items() if v is not None)
        self.nodes.append(body + (field(7, domain) if domain else b""))
        self.used.update(names)
        self.values += out
        return out[0] if len(out) == 1 else out

    def some(self, want=lambda s: True, kind="f32"):
        pool = [v for v in self.values if v.kind == kind and want(v.shape)]
        return pool[max(0, len(pool) - 1 - int(self.rng.exponential(2.0)))] if pool else None

    def bytes(self, outputs):
        graph = b"".join(field(1, n) for n in self.nodes) + field(2, "g") + b"".join(field(5, t) for t in self.initializers)
        graph += b"".join(field(11, value_info(v.name, v.kind, v.shape)) for v in self.inputs)
        graph += b"".join(field(12, value_info(v.name, v.kind, v.shape)) for v in outputs)
        return field(1, 8) + field(7, graph) + field(8, field(2, self.opset)) + field(8, field(1, "com.microsoft") + field(2, 1))
