#!/usr/bin/env python3
"""How far probabilities can be trusted before and after the pass temperature, fp32 and INT8.

    bench/bits/confidence.py [NETWORK...] [--build=build/release]

One Markdown table. Every second sample of a network's largest test set is what temperature is fitted on, the
others are what all figures are of, by objects for this machine. Exit code 1 when NLL of the others, in fp32,
rises (by more than 0.01 where tau is from 0.8 to 1.25: the network was calibrated), or a class changes."""
import pathlib
import re
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compression"))
from shrink import arguments, Lab, table  # noqa: E402
from networks import MODELS, ROAD  # noqa: E402

NAMES = [name for name, net in ROAD.items() if net.get("metric") != "auc"]
LARGER = {"tinymaix-cifar10": "cifar10/test2000_jpeg.npz"}  # than the test set that the network has a floor on
HEAD = ["network", "samples", "tau", "top-1", "", "NLL", "", "Brier", "", "ECE %", ""]


def halves(lab, name):
    """The even samples to fit on, the odd ones to judge with."""
    path = LARGER.get(name) or ROAD[name]["tests"][-1][0]
    with np.load(MODELS / path) as a:
        x, y = a["x"], a["y"]
    files = [lab.folder / f"{name}-{part}.npz" for part in ("fit", "judge")]
    for k, f in enumerate(files):
        np.savez(f, x=x[k::2], y=y[k::2])
    return files


def judge(lab, obj, data):
    """Top-1 %, NLL, Brier score, ECE %."""
    out = lab.tools("mc-eval", obj, f"--data={data}", "--calibration").out
    top = re.search(r"^top-1 ([\d.]+) %", out, re.M)[1]
    return [float(top), *map(float, re.search(r"^NLL ([\d.]+), Brier score ([\d.]+), ECE ([\d.]+) %", out, re.M).groups())]


def main():
    o = arguments(__doc__, NAMES)
    lab, rows, failed = Lab(o.build), [], []
    for name in o.networks:
        base = lab.network(name).mir
        fit, rest = halves(lab, name)
        after = lab.folder / f"{name}-tau.mir"
        said = lab.tools("mc-opt", f"--pass=temperature{{data={fit}}}", base, "-o", after).err
        tau = re.search(r"tau ([\d.]+)", said)[1]
        for kind in ("fp32", "int8"):
            make = (lambda mir: lab.int8(name, mir)) if kind == "int8" else lab.fp32
            a, b = (judge(lab, make(mir), rest) for mir in (base, after))
            cells = [f"{v:.{2 if k in (0, 3) else 4}f}" for k in range(4) for v in (a[k], b[k])]
            with np.load(rest) as data:
                n = len(data["y"])
            rows.append([f"{name}, {kind}", n, tau, *cells])
            slack = 0.01 if 0.8 <= float(tau) <= 1.25 else 0
            if kind == "fp32" and (b[1] > a[1] + slack or a[0] != b[0]):
                failed.append(f"{name}: NLL {a[1]} before, {b[1]} after; top-1 {a[0]} and {b[0]} %")
    print("Two columns of a figure: before and after.\n")
    print(table(rows, HEAD))
    for f in failed:
        print("missed: " + f, file=sys.stderr)
    return bool(failed)


sys.exit(main())
