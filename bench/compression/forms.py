#!/usr/bin/env python3
"""Low rank on a real network by form, norm and repair: MACs, top-1 in fp32, seconds of the pass.

    bench/compression/forms.py [NETWORK...] [--macs=0.5] [--build=build/release] [--forms=out,in,...]

One Markdown table for each network. The samples are the network's calibration set, without labels."""
import argparse
import itertools
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from networks import MODELS, ROAD, import_args  # noqa: E402
from tools import Failed, Tools, table  # noqa: E402

FORMS = ["out", "in", "spatial", "tucker2", "cp", "auto"]
WAYS = list(itertools.product(["plain", "data"], ["none", "refit"]))  # norm, repair


def accuracies(tools, net, mir):
    return " / ".join(f"{tools.score(mir, MODELS / data, '--jit').value:.2f}" for data, _, _ in net["tests"])


def compressed(tools, net, mir, options, out):
    """Row cells after the options' own: share of the MACs, top-1, CPU seconds, peak MiB."""
    try:
        run = tools("mc-opt", f"--pass=lowrank{{{options} data={MODELS / net['calib']}}}", mir, "-o", out)
    except Failed as e:
        reason = [line for line in str(e).splitlines() if "error:" in line]
        return ["-", reason[0].split("error: ")[-1] if reason else "failed", "-", "-"]
    share = tools.cost(out)["total"]["macs"] / tools.cost(mir)["total"]["macs"]
    return [f"{100 * share:.1f}", accuracies(tools, net, out), f"{run.cpu:.1f}", f"{run.kib // 1024}"]


def network(tools, o, name, folder):
    net, mir = ROAD[name], folder / f"{name}.mir"
    tools("mc-import", MODELS / net["model"], *import_args(net), "-o", mir)
    rows = [["as it is", "", "", "100.0", accuracies(tools, net, mir), "", ""]]
    for form, (norm, repair) in itertools.product(o.forms.split(","), WAYS):
        options = f"macs={o.macs} form={form} norm={norm} repair={repair}"
        rows.append([form, norm, repair, *compressed(tools, net, mir, options, folder / "low.mir")])
    print(f"{name}, macs={o.macs}\n")
    print(table(rows, ["form", "norm", "repair", "MACs %", "top-1 % " + " / ".join(pathlib.Path(d).stem for d, _, _ in net["tests"]),
                       "CPU s", "MiB"]), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", default=["resnet20"])
    p.add_argument("--build", default=HERE.parent.parent / "build" / "release")
    p.add_argument("--macs", type=float, default=0.5)
    p.add_argument("--forms", default=",".join(FORMS))
    o = p.parse_args()
    if unknown := set(o.networks) - set(ROAD):
        p.error(f"no such network: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        for name in o.networks:
            network(Tools(o.build), o, name, pathlib.Path(folder))


if __name__ == "__main__":
    main()
