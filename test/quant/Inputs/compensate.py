#!/usr/bin/env python3
"""compensate.py FOLDER LEVEL NAME...: each network of smooth.py with weights rounded to the nearest and
with correct=: noise in dB, the object against the evaluator."""
import json
import pathlib
import re
import subprocess
import sys

folder, level, names = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def integers(file):
    """The bytes of the tensors of i8."""
    n = int.from_bytes(file[:8], "little")
    tensors = [t["data_offsets"] for t in json.loads(file[8:8 + n]).values() if t.get("dtype") == "I8"]
    return [file[8 + n + a:8 + n + b] for a, b in tensors]


for name in names:
    data = folder / ("flat.npz" if name in ("flat", "dotted", "sparse") else "x.npz")
    source, noise, weights = folder / f"{name}.mir", [], []
    for correct in "", f"{{correct={data}}}":
        q, o = folder / f"{name}{len(noise)}.mir", folder / f"{name}{len(noise)}.o"
        run("mc-opt", f"--pass-pipeline=calibrate{{data={data}}},quantize{correct}", "-verify-each", source, "-o", q)
        run("mcc", "-quiet", f"-march={level}", q, "-o", o)
        run("mc-run", q, f"--compare={o}", f"--data={data}", "--limit=5", "--atol=0", "--rtol=0")
        said = run("mc-run", source, f"--compare={q}", f"--data={data}", "--atol=1e9")
        noise.append(float(re.search(r"([\d.]+) dB", said)[1]))
        weights.append(integers(q.with_suffix(".safetensors").read_bytes()))
    word = "the same weights" if weights[0] == weights[1] else "nearer" if noise[1] > noise[0] + 0.5 else "no better"
    if name == "dotted" and any(weights[1][0][5::48]):
        word = "not 0 where the weights are 0"
    print(f"{name}: {word} ({noise[0]:.1f} dB, {noise[1]:.1f} dB)")
