#!/usr/bin/python3
"""Seconds and peak memory of every lossy pass, on real networks and on one of ResNet-50's size.

    bench/compression/cost.py [NETWORK...] [--passes=prune,lowrank,...] [--samples=N]

Random weights for resnet50 (bench/models.py makes it), with random samples: its accuracy means nothing,
its time and memory do. One Markdown table; exit code 1 above 4 GiB."""
import argparse
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


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", default=NETWORKS)
    p.add_argument("--passes", default=",".join(PASSES))
    p.add_argument("--samples", type=int, default=64, help="of resnet50")
    p.add_argument("--build", default=BUILD)
    o = p.parse_args()
    lab, rows, failed = Lab(o.build), [], False
    for name in o.networks:
        mir, data = resnet50(lab, o.samples) if name == "resnet50" else (lab.network(name).mir, lab.calib(name))
        for what in o.passes.split(","):
            text = PASSES[what]
            text = text % ((data, mir) if what == "repair" else data)
            try:
                run = lab.tools("mc-opt", f"--pass-pipeline={text}", mir, "-o", lab.folder / "out.mir")
            except Failed as e:
                print(e, file=sys.stderr)
                failed = True
                continue
            rows.append([name, what, f"{run.seconds:.0f}", f"{run.cpu:.0f}", f"{run.kib / 1024:.0f}"])
            failed |= run.kib > 4 << 20
            print(rows[-1], file=sys.stderr, flush=True)
    print(table(rows, ["network", "pass", "s", "CPU s", "peak MiB"]))
    sys.exit(1 if failed else 0)


main()
