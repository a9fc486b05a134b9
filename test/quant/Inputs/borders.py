#!/usr/bin/env python3
"""borders.py FOLDER: layers that read more padding than pixels in some columns, in INT8 with
correct=: whether the mean of each channel stays what it was."""
import pathlib
import subprocess
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "utils"))
from netgen.net import Net  # noqa: E402

LAYERS = {  # op, input, weights, output, attributes
    "small": ("conv2d", (1, 3, 3, 8), (12, 3, 3, 8), (1, 3, 3, 12), "pad=[1,1,1,1]"),
    "depthwise": ("conv2d", (1, 3, 3, 8), (8, 3, 3, 1), (1, 3, 3, 8),
                  "groups=8, pad=[1,1,1,1]"),
    "grouped": ("conv2d", (1, 4, 4, 8), (12, 3, 3, 4), (1, 2, 2, 12),
                "groups=2, stride=[2,2], pad=[0,0,1,1]"),
    "transposed": ("conv_transpose2d", (1, 3, 3, 8), (12, 3, 3, 8), (1, 6, 6, 12),
                   "stride=[2,2], pad=[0,0,1,1]"),
    "batch": ("conv2d", (2, 3, 3, 8), (12, 3, 3, 8), (2, 3, 3, 12), "pad=[1,1,1,1]"),
    "nothing": ("conv2d", (1, 1, 1, 8), (12, 2, 1, 8), (1, 1, 1, 12),
                "dilation=[2,1], pad=[1,0,1,0]"),
}
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(7)


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stderr}")


def output(net, data):
    run("mc-run", net, "--ref", f"--data={data}", "-o", folder / "y.npz")
    with np.load(folder / "y.npz") as y:
        rows = np.concatenate([y[k].astype(np.float64) for k in y])
        return rows.reshape(-1, rows.shape[-1])


for name, (op, shape, weights, out, attrs) in LAYERS.items():
    net, small, data = folder / f"{name}.mir", folder / f"{name}.q.mir", folder / f"{name}.npz"
    level = 1 + rng.random(8)
    x = level + 0.3 * rng.standard_normal((400, *shape[1:]))
    np.savez(data, x=x.astype(np.float32))
    g = Net(3)
    w = rng.standard_normal(weights).astype(np.float32)
    x, w = g.input("x", shape), g.const(weights, w, share=0)
    y = g.op(f"{op} {x}, {w} {{{attrs}}}", out, reads=[x])
    g.write(net, [(y[0], g.type(out))])
    passes = f"calibrate{{data={data}}},quantize{{correct={data}}}"
    run("mc-opt", f"--pass-pipeline={passes}", net, "-o", small)
    error = output(small, data) - output(net, data)
    shift, noise = np.abs(error.mean(0)).max(), np.sqrt(np.square(error).mean())
    word = "kept" if shift <= 0.05 * noise else "shifted"
    print(f"{name}: {word} ({shift:.2g}, noise {noise:.2g})")
