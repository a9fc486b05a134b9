"""Small files for the commands of the documentation, in a folder: fixtures.py ROOT FOLDER

The network is the example's (examples/quickstart), imported for the bytes of a picture; 64 pictures to
calibrate on, 200 to test on. The figures that pages print are those of these files.
"""
import subprocess
import sys
from pathlib import Path

import numpy as np

PREPROCESS = "scale=1/255 mean=0.5,0.5,0.5 std=0.24,0.24,0.24"
APP = """#include "net.h"
int main(void) {
  static _Alignas(NET_ARENA_ALIGN) unsigned char arena[NET_ARENA_BYTES];
  static NET_IMAGE_TYPE image[NET_IMAGE_ELEMS];
  float out[NET_LOGITS_ELEMS];
  return net_run(image, out, arena);
}
"""
TWO = """mir 1
// A picture and numbers of rows of a table.
graph @two(%image: u8[1,32,32,3], %ids: i64[2]) -> f32[2,4], f32[1,32,32,3] {
  %t = const dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : f32[2,4]
  %0 = gather %t, %ids {axis=0} : f32[2,4]
  %1 = cast %image : f32[1,32,32,3]
  return %0, %1
}
"""
AUTOENCODER = """mir 1
// Reconstructs a window of 8 values as their mean.
graph @ad(%x: f32[1,8]) -> f32[1,8] {
  %w = const dense<0.125> : f32[8,8]
  %b = const dense<0.0> : f32[8]
  %0 = linear %x, %w, %b : f32[1,8]
  return %0
}
"""


def tool(*command):
    subprocess.run([str(c) for c in command], check=True, stderr=subprocess.DEVNULL)


def samples(source, to, count):
    data = np.load(source)
    np.savez(to, x=data["x"][:count], y=data["y"][:count])


def make(root, folder):
    example = root / "examples" / "quickstart"
    (folder / "net.onnx").write_bytes((example / "shapes.onnx").read_bytes())
    options = ["--input-layout=nhwc", "--input-type=u8", f"--preprocess={PREPROCESS}"]
    tool("mc-import", folder / "net.onnx", *options, "-o", folder / "net.mir")
    for name in ("calib", "samples"):
        samples(example / "calib.npz", folder / f"{name}.npz", 64)
    for name in ("test", "val"):
        samples(example / "test.npz", folder / f"{name}.npz", 200)
    text = (folder / "net.mir").read_text()
    (folder / "net.mir").write_text(text.replace("graph @torch_jit(", "graph @net("))
    calib = f"-calib={folder}/calib.npz"
    tool("mcc", "-quiet", "-quant=int8", calib, "-emit=mir", folder / "net.mir", "-o", folder / "q.mir")
    tool("mcc", "-quiet", "-quant=int8", calib, folder / "net.mir", "-o", folder / "net.o")
    tool("mcc", "-quiet", "-name=net", folder / "net.mir", "-o", folder / "old.o")
    tool("mcc", "-quiet", "-name=net", "-quant=int8", calib, folder / "net.mir", "-o", folder / "new.o")
    (folder / "app.c").write_text(APP)
    (folder / "two.mir").write_text(TWO)
    (folder / "ad.mir").write_text(AUTOENCODER)
    tool("mcc", "-quiet", folder / "ad.mir", "-o", folder / "ad.o")
    np.save(folder / "x.npy", np.load(folder / "test.npz")["x"][:1])
    np.save(folder / "i.npy", np.array([1, 0]))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, np.repeat([0.1, 1.0], 10), (4, 16, 20)).transpose(2, 0, 1)
    np.savez(folder / "spectrograms.npz", x=noise.astype(np.float32), y=np.repeat([0, 1], 10))


make(Path(sys.argv[1]), Path(sys.argv[2]))
