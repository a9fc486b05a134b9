"""usage: arrays.py FILE NAME=EXPRESSION...: write an npz (or one array as npy) of numpy expressions."""
import sys

import numpy as np

arrays = {a.split("=", 1)[0]: np.asarray(eval(a.split("=", 1)[1], {"np": np})) for a in sys.argv[2:]}
if sys.argv[1].endswith(".npy"):
    np.save(sys.argv[1], next(iter(arrays.values())))
else:
    np.savez(sys.argv[1], **arrays)
