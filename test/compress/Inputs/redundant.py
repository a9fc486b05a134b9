"""A network where half of the channels are multiples of the others, and samples for it: FOLDER gets net.mir,
calib.npz, few.npz (8 samples), nan.npz, and wrong.npz (another shape). Removing the multiples loses nothing when
the layers that read them take over."""
import sys

import numpy as np

rng = np.random.default_rng(5)


def text(a):
    if a.ndim == 0:
        return repr(float(a))
    return "[" + ", ".join(text(x) for x in a) + "]"


def const(name, a):
    dims = ",".join(str(n) for n in a.shape)
    return f"  %{name} = const dense<{text(a)}> : f32[{dims}]"


def filters(o, k, i):
    w = rng.standard_normal((o, k, k, i)).astype(np.float32).round(3) / (k * np.sqrt(i)).astype(np.float32)
    w[o // 2:] = 2 * w[: o // 2]
    return w


w1, w2, w3 = filters(8, 3, 3), filters(8, 1, 8), filters(8, 3, 8)
wl = rng.standard_normal((5, 8)).astype(np.float32).round(3)
lines = ["mir 1", "", "graph @net(%x: f32[1,6,6,3]) -> f32[1,5] {"]
lines += [const("w1", w1), const("w2", w2), const("w3", w3), const("wl", wl)]
lines += [
    '  %a = conv2d %x, %w1 {pad=[1,1,1,1]} : f32[1,6,6,8] loc("first")',
    "  %ra = relu %a : f32[1,6,6,8]",
    '  %b = conv2d %ra, %w2 : f32[1,6,6,8] loc("second")',
    "  %rb = relu %b : f32[1,6,6,8]",
    '  %c = conv2d %rb, %w3 {pad=[1,1,1,1]} : f32[1,6,6,8] loc("third")',
    "  %s = add %c, %ra : f32[1,6,6,8]",
    "  %rs = relu %s : f32[1,6,6,8]",
    "  %p = global_avg_pool %rs : f32[1,1,1,8]",
    "  %f = reshape %p {shape=[1,8]} : f32[1,8]",
    '  %y = linear %f, %wl : f32[1,5] loc("last")',
    "  return %y",
    "}",
]
folder = sys.argv[1]
with open(folder + "/net.mir", "w") as f:
    f.write("\n".join(lines) + "\n")
x = rng.standard_normal((200, 6, 6, 3)).astype(np.float32)
np.savez(folder + "/calib.npz", x=x)
np.savez(folder + "/few.npz", x=x[:8])
x[3, 1, 1, 0] = np.nan
np.savez(folder + "/nan.npz", x=x)
np.savez(folder + "/wrong.npz", x=np.zeros((10, 5, 5, 3), np.float32))
