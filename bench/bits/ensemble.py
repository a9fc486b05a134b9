#!/usr/bin/env python3
"""An ensemble of two networks for CIFAR-10, fp32 and INT8, beside its members.

    bench/bits/ensemble.py [--build=build/release]

One Markdown table: top-1, NLL and ECE on the 2000 JPEG images, by objects for this machine. Exit code 1 when an
ensemble is not better than both members."""
import argparse
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compression"))
from shrink import BUILD, Lab, table  # noqa: E402
from networks import MODELS, ROAD  # noqa: E402

MEMBERS = ["resnet20", "resnet8"]
# What a row is called, and the options of mc-opt.
MEANS = {
    "probabilities": [],
    "weights 2, 1": ["--ensemble-weights=2,1"],
    "logits": ["--ensemble-of=logits"],
}


def judge(lab, obj):
    data = MODELS / ROAD[MEMBERS[0]]["tests"][-1][0]
    out = lab.tools("mc-eval", obj, f"--data={data}", "--calibration").out
    nll, ece = re.search(r"^NLL ([\d.]+), .*ECE ([\d.]+) %", out, re.M).groups()
    return [re.search(r"^top-1 ([\d.]+) %", out, re.M)[1], nll, ece]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=BUILD, type=pathlib.Path)
    lab = Lab(p.parse_args().build)
    nets = {name: lab.network(name).mir for name in MEMBERS}
    for what, options in MEANS.items():
        nets[what] = lab.folder / f"{what.split()[0]}.mir"
        lab.tools("mc-opt", "--ensemble", *options, *(nets[m] for m in MEMBERS), "-o", nets[what])
    rows = []
    for what, mir in nets.items():
        int8 = lab.folder / f"{what.split()[0]}.int8.o"
        lab.tools("mcc", "-O3", "-quiet", "-march=native", "-quant=int8", f"-calib={lab.calib(MEMBERS[0])}", mir, "-o", int8)
        rows.append([what, *judge(lab, lab.fp32(mir)), *judge(lab, int8)])
    print(table(rows, ["", "top-1", "NLL", "ECE %", "top-1, INT8", "NLL, INT8", "ECE %, INT8"]))
    n = len(MEMBERS)
    return any(float(r[c]) <= max(float(m[c]) for m in rows[:n]) for r in rows[n:] for c in (1, 4))


sys.exit(main())
