#!/usr/bin/env python3
"""Accuracy and bytes with code books: k-means of each layer's weights (pass cluster), kept as numbers of the book.

    bench/bits/codebooks.py [NETWORK...] [--build=build/release]

One Markdown table: top-1 in per cent on the networks' largest test sets, by fp32 objects for this machine made
with -compress-weights, and KB of the object."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compression"))
from shrink import arguments, Lab, table  # noqa: E402

NAMES = ["resnet20", "resnet8", "fashion-resnet8", "vww", "mobilenet-128"]
COLUMNS = {
    "8 bits": "bits=8",
    "4 bits, no samples": "bits=4",
    "4 bits": "bits=4 data={data}",
    "3 bits": "bits=3 data={data}",
    "2 bits": "bits=2 data={data}",
}


def main():
    o = arguments(__doc__, NAMES)
    lab, rows = Lab(o.build), []
    for name in o.networks:
        base = lab.network(name)
        plain = lab.folder / f"{name}.plain.o"
        lab.tools("mcc", "-quiet", "-O3", "-march=native", base.mir, "-o", plain)
        cells = [name, f"{base.top[-1]:.2f}, {plain.stat().st_size / 1e3:.0f}"]
        for options in COLUMNS.values():
            small, obj = lab.folder / f"{name}-small.mir", lab.folder / f"{name}.o"
            passes = "canonicalize,constant-fold,fold-bn,cluster{" + options.format(data=lab.calib(name)) + "}"
            lab.tools("mc-opt", f"--pass-pipeline={passes}", base.mir, "-o", small)
            lab.tools("mcc", "-quiet", "-O3", "-march=native", "-compress-weights", small, "-o", obj)
            cells.append(f"{lab.top(name, obj)[-1]:.2f}, {obj.stat().st_size / 1e3:.0f}")
        rows.append(cells)
    print("Top-1 in per cent, and KB of the object.\n")
    print(table(rows, ["network", "fp32", *COLUMNS]))


main()
