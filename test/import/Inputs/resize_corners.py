"""resize_corners.py SCALE NET.onnx: a Resize of 1x1x5x5 with align_corners by SCALE."""
import sys

import numpy as np

from made import Model

m = Model(13)
x = m.input("x", np.zeros((1, 1, 5, 5), np.float32))
scales = m.const(np.array([1, 1, float(sys.argv[1]), 1], np.float32))
attributes = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
m.output(m.op("Resize", [x, "", scales], **attributes))
with open(sys.argv[2], "wb") as f:
    f.write(m.bytes())
