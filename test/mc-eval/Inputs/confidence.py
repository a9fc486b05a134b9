#!/usr/bin/env python3
"""confidence.py make FOLDER: scores.npz, probabilities.npz, single.npz, sure.npz (samples and labels).
confidence.py figures DATA: NLL, Brier score and ECE of softmax(tau * x), computed here, as mc-eval prints them."""
import pathlib
import sys

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def make(folder):
    rng = np.random.default_rng(7)
    z = 3 * rng.standard_normal((300, 4)).astype(np.float32)
    y = np.array([rng.choice(4, p=p) for p in softmax(z / 2.5)])
    np.savez(folder / "scores.npz", x=z, y=y)
    p = softmax(z).astype(np.float32)
    np.savez(folder / "probabilities.npz", x=p, y=y)
    one = rng.random((300, 1)).astype(np.float32)
    np.savez(folder / "single.npz", x=one, y=(rng.random(300) < one[:, 0]).astype(np.int64))
    np.savez(folder / "sure.npz", x=z, y=z.argmax(1))
    np.savez(folder / "infinite.npz", x=np.where(np.arange(300)[:, None] == 5, np.inf, z).astype(np.float32), y=y)
    np.savez(folder / "unlabelled.npz", x=z)
    np.savez(folder / "many.npz", x=z, y=y + 3)


def figures(p, y, bins=15):
    n = len(y)
    nll = -np.log(np.maximum(p[np.arange(n), y], 1e-12)).mean()
    brier = ((p - np.eye(p.shape[1])[y]) ** 2).sum(1).mean()
    conf, right = p.max(1), p.argmax(1) == y
    at = np.clip(np.ceil(conf * bins).astype(int) - 1, 0, bins - 1)
    ece = sum(abs(right[at == b].sum() - conf[at == b].sum()) for b in range(bins)) / n
    return f"NLL {nll:.4f}, Brier score {brier:.4f}, ECE {100 * ece:.2f} %"


def main():
    path = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "make":
        path.mkdir(parents=True, exist_ok=True)
        return make(path)
    d = np.load(path)
    x, y = d["x"].astype(np.float64), d["y"]
    p = np.hstack([1 - x, x]) if x.shape[1] == 1 else x if "prob" in path.name else softmax(x)
    bins = int(sys.argv[3]) if len(sys.argv) > 3 else 15
    print(figures(p, y, bins))


main()
