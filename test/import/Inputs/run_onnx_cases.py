#!/usr/bin/env python3
"""Runs cases of test/Inputs/onnx whose names start with one of the words: import, evaluate, compare with the expected outputs.

    run_onnx_cases.py WORK [--raw] [--jit] PREFIX...
"""
import pathlib
import sys

import numpy as np

from onnx_case import check

CASES = pathlib.Path(__file__).resolve().parents[2] / "Inputs" / "onnx"


def main():
    work = pathlib.Path(sys.argv[1])
    work.mkdir(parents=True, exist_ok=True)
    options = [w for w in sys.argv[2:] if w.startswith("--") and w != "--jit"]
    run = ["--jit"] if "--jit" in sys.argv else []
    words = [w for w in sys.argv[2:] if not w.startswith("--")]
    names = sorted(p.stem for p in CASES.glob("*.npz") if p.stem in words or p.stem.startswith(tuple(w + "_" for w in words)))
    failed = 0
    for name in names:
        with np.load(CASES / f"{name}.npz") as z:
            inputs = [z[k] for k in sorted(z.files) if k.startswith("in")]
            outputs = [z[k] for k in sorted(z.files) if k.startswith("out")]
        status, why = check(CASES / f"{name}.onnx", inputs, outputs, work, options, run)
        if status != "passed":
            print(f"{name}: {status}: {why}")
            failed += 1
    print(f"{len(names) - failed} of {len(names)} cases passed")
    sys.exit(bool(failed or not names))


main()
