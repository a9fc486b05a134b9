#!/usr/bin/env python3
"""equalize.py FOLDER LEVEL NAME...: each network of unbalanced.py through equalize: its contract, the
evaluator's bytes from the INT8 object, and the noise of INT8 with it and without it (dB)."""
import re
import subprocess
import sys

folder, level, names = sys.argv[1], sys.argv[2], sys.argv[3:]
DATA = f"{folder}/x.npz"
TIDY = "fold-qdq,fuse-activation,canonicalize,dce"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def int8(name, source):
    q = f"{folder}/{name}.q.mir"
    run("mc-opt", f"--pass-pipeline=calibrate{{data={DATA}}},quantize{{correct={DATA}}},{TIDY}", source, "-o", q)
    run("mcc", "-quiet", f"-march={level}", q, "-o", f"{folder}/{name}.o")
    run("mc-run", q, f"--compare={folder}/{name}.o", f"--data={DATA}", "--limit=5", "--atol=0", "--rtol=0")
    said = run("mc-run", f"{folder}/{name}.mir", f"--compare={q}", f"--data={DATA}", "--atol=1e9")
    return float(re.search(r"([\d.]+) dB", said)[1])


for name in names:
    source, better = f"{folder}/{name}.mir", f"{folder}/{name}.e.mir"
    run("mc-opt", f"--pass=equalize{{data={DATA}}}", "-verify-each", f"-check-numerics={DATA}", source, "-o", better)
    before, after = int8(name, source), int8(name, better)
    print(f"{name}: {'ok' if after > before + 6 else 'INT8 as before'} ({before:.1f} dB, {after:.1f} dB with factors)")
