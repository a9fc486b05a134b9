#!/usr/bin/env python3
"""What pruning and low rank do to real networks, without any training after it.

    bench/compress.py [NETWORK...] [--build=build/release] [--march=native] [--seconds=S]

For each way to shrink: MACs (mc-stat), object bytes and latency of one thread for fp32 and INT8, accuracy on every test set for both. One Markdown
table; exit code 1 when MACs miss the budget, or when parameters, objects or latencies do not fall (latency: 5 % of noise are let through)."""
import argparse
import pathlib
import sys
import tempfile

from networks import MODELS, ROAD, import_args
from tools import Tools, table

# what, passes, share of the MACs, whether objects have to shrink (ragged ranks lose fewer points at the same MACs, but their tails are code)
WAYS = [("as it is", None, 1.0, False), ("prune macs=0.7", "prune-channels{macs=0.7}", 0.7, True), ("prune macs=0.5", "prune-channels{macs=0.5}", 0.5, True),
        ("lowrank macs=0.5 align=16", "lowrank-svd{macs=0.5 align=16}", 0.5, True), ("lowrank macs=0.5", "lowrank-svd{macs=0.5}", 0.5, False)]


def figures(tools, o, name, mir, folder):
    """MACs, parameters; then object bytes, milliseconds and accuracies for fp32 and INT8."""
    net, total = ROAD[name], tools.cost(mir)["total"]
    f = dict(macs=total["macs"], params=total["params"])
    for quant in ("none", "int8"):
        obj = folder / f"{quant}.o"
        tools("mcc", "-O3", "-quiet", f"-march={o.march}", f"-quant={quant}", *([f"-calib={MODELS / net['calib']}"] if quant == "int8" else []), mir, "-o", obj)
        f[quant] = dict(size=obj.stat().st_size, ms=tools.latency(obj, o.seconds), top=[tools.score(obj, MODELS / data).value for data, _, _ in net["tests"]])
    return f


def row(name, way, f):
    cells = [name, way, f"{f['macs'] / 1e6:.2f}", f["params"]]
    for quant in ("none", "int8"):
        cells += [f[quant]["size"], f"{1000 * f[quant]['ms']:.0f}", " / ".join(f"{t:.2f}" for t in f[quant]["top"])]
    return cells


def failures(what, base, f, share, shrinks):
    if f["macs"] > share * base["macs"]:
        yield f"{what}: {f['macs']} MACs, more than {share:.0%} of {base['macs']}"
    if share < 1 and f["params"] >= base["params"]:
        yield f"{what}: {f['params']} parameters, {base['params']} before"
    for quant in ("none", "int8") if share < 1 else ():
        if shrinks and f[quant]["size"] >= base[quant]["size"]:
            yield f"{what}: {quant}: the object has {f[quant]['size']} bytes, {base[quant]['size']} before"
        if f[quant]["ms"] >= 1.05 * base[quant]["ms"]:
            yield f"{what}: {quant}: a run takes {f[quant]['ms']} ms, {base[quant]['ms']} before"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", default=["resnet8", "resnet20"])
    p.add_argument("--build", default=pathlib.Path(__file__).resolve().parent.parent / "build" / "release")
    p.add_argument("--march", default="native")
    p.add_argument("--seconds", type=float, default=1.0)
    o = p.parse_args()
    if unknown := set(o.networks) - set(ROAD):
        p.error(f"no such network: {', '.join(sorted(unknown))}")
    tools, rows, failed = Tools(o.build), [], []
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for name in o.networks:
            tools("mc-import", MODELS / ROAD[name]["model"], *import_args(ROAD[name]), "-o", folder / "net.mir")
            base = None
            for way, passes, share, shrinks in WAYS:
                mir = folder / "small.mir"
                tools("mc-opt", "--pass-pipeline=fold-bn,canonicalize,dce" + ("," + passes if passes else ""), folder / "net.mir", "-o", mir)
                f = figures(tools, o, name, mir, folder)
                base = base or f
                failed += failures(f"{name}, {way}", base, f, share, shrinks)
                rows.append(row(name, way, f))
    print(table(rows, ["network", "", "MMACs", "parameters"] + [f"{q} {c}" for q in ("fp32", "INT8") for c in ("object B", "us", "top-1 %")]))
    for f in failed:
        print(f"FAILED {f}", file=sys.stderr)
    sys.exit(1 if failed else 0)


main()
