#!/usr/bin/env python3
"""Whether compressed objects are faster: time before and after, measured and estimated, in INT8.

    bench/compression/latency.py [NETWORK...] [--try='prune{macs=0.5 data={data}}']... [--floor=1.5]
    bench/compression/latency.py vww --seconds=0.5 --rounds=5

For each network and pass: the share of the MACs that is left; the share of the time by the cost
model and by the clock; how many times faster; top-1 on the test sets in fp32 and in INT8. The
objects of a network take turns (mc-bench), in rounds; a time is the least of all runs. One Markdown
table. --floor: exit code 1 where a network with at most half of its MACs is not so many times
faster."""
import argparse
import json
import sys

from shrink import BUILD, Failed, Lab, table, tops

NETWORKS = ["resnet8", "resnet20", "fashion-resnet8", "vww", "mobilenet-128"]
PASSES = ["prune{macs=0.5 data={data}}", "lowrank{macs=0.5 data={data}}",
          "compress{macs=0.5 data={data}}", "prune{time=0.6 data={data}}",
          "lowrank{time=0.6 data={data}}", "compress{time=0.6 data={data}}"]


def estimate(lab, name, mir, march):
    """The sum of what the cost model says of the layers in INT8, in microseconds."""
    out = json.loads(lab.tools("mc-bench", mir, "--quant=int8", f"--calib={lab.calib(name)}",
                               f"--march={march}", "--layers", "--json", "--seconds=0.05").out)
    return sum(layer.get("model_us") or 0 for layer in out["networks"][0]["layers"])


def least(lab, objects, o):
    """The least time of each object in microseconds; they take turns within each round."""
    best = [float("inf")] * len(objects)
    for _ in range(o.rounds):
        out = lab.tools("mc-bench", *objects, "--json", f"--seconds={o.seconds}", *o.bench).out
        now = [1000 * net["min_ms"] for net in json.loads(out)["networks"]]
        best = [min(a, b) for a, b in zip(best, now)]
    return best


def attempt(lab, name, text, number, o):
    """The network through a pass, or None where the pass says that it cannot."""
    try:
        return lab.run(name, text, f"small{number}", [f"-march={o.march}"])
    except Failed as e:
        why = [line for line in str(e).splitlines() if "error:" in line]
        print(f"{name} {text}: {why[0] if why else e}", file=sys.stderr)
        return None


def rows_of(lab, name, o):
    """The rows of one network, and what is slower than the floor."""
    base = lab.network(name)
    tried = [(text, attempt(lab, name, text, i, o)) for i, text in enumerate(o.passes)]
    nets = [("as it is", base)] + [(text, r) for text, r in tried if r]
    objects = [lab.int8(name, r.mir, o.march) for _, r in nets]
    us = least(lab, objects, o)
    said = [estimate(lab, name, r.mir, o.march) for _, r in nets]
    for i, (text, r) in enumerate(nets):
        faster, share = us[0] / us[i], r.macs / base.macs
        slow = i and share <= 0.505 and faster < o.floor
        yield [name, text.replace(" data={data}", ""), f"{share:.3f}", f"{said[i]:.0f}",
               f"{said[i] / said[0]:.2f}", f"{us[i]:.0f}", f"{us[i] / us[0]:.2f}", f"{faster:.2f}",
               tops(r.top), tops(lab.top(name, objects[i]))], slow
    for text, r in tried:
        if not r:
            yield [name, text.replace(" data={data}", ""), "not possible"] + [""] * 7, False


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", default=NETWORKS)
    p.add_argument("--try", dest="passes", action="append", help="may be repeated; default: six budgets")
    p.add_argument("--floor", type=float, default=0, help="least factor at half of the MACs")
    p.add_argument("--march", default="native", help="of the estimates and of the objects")
    p.add_argument("--seconds", type=float, default=0.5, help="of each object and round")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--bench", action="append", default=[], help="an option of mc-bench, e.g. --bench=--fifo")
    p.add_argument("--build", default=BUILD)
    o = p.parse_args()
    o.passes = o.passes or PASSES
    lab, rows, failed = Lab(o.build), [], []
    for name in o.networks:
        for row, slow in rows_of(lab, name, o):
            rows.append(row)
            failed += [" ".join(row[:2])] if slow else []
            print(*row, sep="\t", file=sys.stderr, flush=True)
    print(table(rows, ["network", "pass", "MACs", "model us", "share", "us", "share", "times faster",
                       "top-1 %", "INT8 top-1 %"]))
    for f in failed:
        print(f"FAILED {f}: not {o.floor} times faster", file=sys.stderr)
    sys.exit(1 if failed else 0)


main()
