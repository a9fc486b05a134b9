"""Just enough of the protobuf wire format to write small ONNX models without the onnx module."""


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """An integer, or anything that is bytes on the wire (text, bytes, a message)."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def node(op, inputs, outputs, name="", domain="", attributes=b""):
    return (b"".join(field(1, x) for x in inputs) + b"".join(field(2, y) for y in outputs) + field(3, name) + field(4, op) + attributes
            + (field(7, domain) if domain else b""))


def dims(shape):
    """Integers, or names of symbolic dimensions."""
    return b"".join(field(1, field(2 if isinstance(d, str) else 1, d)) for d in shape)


def value(name, shape, kind=1):
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims(shape))))


def model(nodes, inputs, outputs, initializers=(), opset=17):
    graph = (b"".join(field(1, n) for n in nodes) + field(2, "g") + b"".join(field(5, t) for t in initializers) + b"".join(field(11, i) for i in inputs)
             + b"".join(field(12, o) for o in outputs))
    return field(1, 8) + field(7, graph) + field(8, field(2, opset))


def fields(data):
    """The fields of a message: [(number, integer or bytes)]."""
    out, at = [], 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            b = data[at]
            at += 1
            n |= (b & 127) << shift
            if b < 128:
                return n
            shift += 7

    while at < len(data):
        key = number()
        kind = key & 7
        if kind == 0:
            v = number()
        else:
            size = {1: 8, 5: 4}.get(kind) or number()
            v = data[at:at + size]
            at += size
        out.append((key >> 3, v))
    return out


def signed(n):
    return n - (1 << 64) if n >> 63 else n


def integers(message, number):
    """A repeated integer field, packed or not."""
    out = []
    for k, v in message:
        if k != number:
            continue
        out += [v] if isinstance(v, int) else [x for _, x in fields(b"".join(b"\0" + p for p in varints(v)))]
    return [signed(n) for n in out]


def varints(data):
    """The encoded integers of a packed field, one by one."""
    part = b""
    for b in data:
        part += bytes([b])
        if b < 128:
            yield part
            part = b""
