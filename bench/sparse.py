#!/usr/bin/env python3
"""From which share of zero blocks on do kernels that leave them out pay?

    bench/sparse.py [--build=build/release] [--march=native] [--seconds=S] [--pattern=16x4]
                    [--shares=0.2,0.5,...] [--shapes=NAME,...] [--quant=none,int8]

Layers with random weights, made sparse at random (sparsify{score=random}): one, or four equal ones
where weights are small, so that the quantization of the input weighs less. mc-bench compiles each
with -sparse=off and -sparse=always, and times them in alternation; a cell is the ratio of their
least times (above 1: leaving zeros out is faster), and 'd' after it where -sparse=auto multiplies
everything. N:M patterns have one column. INT8 is measured against the faster of the direct and the
Winograd form. One Markdown table for each arithmetic; break-even is where the line crosses 1."""
import argparse
import base64
import json
import pathlib
import random
import struct
import subprocess
import tempfile

from tools import Tools, table

# name -> rows of the input, width, channels, kernel; or rows and K of a linear layer
SHAPES = {"3x3 28x28x64": (28, 64, 3), "3x3 14x14x128": (14, 128, 3), "1x1 28x28x128": (28, 128, 1),
          "1x1 14x14x512": (14, 512, 1), "linear 64x768": (64, 768), "linear 1x1024": (1, 1024)}


def layers_of(shape):
    """Four where their weights stay in L2 in fp32."""
    taps = shape[2] ** 2 if len(shape) == 3 else 1
    return 4 if taps * shape[1] ** 2 < 1 << 16 else 1


def constant(name, dims, rng):
    """A data section's entry, a tensor of numbers in [-1, 1) / sqrt(K)."""
    n, k = 1, 1
    for d in dims:
        n *= d
    for d in dims[1:]:
        k *= d
    numbers = ((rng.random() * 2 - 1) / k ** 0.5 * 1.7 for _ in range(n))
    text = base64.b64encode(struct.pack(f"<{n}f", *numbers))
    return f'  @{name} : f32[{",".join(map(str, dims))}] =\n    "{text.decode()}"\n'


def network(shape, path):
    rng = random.Random(1)
    conv = len(shape) == 3
    c = shape[1]
    dims = [1, shape[0], shape[0], c] if conv else list(shape)
    weights = [c, shape[2], shape[2], c] if conv else [c, c]
    pad = shape[2] // 2 if conv else 0
    attrs = f" {{pad=[{pad},{pad},{pad},{pad}]}}" if pad else ""
    kind = f"f32[{','.join(map(str, dims))}]"
    spread = " range(-4.0, 4.0)"
    text = f"mir 1\ngraph @net(%x0: {kind}{spread}) -> {kind} {{\n"
    for i in range(layers_of(shape)):
        text += f"  %w{i} = weight @w{i} : f32[{','.join(map(str, weights))}]\n"
        op = "conv2d" if conv else "linear"
        text += f"  %y{i} = {op} %x{i}, %w{i}{attrs} : {kind}{spread}\n"
        text += f"  %x{i + 1} = relu %y{i} : {kind} range(0.0, 4.0)\n"
    text += f"  return %x{layers_of(shape)}\n}}\n\ndata {{\n"
    data = "".join(constant(f"w{i}", weights, rng) for i in range(layers_of(shape)))
    path.write_text(text + data + "}\n")


def times(o, mir, quant):
    """Least milliseconds by form."""
    forms = ["always,winograd=0", "off"] + (["off,winograd=0"] if quant == "int8" else [])
    variants = [f"--variant=quant={quant},sparse={f}" for f in forms]
    run = subprocess.run([o.build / "bin/mc-bench", mir, "--json", f"--seconds={o.seconds}",
                          f"-march={o.march}", *variants],
                         check=True, capture_output=True, text=True)
    least = [n["min_ms"] for n in json.loads(run.stdout)["networks"]]
    return min(least[1:]), least[0]


def chosen(o, mir, quant, folder, layers):
    """Do all products leave zeros out by the cost model's choice?"""
    run = subprocess.run([o.build / "bin/mcc", f"-march={o.march}", f"-quant={quant}", "-remarks",
                          mir, "-o", folder / "net.o"], check=True, capture_output=True, text=True)
    return run.stderr.count("the others are 0") == layers


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", type=pathlib.Path,
                   default=pathlib.Path(__file__).resolve().parent.parent / "build" / "release")
    p.add_argument("--march", default="native")
    p.add_argument("--seconds", type=float, default=0.6)
    p.add_argument("--pattern", default="16x4")
    p.add_argument("--shares", default="0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9")
    p.add_argument("--shapes", default=",".join(SHAPES))
    p.add_argument("--quant", default="none,int8")
    o = p.parse_args()
    shares = ["0"] if ":" in o.pattern else o.shares.split(",")  # N:M says its share
    tools = Tools(o.build)
    for quant in o.quant.split(","):
        rows = []
        for name in o.shapes.split(","):
            with tempfile.TemporaryDirectory() as folder:
                folder, cells = pathlib.Path(folder), []
                network(SHAPES[name], folder / "net.mir")
                for share in shares:
                    how = f"pattern={o.pattern} sparsity={share} score=random"
                    tools("mc-opt", f"--pass=sparsify{{{how}}}", folder / "net.mir", "-o",
                          folder / "sparse.mir")
                    dense, sparse = times(o, folder / "sparse.mir", quant)
                    mark = "" if chosen(o, folder / "sparse.mir", quant, folder,
                                                layers_of(SHAPES[name])) else " d"
                    cells.append(f"{dense / sparse:.2f}{mark}")
                rows.append([name, *cells])
        print(f"\n{'fp32' if quant == 'none' else quant}, {o.pattern}, -march={o.march}:\n")
        heads = [o.pattern if s == "0" else f"{float(s):.0%}" for s in shares]
        print(table(rows, ["layer", *heads]))


if __name__ == "__main__":
    main()
