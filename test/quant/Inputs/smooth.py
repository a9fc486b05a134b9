#!/usr/bin/env python3
"""smooth.py FOLDER: a layer of each kind (FOLDER/NAME.mir) with weights that cancel on smooth images, and
samples x.npz that are smooth: a level for each image and channel, and little beside it."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "utils"))
from netgen.net import Net, ints  # noqa: E402

rng = np.random.default_rng(3)


def weights(*shape):
    """Every row adds up to nearly 0."""
    w = rng.standard_normal(shape).astype(np.float32)
    return w - w.reshape(shape[0], -1).mean(1).reshape((-1,) + (1,) * (len(shape) - 1))


def write(folder, name, op, w, shape, out, attrs):
    g = Net(3)
    x, k = g.input("x", shape), g.const(w.shape, w, share=0)
    y = g.op(f"{op} {x}, {k} {{{attrs}}}", out, reads=[x])
    g.write(folder / f"{name}.mir", [(y[0], g.type(out))])


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    level = rng.standard_normal((400, 1, 1, 1)) + 0.1 * rng.standard_normal((400, 1, 1, 8))
    x = 3 * level + 0.5 * rng.standard_normal((400, 6, 6, 8))
    np.savez(folder / "x.npz", x=x.astype(np.float32))
    np.savez(folder / "flat.npz", x=x[:, 0].reshape(400, 48).astype(np.float32))
    image, pad = (1, 6, 6, 8), f"pad={ints((0,) * 4)}"
    write(folder, "smooth", "conv2d", weights(12, 3, 3, 8), image, (1, 4, 4, 12), pad)
    write(folder, "depthwise", "conv2d", weights(8, 3, 3, 1), image, (1, 4, 4, 8), "groups=8")
    write(folder, "grouped", "conv2d", weights(12, 3, 3, 4), image, (1, 4, 4, 12), "groups=2")
    write(folder, "transposed", "conv_transpose2d", weights(12, 1, 1, 8), image, (1, 6, 6, 12), pad)
    write(folder, "flat", "linear", weights(12, 48), (1, 48), (1, 12), "")
    for name, part in ("dotted", 5), ("sparse", slice(0, 16)):
        w = weights(12, 1, 1, 48).reshape(12, 48)
        w[:, part] = 0
        write(folder, name, "linear", w, (1, 48), (1, 12), "")
    write(folder, "wide", "conv2d", weights(4, 6, 7, 8), image, (1, 1, 2, 4), "pad=[0,1,0,1]")


main()
