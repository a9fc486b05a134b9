"""A classifier of four linear layers and samples for it: partial.py FOLDER.

Weights of layer 'wild' have heavy tails, so that 8 bits say little of most of them; labels are what
the network says in fp32."""
import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(5)
names = ["first", "wild", "mild", "last"]
sizes = [16, 32, 32, 32, 6]
weights = [rng.standard_normal((o, i)) / np.sqrt(i) for i, o in zip(sizes, sizes[1:])]
weights[1] *= 0.2
weights[1][:, 3] *= 60
weights = [np.round(w, 4) for w in weights]


def rows(w):
    return "[" + ", ".join("[" + ", ".join(f"{v:.4f}" for v in row) + "]" for row in w) + "]"


text, x = "mir 1\ngraph @net(%x: f32[1,16]) -> f32[1,6] {\n", "%x"
for name, w in zip(names, weights):
    text += f"  %{name}.w = const dense<{rows(w)}> : f32[{w.shape[0]},{w.shape[1]}]\n"
    text += f'  %{name} = linear {x}, %{name}.w : f32[1,{w.shape[0]}]\n'
    x = f"%{name}"
    if name != "last":
        text += f"  %{name}.r = relu {x} : f32[1,{w.shape[0]}]\n"
        x = f"%{name}.r"
(folder / "net.mir").write_text(text + f"  return {x}\n}}\n")


def run(x):
    for w in weights[:-1]:
        x = np.maximum(x @ w.T, 0)
    return x @ weights[-1].T


for name, n in [("calib", 200), ("eval", 400)]:
    x = rng.uniform(-1, 1, (n, 16)).astype(np.float32)
    if name == "calib":
        np.savez(folder / "calib.npz", x=x)
    else:
        np.savez(folder / "eval.npz", x=x, y=run(x.astype(float)).argmax(1))
