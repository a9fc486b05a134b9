"""Write samples for the calibration tests: usage: make_samples.py OUT.npz KIND [COUNT]"""
import sys
import numpy as np

out, kind = sys.argv[1:3]
n = int(sys.argv[3]) if len(sys.argv) > 3 else 100
rng = np.random.default_rng(1)
x = rng.normal(size=(n, 100)).astype(np.float32)
if kind == "ramp":  # every sample holds -1 ... 2
    x = np.tile(np.linspace(-1, 2, 100, dtype=np.float32), (n, 1))
elif kind == "outlier":  # normal values, and one far away
    x[0, 0] = 100
elif kind == "piles":  # mostly 0 and two other numbers, as a black background gives
    x = rng.uniform(-4, 4, x.shape).astype(np.float32)
    x[:, :60], x[:, 60:75], x[:, 75:90] = 0, 0.3, -0.7
elif kind == "nan":
    x[3, 5] = np.nan
elif kind == "shape":
    x = x[:, :50]
np.savez(out, x=x)
