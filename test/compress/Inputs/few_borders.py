"""A classifier that is sure of most inputs: FOLDER gets net.mir and calib.npz. KL is that of the few inputs near
a border, the squared error of the results that of all."""
import sys

import numpy as np

rng = np.random.default_rng(8)


def text(a):
    if a.ndim == 0:
        return repr(float(a))
    return "[" + ", ".join(text(x) for x in a) + "]"


def const(name, *shape):
    a = rng.standard_normal(shape) * rng.uniform(0.2, 2, (shape[0], 1)) / np.sqrt(shape[1])
    return f"  %{name} = const dense<{text(a.astype(np.float32).round(3))}> : f32[{shape[0]},{shape[1]}]"


lines = ["mir 1", "", "graph @net(%x: f32[1,12]) -> f32[1,4] {"]
lines += [const("w1", 24, 12), const("w2", 24, 24), const("w3", 24, 24), const("w4", 4, 24)]
lines += [
    "  %a = linear %x, %w1 {clamp=[0.0,inf]} : f32[1,24]",
    "  %b = linear %a, %w2 {clamp=[0.0,inf]} : f32[1,24]",
    "  %c = linear %b, %w3 {clamp=[0.0,inf]} : f32[1,24]",
    "  %d = linear %c, %w4 : f32[1,4]",
    "  return %d",
    "}",
]
folder = sys.argv[1]
with open(folder + "/net.mir", "w") as f:
    f.write("\n".join(lines) + "\n")
x = rng.standard_normal((400, 12)).astype(np.float32) * 8
np.savez(folder + "/calib.npz", x=x)
