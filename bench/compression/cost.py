#!/usr/bin/python3
"""Seconds and peak memory of every lossy pass, on real networks and on one of ResNet-50's size.

    bench/compression/cost.py [NETWORK...] [--passes=prune,lowrank,...] [--samples=N] [--keep=FILE.json]

Random weights for resnet50 (bench/models.py makes it), with random samples: its accuracy means nothing,
its time and memory do. One Markdown table; exit code 1 above 4 GB. With --keep, rows that are in the
file are not measured again, and new ones go there: a run that was cut off goes on."""
import argparse
import json
import pathlib
import subprocess
import sys

import numpy

from shrink import BUILD, Failed, Lab, table

PASSES = {
    "prune": "prune{macs=0.7 data=%s}",
    "lowrank": "lowrank{macs=0.7 data=%s}",
    "compress": "compress{macs=0.7 data=%s}",
    "repair": "repair{data=%s original=%s}",
    "sparsify": "sparsify{sparsity=0.5 data=%s}",
    "prune-blocks": "prune-blocks{count=1 data=%s}",
    "equalize": "equalize{data=%s}",
    "quantize": "calibrate{data=%s},quantize,fold-qdq",
}
NETWORKS = ["vww", "mobilenet-128", "resnet50"]


def resnet50(lab, samples):
    """The random network and its samples."""
    script = pathlib.Path(__file__).resolve().parent.parent / "models.py"
    subprocess.run([str(script), "-o", str(lab.folder), "resnet50"], check=True)
    lab.tools("mc-import", lab.folder / "resnet50.fp32.onnx", "--shape", "N=1", "--input-layout=nhwc",
              "-o", lab.folder / "resnet50.mir")
    data = lab.folder / "resnet50-samples.npz"
    rng = numpy.random.default_rng(1)
    numpy.savez(data, x=rng.standard_normal((samples, 224, 224, 3)).astype("f4"))
    return lab.folder / "resnet50.mir", data


class Kept:
    """Rows of the table by network and pass, in a file if there is one."""

    def __init__(self, path):
        self.path = pathlib.Path(path) if path else None
        self.rows = json.loads(self.path.read_text()) if self.path and self.path.exists() else {}

    def put(self, key, row):
        self.rows[key] = row
        if self.path:
            self.path.write_text(json.dumps(self.rows, indent=1) + "\n")


def measure(lab, what, mir, data):
    """CPU seconds, and peak memory in MB, of one pass."""
    text = PASSES[what]
    text = text % ((data, mir) if what == "repair" else data)
    run = lab.tools("mc-opt", f"--pass-pipeline={text}", mir, "-o", lab.folder / "out.mir")
    return [round(run.cpu), round(run.kib * 1.024 / 1000)]


def row_of(name, what, cpu, mb):
    return [name, what, str(cpu), str(mb)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", default=NETWORKS)
    p.add_argument("--passes", default=",".join(PASSES))
    p.add_argument("--samples", type=int, default=64, help="of resnet50")
    p.add_argument("--keep", metavar="FILE.json")
    p.add_argument("--build", default=BUILD)
    o = p.parse_args()
    lab, kept, failed = Lab(o.build), Kept(o.keep), False
    for name in o.networks:
        todo = [w for w in o.passes.split(",") if f"{name} {w}" not in kept.rows]
        if not todo:
            continue
        mir, data = resnet50(lab, o.samples) if name == "resnet50" else (lab.network(name).mir, lab.calib(name))
        for what in todo:
            try:
                kept.put(f"{name} {what}", measure(lab, what, mir, data))
            except Failed as e:
                print(e, file=sys.stderr)
                failed = True
                continue
            print(name, what, *kept.rows[f"{name} {what}"], file=sys.stderr, flush=True)
    keys = [(n, w) for n in o.networks for w in o.passes.split(",") if f"{n} {w}" in kept.rows]
    print(table([row_of(n, w, *kept.rows[f"{n} {w}"]) for n, w in keys],
                ["network", "pass", "CPU s", "peak MB"]))
    failed |= any(mb > 4000 for _, mb in kept.rows.values())
    sys.exit(1 if failed else 0)


main()
