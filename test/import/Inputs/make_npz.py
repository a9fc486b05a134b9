"""make_npz.py OUT CASE: an .npy or .npz file, right or wrong in one way."""
import io
import struct
import sys
import zipfile

import numpy as np

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def npy(x, version=None):
    b = io.BytesIO()
    np.lib.format.write_array(b, x, version=version)
    return b.getvalue()


def npz(members, method=zipfile.ZIP_STORED):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", method) as z:
        for name, data in members:
            z.writestr(name, data)
    return b.getvalue()


def bomb():
    """A header that promises six numbers before ten million bytes."""
    return npz([("x.npy", npy(X) + b"\0" * 10000000)], zipfile.ZIP_DEFLATED)


def huge():
    """A header and an archive entry that promise 2^40 bytes, which no input of this size can hold."""
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776,), }"
    head += b" " * (117 - len(head)) + b"\n"
    data = b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head
    return npz([("x.npy", data)])


def lying_size(real, said):
    """The central directory and the local header say another uncompressed size than the member has."""
    data = npz([("x.npy", npy(np.zeros(1000, np.uint8)))], zipfile.ZIP_DEFLATED)
    return data.replace(struct.pack("<I", real), struct.pack("<I", said))


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


CASES = {
    "v1": lambda: npy(X, (1, 0)),
    "v2": lambda: npy(X, (2, 0)),
    "v3": lambda: npy(X, (3, 0)),
    "scalar": lambda: npy(np.float64(3.5)),
    "fortran": lambda: npy(np.asfortranarray(X)),
    "big-endian": lambda: npy(X.astype(">f4")),
    "complex": lambda: npy(X.astype(np.complex64)),
    "struct": lambda: npy(np.zeros(3, dtype=[("a", "<f4")])),
    "cut": lambda: npy(X)[:-1],
    "long": lambda: npy(X) + b"\0",
    "stored": lambda: npz([("x.npy", npy(X)), ("note.txt", b"hello"), ("y.npy", npy(np.arange(2)))]),
    "deflated": lambda: npz([("x.npy", npy(X)), ("y.npy", npy(np.arange(2)))], zipfile.ZIP_DEFLATED),
    "wide": lambda: npz([
        ("a.npy", npy(X.astype("<u2") * 9999)),
        ("b.npy", npy(X.astype("<u4") * 800000000)),
        ("c.npy", npy(X.astype("<u8") * 800000000)),
        ("d.npy", npy(np.asfortranarray(X.astype("<u2") * 9999))),
        ("e.npy", npy(np.zeros(3, "V2"))),
        ("f.npy", npy(np.asfortranarray(X.astype("<f2"))))]),
    "u64": lambda: npy(np.array([1, 2**63], "<u8")),
    "bzip2": lambda: npz([("x.npy", npy(X))], zipfile.ZIP_BZIP2),
    "bomb": bomb,
    "huge": huge,
    "short-size": lambda: lying_size(1128, 1127),
    "none": lambda: npz([("note.txt", b"hello")]),
    "nothing": lambda: b"",
    "text": lambda: b"not a zip file at all",
    "end-cut": lambda: npz([("x.npy", npy(X))])[:-30],
    "crc": lambda: flip(npz([("x.npy", npy(X))]), 35 + 128 + 3),
    "not-npy": lambda: npz([("x.npy", b"hello")]),
    "member-cut": lambda: npz([("x.npy", npy(X)[:40])]),
}
open(sys.argv[1], "wb").write(CASES[sys.argv[2]]())
