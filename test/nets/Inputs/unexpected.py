"""Three networks with expected results: one value is wrong, the shape is wrong, all is right."""
import sys

import numpy as np

NET = "mir 1\ngraph @net(%x: f32[1,4]) -> f32[1,4] {\n  %y = relu %x : f32[1,4]\n  return %y\n}\n"
x = np.array([[1, -2, 3, 4]], np.float32)
y = np.maximum(x, 0)
wrong = y.copy()
wrong[0, 2] = 3.001
for n, second in ((1, wrong), (2, y[0]), (3, y)):
    with open(f"{sys.argv[1]}/{n}.mir", "w") as f:
        f.write(NET)
    np.savez(f"{sys.argv[1]}/{n}.npz", x=np.repeat(x, 4, 0))
    np.savez(f"{sys.argv[1]}/{n}.want.npz", **{"0.0": y, "1.0": second})
