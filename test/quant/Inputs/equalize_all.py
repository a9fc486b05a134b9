#!/usr/bin/env python3
"""equalize_all.py FOLDER: equalize on every network of the folder, held to its contract on normal
inputs; how many there were and how many layers changed."""
import pathlib
import re
import subprocess
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(1)
nets = layers = 0
for net in sorted(folder.glob("*.mir")):
    inputs = re.search(r"^graph @\w+\((.*)\) ->", net.read_text(), re.M)[1]
    arrays = {}
    for name, element, dims in re.findall(r"%(\w+): (\w+)\[([\d,]*)\]", inputs):
        shape = (40, *map(int, dims.split(",")[1:]))
        arrays[name] = rng.standard_normal(shape).astype(np.float32) if element == "f32" else rng.integers(0, 5, shape)
    data = net.with_suffix(".npz")
    np.savez(data, **arrays)
    command = ["mc-opt", f"--pass=equalize{{data={data}}}", "-verify-each", f"-check-numerics={data}", "-stats", net, "-o", "-"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{net}: exit code {done.returncode}\n{done.stderr}")
    nets += 1
    layers += int(re.search(r"(\d+) equalize +layers", done.stderr)[1])
print(f"{nets} networks, {layers} layers with other weights")
