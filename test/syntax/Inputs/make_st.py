"""make_st.py OUT.safetensors CASE: a safetensors file, right or wrong in one way."""
import json
import struct
import sys

F = struct.pack("<4f", 1, 2, 3, 4)


def build(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def one(dtype="F32", shape=(2, 2), offsets=(0, 16), data=F):
    return build({"w": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}, data)


CASES = {
    "good": lambda: one(),
    "metadata": lambda: build({"__metadata__": {"by": "a test"}, "w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}, F),
    "unaligned": lambda: build({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, "w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [1, 17]}}, b"\x07" + F),
    "unsupported": lambda: one(dtype="U32"),
    "bad-bool": lambda: one(dtype="BOOL", shape=(16,)),
    "empty": lambda: b"",
    "short": lambda: b"\x10\0\0",
    "header-cut": lambda: one()[:20],
    "data-cut": lambda: one()[:-1],
    "length-huge": lambda: build({}, b"", 2**63),
    "not-json": lambda: build(b"{'w': 1}", F),
    "array": lambda: build([1], F),
    "deep": lambda: build(b"[" * 5000 + b"]" * 5000, F),
    "overflow": lambda: one(shape=(2**33, 2**33), offsets=(0, 16)),
    "outside": lambda: one(offsets=(16, 32)),
    "size": lambda: one(shape=(2, 3)),
    "overlap": lambda: build({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "v": {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}}, F),
    "twice": lambda: build(b'{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', F),
}
open(sys.argv[1], "wb").write(CASES[sys.argv[2]]())
