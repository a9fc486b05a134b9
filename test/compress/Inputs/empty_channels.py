"""net.mir and calib.npz: 1x1 layers of 64 channels on 12 x 12, of which training has emptied 48: their
rows are 1e-20 of the others, and their bias is not 0. usage: empty_channels.py FOLDER"""
import base64
import pathlib
import sys

import numpy

folder = pathlib.Path(sys.argv[1])
rng = numpy.random.default_rng(3)
lines, data = [], []


def weight(name, value):
    shape = f'f32[{",".join(map(str, value.shape))}]'
    data.append(f'  @{name} : {shape} =\n    "{base64.b64encode(value.astype("<f4").tobytes()).decode()}"\n')
    lines.append(f"  %{name} = weight @{name} : {shape}\n")


c = 8
for i in range(3):
    w, b = rng.standard_normal((64, 1, 1, c)) / c ** 0.5, numpy.abs(rng.standard_normal(64)) * 0.1
    if i < 2:
        w[16:] *= 1e-20
        b[16:] = -b[16:]
    if i > 0:
        w[..., 16:] *= 1e-20
    weight(f"w{i}", w), weight(f"b{i}", b)
    lines.append(f'  %y{i} = conv2d %x{i}, %w{i}, %b{i} : f32[1,12,12,64] loc("layer{i}")\n')
    lines.append(f"  %x{i + 1} = relu %y{i} : f32[1,12,12,64]\n")
    c = 64
weight("v", rng.standard_normal((10, 64)) / 8)
lines.append("  %p = global_avg_pool %x3 : f32[1,1,1,64]\n  %f = reshape %p {shape=[1,64]} : f32[1,64]\n"
             "  %z = linear %f, %v : f32[1,10]\n  %s = softmax %z {axis=1} : f32[1,10]\n  return %s\n")
(folder / "net.mir").write_text("mir 1\ngraph @net(%x0: f32[1,12,12,8]) -> f32[1,10] {\n" + "".join(lines)
                                + "}\ndata {\n" + "".join(data) + "}\n")
numpy.savez(folder / "calib.npz", x0=rng.standard_normal((96, 12, 12, 8)).astype("f4"))
