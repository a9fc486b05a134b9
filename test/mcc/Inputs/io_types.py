"""io_types.py FOLDER: networks whose borders are f64, f16 and bf16, and an input; io_types.py FOLDER check: what they gave."""
import sys
import numpy as np

TEXT = """mir 1
graph @g(%x: T[2,3]R, %s: T[]R, %n: i64[]) -> T[2,3], f32[], T[], i64[], f32[2,3], T[2,3], f32[2,3], T[2,3] {
  %a = cast %x : f32[2,3]R
  %w = const dense<[[1.0, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0, 0.0, 0.5]]> : f32[3,3]
  %b = linear %a, %w : f32[2,3]Q
  %c = cast %b : T[2,3]
  %d = cast %s : f32[]
  %e = exp %d : f32[]
  %f = cast %e : T[]
  %k = const dense<1.5> : f32[2,3]
  return %c, %e, %f, %n, %k, %c, %b, %x
}
"""
W = np.array([[1.0, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0, 0.0, 0.5]])
folder = sys.argv[1]
x, s, n = np.array([[0.1, -0.7, 1.0], [1e-3, 0.5, -1.0]]), np.array(-0.25), np.array(7)


def write():
    import os
    os.makedirs(folder, exist_ok=True)
    for t in ("f64", "f16", "bf16"):
        plain = TEXT.replace("T[", t + "[").replace("]R", "]").replace("]Q", "]")
        ranges = TEXT.replace("T[", t + "[").replace("]R", "] range(-1.0, 1.0)").replace("]Q", "] range(-4.0, 4.0)")
        for name, text in ((t, plain), (t + ".q", ranges)):
            with open(f"{folder}/{name}.mir", "w") as f:
                f.write(text)
    for name, array in (("x", x), ("s", s), ("n", n)):
        np.save(f"{folder}/{name}.npy", array)


def check():
    e, o = np.load(f"{folder}/e.npz"), np.load(f"{folder}/o.npz")
    for a, b in zip(e.files, o.files):
        print(a, e[a].dtype, e[a].shape, "equal" if e[a].dtype == o[b].dtype and e[a].shape == o[b].shape and np.array_equal(e[a], o[b]) else "different")
    y = (x.astype("f4") @ W.T.astype("f4"), np.exp(s))
    print("expected" if np.allclose(e["c"], y[0]) and np.allclose(e["f"], y[1]) and e["n"] == 7 and (e["x"] == x).all() and (e["k"] == 1.5).all() else "not as computed here")


check() if len(sys.argv) > 2 else write()
