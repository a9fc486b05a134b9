#!/usr/bin/env python3
"""Accuracy and bytes where weights alone have fewer bits (mcc -quant=w8, w4, fp16), and all arithmetic is fp32.

    bench/bits/only_weights.py [NETWORK...] [--build=build/release]

One Markdown table: top-1 in per cent on the networks' largest test sets, by objects for this machine, and KB of
the object. Exit code 1 when a floor of FLOORS is missed."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compression"))
from shrink import arguments, Lab, table  # noqa: E402

NAMES = ["resnet20", "resnet8", "fashion-resnet8", "vww", "mobilenet-128"]
COLUMNS = {
    "fp16": ["-quant=fp16"],
    "w8": ["-quant=w8"],
    "w4, nearest": ["-quant=w4"],
    "w4": ["-quant=w4", "-calib={data}"],
    "w4, groups of 64": ["-quant=w4", "-group=64", "-calib={data}"],
}
MOST_LOST = {"fp16": 0.1, "w8": 0.3}  # points below fp32


def main():
    o = arguments(__doc__, NAMES)
    lab, rows, failed = Lab(o.build), [], []
    for name in o.networks:
        base, data = lab.network(name), lab.calib(name)
        plain = lab.folder / f"{name}.fp32.o"
        lab.tools("mcc", "-quiet", "-O3", "-march=native", base.mir, "-o", plain)
        cells = [name, f"{base.top[-1]:.2f}, {plain.stat().st_size / 1e3:.0f}"]
        for column, options in COLUMNS.items():
            obj = lab.folder / f"{name}.o"
            lab.tools("mcc", "-quiet", "-O3", "-march=native", *[a.format(data=data) for a in options], base.mir, "-o", obj)
            top = lab.top(name, obj)[-1]
            cells.append(f"{top:.2f}, {obj.stat().st_size / 1e3:.0f}")
            if base.top[-1] - top > MOST_LOST.get(column, 100):
                failed.append(f"{name}, {column}: {top:.2f} %, fp32 {base.top[-1]:.2f}")
        rows.append(cells)
    print("Top-1 in per cent, and KB of the object.\n")
    print(table(rows, ["network", "fp32", *COLUMNS]))
    for f in failed:
        print("missed: " + f, file=sys.stderr)
    return bool(failed)


sys.exit(main())
