"""One linear layer with many inputs, and few samples for it: linear.py NET.mir SAMPLES.npz"""
import sys
import numpy as np

rng = np.random.default_rng(1)
w = rng.standard_normal((40, 8)) @ rng.standard_normal((8, 300))
rows = ", ".join("[" + ", ".join("%.6g" % v for v in row) + "]" for row in w)
with open(sys.argv[1], "w") as f:
    f.write(f"""mir 1
graph @net(%x: f32[1,300]) -> f32[1,40] {{
  %w = const dense<[{rows}]> : f32[40,300]
  %0 = linear %x, %w : f32[1,40]
  return %0
}}
""")
np.savez(sys.argv[2], x=rng.standard_normal((64, 1, 300)).astype(np.float32))
