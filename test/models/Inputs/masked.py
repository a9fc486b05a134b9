#!/usr/bin/env python3
"""masked.py WHOLE.mir PRUNED.mir OUT.mir: WHOLE with zero weights and bias in every channel that PRUNED lacks. It computes what PRUNED computes.

Removed channels are found by their bias: what is left of it is a subsequence. Needs folded batch norms and weights in safetensors files."""
import json
import pathlib
import re
import struct
import sys

import numpy as np


def read(path):
    raw = path.read_bytes()
    n = struct.unpack("<Q", raw[:8])[0]
    entries = {k: v for k, v in json.loads(raw[8:8 + n]).items() if k != "__metadata__"}
    part = lambda v: raw[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]
    return {k: np.frombuffer(part(v), np.float32).reshape(v["shape"]).copy() for k, v in entries.items()}


def write(path, tensors):
    head, data = {}, b""
    for k, v in tensors.items():
        head[k] = {"dtype": "F32", "shape": list(v.shape), "data_offsets": [len(data), len(data) + v.nbytes]}
        data += v.tobytes()
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def module(path):
    """Text, tensors, and the (weight, bias) names of all convolutions in order."""
    text = path.read_text()
    tensors = read(path.parent / re.search(r'^weights "(.*)"$', text, re.M)[1])
    names = dict(re.findall(r"(%\S+) = weight @(\S+)", text))
    return text, tensors, [(names[w], names[b]) for w, b in re.findall(r"= conv2d %\S+, (%\S+), (%\S+)", text)]


def subsequence(part, whole):
    at = 0
    for v in part:
        while whole[at] != v:
            at += 1
        yield at
        at += 1


whole, pruned, out = map(pathlib.Path, sys.argv[1:])
(text, tensors, convs), (_, left, convs_left) = module(whole), module(pruned)
assert len(convs) == len(convs_left)
removed = 0
for (weight, bias), (_, bias_left) in zip(convs, convs_left):
    gone = np.ones(len(tensors[bias]), bool)
    gone[list(subsequence(left[bias_left], tensors[bias]))] = False
    tensors[weight][gone] = 0
    tensors[bias][gone] = 0
    removed += gone.sum()
write(out.with_suffix(".safetensors"), tensors)
out.write_text(re.sub(r'^weights ".*"$', f'weights "{out.stem}.safetensors"', text, flags=re.M))
print(f"{removed} channels are zero")
