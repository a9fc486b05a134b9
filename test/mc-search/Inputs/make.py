"""make.py FOLDER: a small classifier (net.mir, net.safetensors), samples to calibrate on (calib.npz: x)
and to judge by (val.npz: x, y; the labels are what the network says, one in ten wrong)."""
import json
import struct
import sys
from pathlib import Path

import numpy as np

NET = """mir 1
weights "net.safetensors"

graph @net(%x: f32[1,8,8,4]) -> f32[1,6] {
  %w1 = weight @w1 : f32[16,3,3,4]
  %a = conv2d %x, %w1 {pad=[1,1,1,1]} : f32[1,8,8,16] loc("first")
  %b = relu %a : f32[1,8,8,16]
  %w2 = weight @w2 : f32[16,3,3,16]
  %c = conv2d %b, %w2 {pad=[1,1,1,1]} : f32[1,8,8,16] loc("second")
  %d = relu %c : f32[1,8,8,16]
  %p = global_avg_pool %d : f32[1,1,1,16]
  %q = reshape %p {shape=[1,16]} : f32[1,16]
  %w3 = weight @w3 : f32[6,16]
  %y = linear %q, %w3 : f32[1,6] loc("head")
  return %y
}
"""


def save(path, tensors):
    head, data = {}, b""
    for name, t in tensors.items():
        raw = t.astype("<f4").tobytes()
        head[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def conv(x, w):
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    v = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return np.maximum(np.einsum("nijckl,oklc->nijo", v, w), 0)


def main(folder):
    r = np.random.default_rng(1)
    # Channels of falling size: some can go.
    w1 = r.normal(size=(16, 3, 3, 4)) * 0.8 ** np.arange(16)[:, None, None, None] / 6
    w2 = r.normal(size=(16, 3, 3, 16)) * 0.8 ** np.arange(16)[:, None, None, None] / 6
    w3 = r.normal(size=(6, 16))
    x = r.normal(size=(264, 8, 8, 4)).astype("f4")
    y = (conv(conv(x, w1), w2).mean((1, 2)) @ w3.T).argmax(1)
    wrong = r.random(264) < 0.1
    y = np.where(wrong, (y + 1) % 6, y)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.mir").write_text(NET)
    save(folder / "net.safetensors", {"w1": w1, "w2": w2, "w3": w3})
    np.savez(folder / "calib.npz", x=x[:64])
    np.savez(folder / "val.npz", x=x[64:], y=y[64:])
    np.savez(folder / "unlabelled.npz", x=x[64:])


main(Path(sys.argv[1]))
