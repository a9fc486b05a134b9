"""wrong_samples.py FOLDER: a network whose batch norm learned smooth pictures from 0 to 1, such
pictures, and others that are wrong in one way each."""
import sys

import numpy as np

d, r = sys.argv[1], np.random.RandomState(1)
y, x = np.mgrid[0:16, 0:16] / 16
a = r.rand(3, 40, 1, 1, 3)
good = np.clip(a[0] * y[None, :, :, None] + a[1] * x[None, :, :, None] + 0.3 * a[2], 0, 1).astype("f")
good = (good * np.array([1, 0.6, 0.3])).astype("f")
w = r.randn(8, 3).astype("f")
t = good.reshape(-1, 3) @ w.T


def const(v):
    v = np.asarray(v)
    text = str(v.astype("f8").tolist()).replace(" ", "")
    return f"dense<{text}>"


open(d + "/net.mir", "w").write(f"""mir 1

graph @net(%x: f32[1,16,16,3]) -> f32[1,16,16,8] {{
  %w = const {const(w.reshape(8, 1, 1, 3))} : f32[8,1,1,3]
  %g = const {const(np.ones(8))} : f32[8]
  %b = const {const(np.zeros(8))} : f32[8]
  %m = const {const(t.mean(0))} : f32[8]
  %v = const {const(t.var(0))} : f32[8]
  %c = conv2d %x, %w : f32[1,16,16,8]
  %n = batch_norm %c, %g, %b, %m, %v : f32[1,16,16,8]
  %y = relu %n : f32[1,16,16,8]
  return %y
}}
""")
np.savez(d + "/good.npz", x=good)
np.savez(d + "/raw.npz", x=(good * 255).astype("u1"))
np.savez(d + "/zeros.npz", x=good * 0)
np.savez(d + "/mask.npz", x=good > 0.5)
np.savez(d + "/planes.npz", x=good.transpose(0, 3, 1, 2).reshape(good.shape))
np.savez(d + "/few.npz", x=good[:2])
np.savez(d + "/extra.npz", x=good, mask=good[..., :1], y=np.arange(40))
