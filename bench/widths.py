#!/usr/bin/env python3
"""How time follows the width of a layer: what a channel less saves, by the clock and by the model.

    bench/widths.py [--march=native] [--quant=int8] [--seconds=0.5] [--rounds=2]
    bench/widths.py --families=3x3,1x1 --widths=0.25,0.5,0.75

Networks of single layers with random weights: from the full width to a share of it and back, as a
layer inside of a residual block that loses channels. For each family, size and share: the time of
both layers (the least of all runs), what the cost model says, which kernels are taken, and the
time over that of the full width. One Markdown table; the last line is the mean of
|log(model / measured)| over the layers."""
import argparse
import base64
import json
import math
import pathlib
import random
import struct
import tempfile

from tools import Tools, table

# family -> (kernel, stride, depthwise, [(rows of the input, full width)]); linear: rows, width
FAMILIES = {
    "3x3": (3, 1, False, [(32, 16), (16, 32), (8, 64), (14, 128)]),
    "3x3 stride 2": (3, 2, False, [(32, 32), (16, 64)]),
    "1x1": (1, 1, False, [(32, 32), (16, 64), (8, 128), (4, 256)]),
    "depthwise": (3, 1, True, [(48, 16), (24, 32), (12, 64), (8, 128)]),
    "linear": (0, 1, False, [(1, 256), (1, 1024), (16, 256)]),
}


class Network:
    """A chain of layers as text."""

    def __init__(self, dims):
        self.rng, self.n, self.dims = random.Random(1), 0, list(dims)
        self.lines, self.data, self.input = [], [], list(dims)

    def kind(self):
        return f"f32[{','.join(map(str, self.dims))}]"

    def weight(self, dims):
        n, k = math.prod(dims), math.prod(dims[1:])
        numbers = struct.pack(f"<{n}f", *((self.rng.random() * 2 - 1) / k ** 0.5 * 1.7 for _ in range(n)))
        text, shape = base64.b64encode(numbers).decode(), f'f32[{",".join(map(str, dims))}]'
        self.data.append(f'  @w{self.n} : {shape} =\n    "{text}"\n')
        self.lines.append(f"  %w{self.n} = weight @w{self.n} : {shape}\n")

    def layer(self, name, width, size, stride, depthwise):
        """A layer and its relu; size 0: linear."""
        at, c = self.n, self.dims[-1]
        self.weight([width, size, size, 1 if depthwise else c] if size else [width, c])
        self.dims[-1] = width
        if size:
            self.dims[1:3] = [(d + stride - 1) // stride for d in self.dims[1:3]]
        pad = f"pad=[{size // 2},{size // 2},{size // 2},{size // 2}], stride=[{stride},{stride}]"
        attrs = f" {{{pad}, groups={c if depthwise else 1}}}" if size else ""
        self.lines.append(f"  %y{at} = {'conv2d' if size else 'linear'} %x{at}, %w{at}{attrs} : "
                          f'{self.kind()} range(-4.0, 4.0) loc("{name}")\n')
        self.n += 1
        self.lines.append(f"  %x{self.n} = relu %y{at} : {self.kind()} range(0.0, 4.0)\n")

    def text(self):
        head = f"mir 1\ngraph @net(%x0: f32[{','.join(map(str, self.input))}] range(-4.0, 4.0)) -> "
        body = "".join(self.lines)
        return head + f"{self.kind()} {{\n{body}  return %x{self.n}\n}}\n\ndata {{\n{''.join(self.data)}}}\n"


def network(family, rows, full, shares):
    """Layers named 'SHARE in' (full width to the share) and 'SHARE out' (back); depthwise: 'at'."""
    size, stride, depthwise, _ = FAMILIES[family]
    net = Network([1, rows * stride, rows * stride, full] if size else [rows, full])
    net.layer("before", full, 1 if size else 0, 1, False)
    for share in shares:
        width = max(1, round(full * share))
        if depthwise:
            net.layer(f"{share} to", width, 1, 1, False)
            net.layer(f"{share} at", width, size, stride, True)
            continue
        if stride > 1:   # no way back: a network of its own for each share
            net.layer(f"{share} in", width, size, stride, False)
            return net.text()
        net.layer(f"{share} in", width, size, stride, False)
        net.layer(f"{share} out", full, size, stride, False)
    net.layer("behind", full, 1 if size else 0, 1, False)
    return net.text()


def layers(o, mir):
    """name -> (least us, model us, kernel) of the layers of a network."""
    best = {}
    for _ in range(o.rounds):
        out = o.tools("mc-bench", mir, "--layers", "--json", f"--seconds={o.seconds}", *o.bench,
                      f"--variant=quant={o.quant},march={o.march},chain=off").out
        for row in json.loads(out)["networks"][0]["layers"]:
            old = best.get(row["name"], (math.inf,))
            best[row["name"]] = min(old, (row["min_us"], row.get("model_us"), row["kernel"]))
    return best


def measure(o, family, rows, full, folder):
    """share -> (us, model us, kernels)."""
    size, stride, _, _ = FAMILIES[family]
    parts = [[s] for s in o.widths] if size and stride > 1 else [o.widths]
    found = {}
    for part in parts:
        mir = folder / "net.mir"
        mir.write_text(network(family, rows, full, part))
        seen = layers(o, mir)
        for share in part:
            mine = [seen[f"{share} {k}"] for k in ("in", "out", "at") if f"{share} {k}" in seen]
            found[share] = mine
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    p.add_argument("--march", default="native")
    p.add_argument("--quant", default="int8", help="none, int8 or bf16")
    p.add_argument("--families", default=",".join(FAMILIES))
    p.add_argument("--widths", default="1,0.875,0.75,0.625,0.5,0.375,0.25,0.125")
    p.add_argument("--seconds", type=float, default=0.5)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--bench", action="append", default=[], help="an option of mc-bench, e.g. --bench=--fifo")
    o = p.parse_args()
    o.widths = [float(w) for w in o.widths.split(",")]
    if o.widths[0] != 1:
        o.widths.insert(0, 1.0)
    o.tools = Tools(o.build)
    rows, logs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for family in o.families.split(","):
            for size, full in FAMILIES[family][3]:
                found = measure(o, family, size, full, pathlib.Path(folder))
                base = sum(x[0] for x in found[1.0]), sum(x[1] for x in found[1.0])
                for share, mine in found.items():
                    us, said = sum(x[0] for x in mine), sum(x[1] for x in mine)
                    logs += [abs(math.log(x[1] / x[0])) for x in mine if x[0] > 0]
                    kernels = ", ".join(dict.fromkeys(x[2] for x in mine))
                    rows.append([family, f"{size} x {size}" if FAMILIES[family][0] else f"{size} rows",
                                 max(1, round(full * share)), f"{us:.2f}", f"{said:.2f}", f"{said / us:.2f}",
                                 f"{us / base[0]:.2f}", f"{said / base[1]:.2f}", kernels])
    print(table(rows, ["family", "results", "width", "us", "model us", "model / clock", "share", "by the model", "kernels"]))
    print(f"\nmean |log(model / measured)| over {len(logs)} layers: {100 * (math.exp(sum(logs) / len(logs)) - 1):.0f} %")


if __name__ == "__main__":
    main()
