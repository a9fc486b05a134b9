"""Whether arrays are what they should be. usage: same.py FILE.npy|FILE.npz EXPR [EXPR...]
EXPR is numpy's, one for each array in order; equal values and shapes, or (close=N) at most N apart."""
import sys

import numpy as np

z = np.load(sys.argv[1])
got = [z] if isinstance(z, np.ndarray) else [z[k] for k in z.files]
far = [float(a[6:]) for a in sys.argv if a.startswith("close=")]
want = [eval(a, {"np": np}) for a in sys.argv[2:] if not a.startswith("close=")]
assert len(got) == len(want), z.files
for g, w in zip(got, want):
    w = np.asarray(w)
    assert g.shape == w.shape, (g.shape, w.shape)
    d = np.abs(g.astype("f8") - w.astype("f8"))
    assert np.all((g == w) | (np.isnan(g) & np.isnan(w)) if not far else d <= far[0]), (g, w)
