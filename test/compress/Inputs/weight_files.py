"""Files of scores and masks for the layers of small_net.py, and checks of what they did.

    weight_files.py make PREFIX             PREFIX.scores.npz, .scores.json, .mask.npz
    weight_files.py columns NET.mir         of c3, columns of odd channels are 0, and no others
    weight_files.py mask PREFIX NET.mir     c3 and c5 have the mask's zeros, and no others"""
import json
import pathlib
import re
import struct
import sys

import numpy as np


def weights(net, name):
    """The weights of the layer %name, from the text or the file beside it."""
    text = pathlib.Path(net).read_text()
    name = re.search(rf"%{name} = \w+ %\w+, %([\w.]+)", text)[1]
    inline = re.search(f"%{name} = const dense<(.*?)> :", text)
    if inline:
        return np.array(json.loads(inline[1]), np.float32)
    key = re.search(f"%{name} = weight @(\\S+) :", text)[1]
    raw = pathlib.Path(net).with_suffix(".safetensors").read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    found = json.loads(raw[8:8 + size])[key]
    begin, end = found["data_offsets"]
    return np.frombuffer(raw[8 + size + begin:8 + size + end], "<f4").reshape(found["shape"])


def make(prefix):
    scores = np.zeros((16, 3, 3, 16)) + np.where(np.arange(16) % 2, 1.0, 2.0)
    np.savez(prefix + ".scores.npz", c3=scores)
    open(prefix + ".scores.json", "w").write(json.dumps({"c3": scores.tolist()}))
    rng = np.random.default_rng(5)
    np.savez(prefix + ".mask.npz", c3=rng.random((16, 3, 3, 16)) < 0.4,
             c5=(rng.random((32, 3, 3, 1)) < 0.7).astype(np.float32))


def main():
    what, *rest = sys.argv[1:]
    if what == "make":
        make(rest[0])
    elif what == "columns":
        w = weights(rest[0], "c3")
        assert (w[..., 1::2] == 0).all() and (w[..., 0::2] != 0).all()
    else:
        masks = np.load(rest[0] + ".mask.npz")
        for layer in ("c3", "c5"):
            w, m = weights(rest[1], layer), masks[layer].astype(bool)
            assert ((w != 0) == m).all(), layer


if __name__ == "__main__":
    main()
