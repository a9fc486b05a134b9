#!/usr/bin/env python3
"""mcc's time and peak memory against the number of layers: chains of convolutions, and residual blocks whose skip connections cross several layers.

    bench/scaling.py [--build=build/release] [--layers=10,25,50,100,200,400] [--channels=16] [--march=native]

One row a length: CPU seconds and peak memory of mcc for fp32 and for INT8 (ranges are in the text, so nothing is calibrated), in total and per layer.
Exit code 1 when a layer of the longest chain costs more than twice what one of a chain of about half that length costs."""
import argparse
import pathlib
import sys
import tempfile

from tools import Tools, table

SIDE = 16


def network(layers, channels):
    """conv2d + relu, every fourth layer with the block's input added; weights are splats, which cost nothing to store."""
    shape = f"f32[1,{SIDE},{SIDE},{channels}]"
    wide = "range(-4.0, 4.0)"
    yield "mir 1"
    yield f"graph @chain(%x0: {shape} {wide}) -> {shape} {{"
    skip = "%x0"
    for k in range(layers):
        # no two weights alike, or cse would merge them
        yield f"  %w{k} = const dense<{0.01 + k * 1e-5!r}> : f32[{channels},3,3,{channels}]"
        yield f"  %b{k} = const dense<{k * 1e-3!r}> : f32[{channels}]"
        yield f"  %c{k} = conv2d %x{k}, %w{k}, %b{k} {{pad=[1,1,1,1]}} : {shape} {wide}"
        if k % 4 == 3:
            yield f"  %a{k} = add %c{k}, {skip} : {shape} {wide}"
            skip = f"%x{k + 1}"
        yield f"  %x{k + 1} = relu %{'a' if k % 4 == 3 else 'c'}{k} : {shape} range(0.0, 4.0)"
    yield f"  return %x{layers}"
    yield "}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=pathlib.Path(__file__).resolve().parent.parent / "build" / "release")
    p.add_argument("--layers", type=lambda s: [int(n) for n in s.split(",")], default=[10, 25, 50, 100, 200, 400])
    p.add_argument("--channels", type=int, default=16)
    p.add_argument("--march", default="native")
    o = p.parse_args()
    tools, rows, per_layer = Tools(o.build), [], {}
    with tempfile.TemporaryDirectory() as folder:
        mir, obj = pathlib.Path(folder) / "chain.mir", pathlib.Path(folder) / "chain.o"
        for n in o.layers:
            mir.write_text("\n".join(network(n, o.channels)) + "\n")
            row = [n]
            for quant in ("none", "int8"):
                r = tools("mcc", "-O3", f"-march={o.march}", f"-quant={quant}", "-quiet", mir, "-o", obj)
                per_layer.setdefault(quant, {})[n] = r.cpu / n
                row += [f"{r.cpu:.2f}", f"{1000 * r.cpu / n:.1f}", f"{r.kib / 1024:.0f}", obj.stat().st_size]
            rows.append(row)
    print(table(rows, ["layers"] + [f"{q} {c}" for q in ("fp32", "INT8") for c in ("CPU s", "ms / layer", "peak MiB", "object bytes")]))
    last = o.layers[-1]
    half = min(o.layers[:-1], key=lambda n: abs(n - last / 2), default=last)
    bad = [f"{q}: {1000 * c[last]:.1f} ms a layer at {last} layers, {1000 * c[half]:.1f} at {half}" for q, c in per_layer.items() if c[last] > 2 * c[half]]
    for b in bad:
        print(f"FAILED {b}", file=sys.stderr)
    sys.exit(1 if bad else 0)


main()
