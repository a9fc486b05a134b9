#!/usr/bin/env python3
"""Accuracy with weights of few bits and activations of 8, after training, from calibration samples alone.

    bench/bits/weights.py [NETWORK...] [--build=build/release]

One Markdown table of top-1 in per cent on the networks' largest test sets, by objects for this machine. Every
column is the pipeline of mcc -O3 -quant=w4a8 with other options of quantize. Exit code 1 when a floor of
FLOORS is missed."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compression"))
from shrink import arguments, Lab, table  # noqa: E402

NAMES = ["resnet20", "resnet8", "fashion-resnet8", "vww", "mobilenet-128"]
GPTQ = "rounding_method=gptq data={data}"
# What a column is called, and the options of quantize.
COLUMNS = {
    "INT8": "correct={data}",
    "W8 tensor, nearest": "weights=per-tensor",
    "W8 tensor": "weights=per-tensor " + GPTQ,
    "W4, nearest": "bits=4",
    "W4, descent": "bits=4 rounding_method=descent data={data}",
    "W4": "bits=4 " + GPTQ,
    "W4, groups of 64": "bits=4 group=64 " + GPTQ,
    "W4 tensor, groups of 64": "weights=per-tensor bits=4 group=64 " + GPTQ,
    "W3": "bits=3 " + GPTQ,
    "W2": "bits=2 " + GPTQ,
}
FLOORS = {
    "resnet20": {"W4": 82.3},
    "resnet8": {"W4": 74.8},
    "fashion-resnet8": {"W4": 89.8},
    "vww": {"W4": 86.5},
    "mobilenet-128": {"W4": 39.0, "W4, groups of 64": 40.0, "W8 tensor": 41.0},
}


def main():
    o = arguments(__doc__, NAMES)
    lab, rows, failed = Lab(o.build), [], []
    for name in o.networks:
        base, data = lab.network(name), lab.calib(name)
        text = lab.tools("mcc", "-O3", "-march=native", "-quant=w4a8", f"-calib={data}", "-print-pipeline", base.mir).out.strip()
        cells = [name, f"{base.top[-1]:.2f}"]
        for column, options in COLUMNS.items():
            passes = re.sub(r"(?<=,)quantize\{[^}]*\}", lambda _: f"quantize{{{options.format(data=data)}}}", text)
            assert passes != text or column == "W4", text
            obj = lab.folder / f"{name}.o"
            run = lab.tools("mcc", "-quiet", "-march=native", f"-pass-pipeline={passes}", base.mir, "-o", obj)
            top = lab.top(name, obj)[-1]
            cells.append(f"{top:.2f}")
            floor = FLOORS[name].get(column)
            if floor and top < floor:
                failed.append(f"{name}, {column}: {top:.2f} %, at least {floor} wanted")
            if column == "W4":
                seconds = f"{run.cpu:.0f}"
        rows.append(cells + [seconds])
    print("Top-1 in per cent; the last column: CPU seconds of mcc for W4.\n")
    print(table(rows, ["network", "fp32", *COLUMNS, "s"]))
    for f in failed:
        print("missed: " + f, file=sys.stderr)
    return bool(failed)


sys.exit(main())
