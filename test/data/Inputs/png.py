"""Images for tests. usage: png.py FILE.png EXPR [BITS] [palette|interlaced]
EXPR gives an array [rows, columns] or [rows, columns, channels] (1 grey, 2 grey and alpha, 3, 4) of
uint8, or of uint16 with BITS 16; with BITS 1, 2, 4 grey values of so many bits."""
import struct
import sys
import zlib

import numpy as np


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_row(row, bits):
    if bits == 16:
        return row.astype(">u2").tobytes()
    if bits == 8:
        return row.astype("u1").tobytes()
    planes = [(row >> (bits - 1 - i)) & 1 for i in range(bits)]
    return np.packbits(np.stack(planes, -1).reshape(-1)).tobytes()


def png(x, bits=8, palette=None):
    if x.ndim == 2:
        x = x[:, :, None]
    h, w, c = x.shape
    color = 3 if palette is not None else {1: 0, 2: 4, 3: 2, 4: 6}[c]
    rows = b"".join(b"\0" + pack_row(r.reshape(-1), bits) for r in x)
    head = struct.pack(">IIBBBBB", w, h, bits, color, 0, 0, 0)
    table = chunk(b"PLTE", palette.astype("u1").tobytes()) if palette is not None else b""
    body = chunk(b"IHDR", head) + table + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


if __name__ == "__main__":
    x = eval(sys.argv[2], {"np": np})
    bits = int(sys.argv[3]) if len(sys.argv) > 3 else 8
    table = None
    if "palette" in sys.argv:
        table = np.arange(256, dtype="u1")[:, None] * np.array([[1, 0, 0]]) + np.array([[0, 7, 9]])
    open(sys.argv[1], "wb").write(png(x, bits, table))
