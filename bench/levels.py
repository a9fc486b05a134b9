#!/usr/bin/python3
"""INT8 beside fp32 at every machine level that this machine runs: is INT8 ever the slower one?

usage: levels.py [--build DIR] [--models DIR] [--levels A,B,...] [--seconds S] [--cpu N] [--fifo] [--json FILE] [NETWORK ...]

Networks: those of models.py (--models, default build/bench-models), and the real ones of networks.py where they are present. For each level mc-bench compiles both forms and times them in
alternation; a cell is the INT8 time in ms and how many times faster than fp32 that is. Exit code 1 when INT8 is slower than fp32 by more than 3 % anywhere."""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile
from networks import MODELS, ROAD, import_args

BENCH = pathlib.Path(__file__).resolve().parent
LEVELS = {"x86_64": "x86-64,x86-64-v2,x86-64-v3,avx512,avx512vnni,native", "aarch64": "armv8-a,native"}


def arguments():
    import platform
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    p.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    p.add_argument("--models", type=pathlib.Path, default=pathlib.Path("build/bench-models"))
    p.add_argument("--levels", default=LEVELS[platform.machine()])
    p.add_argument("--seconds", type=float, default=1.0)
    p.add_argument("--cpu", type=int, default=0)
    p.add_argument("--fifo", action="store_true")
    p.add_argument("--json", type=pathlib.Path)
    p.add_argument("networks", nargs="*")
    return p.parse_args()


def subjects(o, folder):
    """name -> (.mir, calibration data), imported into the folder."""
    found = {}
    for onnx in sorted(o.models.glob("*.fp32.onnx"), key=lambda f: f.stat().st_size):
        found[onnx.name.split(".")[0]] = (onnx, onnx.with_name(onnx.name.replace(".fp32.onnx", ".calib.npz")), ["-shape", "N=1"])
    for name, net in ROAD.items():
        if (MODELS / net["model"]).exists():
            found["real " + name] = (MODELS / net["model"], MODELS / net["calib"], import_args(net))
    for name, (onnx, calib, args) in found.items():
        if o.networks and name not in o.networks and name.removeprefix("real ") not in o.networks:
            continue
        mir = folder / f"{name.replace(' ', '-')}.mir"
        subprocess.run([o.build / "bin/mc-import", *args, onnx, "-o", mir], check=True)
        yield name, mir, calib


def measure(o, mir, calib, level):
    """Milliseconds in fp32 and INT8; None where the machine lacks the level."""
    forms = [f"--variant=quant=none,march={level}", f"--variant=quant=int8,calib={calib},march={level}"]
    run = subprocess.run([o.build / "bin/mc-bench", mir, *forms, f"--seconds={o.seconds}", f"--cpu={o.cpu}", "--json"] + (["--fifo"] if o.fifo else []), capture_output=True, text=True)
    if run.returncode and "which this machine does not have" in run.stderr:
        return None
    if run.returncode:
        sys.exit(run.stderr)
    return [n["median_ms"] for n in json.loads(run.stdout)["networks"]]


def main():
    o = arguments()
    levels, table, slower, gains = o.levels.split(","), {}, [], {}
    print("| | " + " | ".join(levels) + " |\n|---|" + "---|" * len(levels))
    with tempfile.TemporaryDirectory() as folder:
        for name, mir, calib in subjects(o, pathlib.Path(folder)):
            row = table[name] = {level: measure(o, mir, calib, level) for level in levels}
            for level, t in row.items():
                if t:
                    gains.setdefault(level, []).append(t[0] / t[1])
                if t and t[1] > 1.03 * t[0]:
                    slower.append(f"{name} at {level}: {t[1]:.4g} ms INT8, {t[0]:.4g} ms fp32")
            print(f"| {name} | " + " | ".join(f"{t[1]:.3g} ({t[0] / t[1]:.2f}x)" if t else "-" for t in row.values()) + " |", flush=True)
    print("| geometric mean | " + " | ".join(f"{math.exp(sum(map(math.log, gains[v])) / len(gains[v])):.2f}x" if v in gains else "-" for v in levels) + " |")
    if o.json:
        o.json.write_text(json.dumps(table, indent=1) + "\n")
    print("\n".join(["INT8 is slower:", *slower]) if slower else "INT8 is nowhere slower than fp32.")
    sys.exit(bool(slower))


if __name__ == "__main__":
    main()
