"""Peak memory of a pass that takes moments of many layers, with a large budget and with a small one: the same result,
and less memory by what the moments take: peak.py MC-OPT FOLDER"""
import os
import pathlib
import subprocess
import sys

import numpy as np

tool, folder = sys.argv[1:3]
LAYERS, WIDTH = 12, 320
rng = np.random.default_rng(5)
text = [f"mir 1\ngraph @net(%x: f32[1,{WIDTH}]) -> f32[1,{WIDTH}] {{\n"]
w = rng.normal(size=(WIDTH, WIDTH)) / WIDTH**0.5
rows = ",".join("[" + ",".join("%.3g" % v for v in row) + "]" for row in w)
text.append(f"  %w = const dense<[{rows}]> : f32[{WIDTH},{WIDTH}]\n")
for i in range(LAYERS):
    text.append(f"  %y{i} = linear {f'%y{i - 1}' if i else '%x'}, %w : f32[1,{WIDTH}]\n")
text.append(f"  return %y{LAYERS - 1}\n}}\n")
open(f"{folder}/net.mir", "w").write("".join(text))
np.savez(f"{folder}/x.npz", x=rng.normal(size=(16, WIDTH)).astype("f4"))


def peak(memory):
    """The pass's result and its peak memory in MiB."""
    out = pathlib.Path(folder, str(memory), "out.mir")
    out.parent.mkdir()
    options = f"lowrank{{energy=0.5 form=out repair=none data={folder}/x.npz memory={memory}}}"
    child = subprocess.Popen([tool, f"--pass={options}", f"{folder}/net.mir", "-o", out], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"memory={memory}: exit code {child.returncode}")
    return out.read_bytes() + out.with_suffix(".safetensors").read_bytes(), usage.ru_maxrss / 1024


moments = LAYERS * 4 * 2 * 8 * WIDTH**2 / 2**20
(many, high), (few, low) = peak(1024), peak(16)
print("same" if many == few else "other results", f"{high:.0f} {low:.0f} MiB")
print("obeyed" if high - low > 0.6 * moments else f"not obeyed: the moments are {moments:.0f} MiB")
