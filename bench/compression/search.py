#!/usr/bin/env python3
"""mc-search against each single technique: the fastest network with 99 % of the fp32 accuracy.

    bench/compression/search.py [NETWORK...] [--work=FOLDER] [--time-limit=1h] [--seconds=2] [--keep=0.99]

Of each network's test set every other sample judges candidates, the rest is for the table alone. Single
techniques are searched in the same way: quantization (fp32, bf16, INT8, mixed), pruning in fp32, low rank
in fp32. At the end all objects are timed in turns. One Markdown table; exit code 1 when a single technique
is as fast as what the search found, or a search takes longer than the limit."""
import argparse
import json
import pathlib
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from networks import MODELS, ROAD, import_args  # noqa: E402
from tools import Failed, Tools, table  # noqa: E402

WAYS = {
    "search": [],
    "quantization": ["--techniques=none"],
    "pruning": ["--techniques=prune", "--precisions=fp32"],
    "low rank": ["--techniques=lowrank", "--precisions=fp32"],
}
HEAD = ["network", "way", "passes", "top-1 judged", "top-1 test", "ms", "speed", "bytes", "MACs", "minutes"]


def split(net, folder):
    """val.npz and test.npz: every other sample of the largest test set."""
    data = np.load(MODELS / net["tests"][-1][0])
    for k, name in enumerate(("val", "test")):
        np.savez(folder / f"{name}.npz", x=data["x"][k::2], y=data["y"][k::2])


def search(tools, o, net, folder, way):
    """What mc-search finds: its report, and minutes. None: nothing meets the limit."""
    out, report = folder / f"{way.replace(' ', '-')}.mir", folder / f"{way.replace(' ', '-')}.json"
    start = time.monotonic()
    try:
        tools("mc-search", folder / "net.mir", f"--data={MODELS / net['calib']}", f"--eval={folder / 'val.npz'}",
              f"--min-accuracy={o.keep}", f"--march={o.march}", f"--work={folder / 'work'}", f"--time-limit={o.time_limit}",
              f"--seconds={o.seconds}", *o.options, *WAYS[way], "-o", out, f"--json={report}", f"--report={out.with_suffix('.html')}")
    except Failed as e:
        if "no candidate meets the limits" not in str(e):
            raise
        return None
    return out, json.loads(report.read_text()), (time.monotonic() - start) / 60


def objects(tools, o, folder, found):
    """Compiles the original and what was found; milliseconds of each, timed in turns."""
    nets = {"original": folder / "net.mir", **{w: f[0] for w, f in found.items()}}
    for way, net in nets.items():
        tools("mcc", "-O3", "-quiet", f"-march={o.march}", net, "-o", folder / f"{way}.o")
    out = json.loads(tools("mc-bench", "--json", f"--seconds={o.seconds}", *(folder / f"{w}.o" for w in nets)).out)
    return {way: n["median_ms"] for way, n in zip(nets, out["networks"])}


def rows(tools, name, folder, found, ms):
    score = lambda way, data: f"{tools.score(folder / f'{way}.o', folder / f'{data}.npz').value:.2f}"
    for way in ("original", *WAYS):
        if way not in ms:
            yield [name, way, "nothing meets the limit", *["-"] * 7]
            continue
        _, report, minutes = found.get(way, (None, found["search"][1] if "search" in found else None, 0))
        c = (report or {}).get("best" if way != "original" else "original") or {}
        what = f"`{c.get('shape') or 'original'}`, {c.get('precision')}" + (f", fp32: {c['skip']}" if c.get("skip") else "")
        yield [name, way, what, score(way, "val"), score(way, "test"), f"{ms[way]:.4f}", f"{ms['original'] / ms[way]:.2f}x",
               f"{c.get('bytes', 0):.0f}", f"{c.get('macs', 0):.0f}", f"{minutes:.1f}"]


def network(tools, o, name, folder):
    folder.mkdir(parents=True, exist_ok=True)
    net = ROAD[name]
    tools("mc-import", MODELS / net["model"], *import_args(net), "-o", folder / "net.mir")
    split(net, folder)
    found = {way: r for way in WAYS if (r := search(tools, o, net, folder, way))}
    ms = objects(tools, o, folder, found)
    failed = [f"{name}: {way} alone takes {ms[way]:.4f} ms, the search's network {ms['search']:.4f}" for way in ms
              if "search" in ms and way not in ("search", "original") and ms[way] <= ms["search"]]
    if "search" not in ms:
        failed.append(f"{name}: the search found nothing")
    return list(rows(tools, name, folder, found, ms)), failed


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", default=["resnet8", "resnet20", "fashion-resnet8"])
    p.add_argument("--build", default=pathlib.Path(__file__).resolve().parents[2] / "build" / "release")
    p.add_argument("--march", default="native")
    p.add_argument("--keep", type=float, default=0.99, help="share of the fp32 accuracy")
    p.add_argument("--time-limit", default="1h", help="of each search")
    p.add_argument("--seconds", type=float, default=2.0, help="to time each object")
    p.add_argument("--work", type=pathlib.Path, help="a folder that stays: a second run goes on there")
    p.add_argument("--option", dest="options", action="append", default=[], help="more for mc-search: --option=--jobs=2")
    o = p.parse_args()
    if unknown := set(o.networks) - set(ROAD):
        p.error(f"no such network: {', '.join(sorted(unknown))}")
    tools, all_rows, failed = Tools(o.build), [], []
    with tempfile.TemporaryDirectory() as scratch:
        for name in o.networks:
            new, wrong = network(tools, o, name, (o.work or pathlib.Path(scratch)) / name)
            all_rows += new
            failed += wrong
    print(table(all_rows, HEAD))
    print("\n".join(failed), file=sys.stderr)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
