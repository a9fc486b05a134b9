#!/usr/bin/env python3
"""bits.py FOLDER LEVEL NAME...: each network of smooth.py with weights of few bits, to the nearest and by
samples: how many values a row has, noise in dB, zeros that stay; the object against the evaluator."""
import json
import pathlib
import re
import subprocess
import sys

import numpy as np

folder, level, names = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def integers(path):
    """The tensors of i8, [rows, columns]."""
    file = path.read_bytes()
    n = int.from_bytes(file[:8], "little")
    for t in json.loads(file[8:8 + n]).values():
        if t.get("dtype") == "I8":
            a, b = t["data_offsets"]
            yield np.frombuffer(file[8 + n + a:8 + n + b], np.int8).reshape(t["shape"][0], -1).astype(int)


def steps(row):
    """Whole numbers that the row's weights are, without their common factor."""
    return row // max(np.gcd.reduce(row), 1)


for name in names:
    data = folder / ("flat.npz" if name in ("flat", "dotted", "sparse") else "x.npz")
    source, noise, most = folder / f"{name}.mir", [], 0
    for how in "", f" rounding-method=descent data={data}", f" rounding-method=gptq data={data}":
        q, o = folder / f"{name}.q{len(noise)}.mir", folder / f"{name}{len(noise)}.o"
        run("mc-opt", f"--pass-pipeline=calibrate{{data={data}}},quantize{{bits=4{how}}}", "-verify-each", source, "-o", q)
        run("mcc", "-quiet", f"-march={level}", q, "-o", o)
        run("mc-run", q, f"--compare={o}", f"--data={data}", "--limit=5", "--atol=0", "--rtol=0")
        said = run("mc-run", source, f"--compare={q}", f"--data={data}", "--atol=1e9")
        noise.append(float(re.search(r"(-?[\d.]+) dB", said)[1]))
        for w in integers(q.with_suffix(".safetensors")):
            for row in w:
                s = steps(row)
                assert s.min() >= -8 and s.max() <= 7, (name, how, row)
            if name == "sparse":
                assert not w[:, :16].any(), how
    word = "nearer" if min(noise[1:]) > noise[0] + 1 else "no better"
    print(f"{name}: {word} ({', '.join(f'{n:.1f}' for n in noise)} dB)")
