#!/usr/bin/env python3
"""Accuracy, time and size at shares of the MACs: post-training, from calibration samples alone.

    bench/compression/budgets.py [NETWORK...] [--pass=compress] [--share=0.5]... [--int8] [--latency]

One Markdown table. Exit code 1 when a floor of FLOORS is missed (with the pass that it holds for), a
share is missed by more than 1 %, or, with --int8, INT8 loses more than 0.5 points on top."""
import argparse
import sys

from shrink import BUILD, Failed, Lab, table, tops

SHARES = [0.7, 0.5, 0.35]
# Network: {pass: {share: least top-1 on the last test set, %}}; "compress": the default of one command.
FLOORS = {
    "resnet20": {"compress": {0.7: 80.0, 0.5: 79.5, 0.35: 75.0}, "lowrank": {0.5: 79.5}, "prune": {0.5: 75.0}},
    "resnet8": {"compress": {0.7: 71.0, 0.5: 67.5, 0.35: 56.0}, "prune": {0.5: 63.0}},
    "fashion-resnet8": {"compress": {0.7: 89.5, 0.5: 89.4, 0.35: 87.0}},
    "vww": {"compress": {0.7: 87.0, 0.5: 87.0, 0.35: 82.0}},
    "mobilenet-128": {"compress": {0.85: 43.5, 0.7: 32.0, 0.5: 16.0}},
}
EXTRA = {"mobilenet-128": [0.85, 0.7, 0.5]}
SECONDS = {"resnet20": 60}  # CPU seconds that a pass may take; others 30


def latency(lab, obj, seconds):
    return lab.tools.latency(obj, seconds)


def judge(o, name, share, base, r):
    """What is wrong with a result, as texts."""
    floor = FLOORS.get(name, {}).get(o.passname, {}).get(share)
    if floor is not None and r.top[-1] < floor:
        yield f"{r.top[-1]:.2f} %, at least {floor} wanted"
    if r.macs > share * base.macs * 1.01:
        yield f"{r.macs / base.macs:.3f} of the MACs, {share} asked for"
    if r.seconds > SECONDS.get(name, 30):
        yield f"{r.seconds:.0f} CPU seconds, at most {SECONDS.get(name, 30)} wanted"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", default=list(FLOORS))
    p.add_argument("--pass", dest="passname", default="compress", help="prune, lowrank or compress; may have options: 'prune{alloc=global}' is not FLOORS'")
    p.add_argument("--share", type=float, action="append", help="share of the MACs; default 0.7 0.5 0.35 (MobileNet 0.85 0.7 0.5)")
    p.add_argument("--budget", default="macs", help="macs, params, bytes, arena or time")
    p.add_argument("--int8", action="store_true", help="INT8 on top, too")
    p.add_argument("--latency", action="store_true", help="milliseconds of the INT8 object, too")
    p.add_argument("--march", help="a target for the pass, which limits the time with macs= (docs/guide/compression.md); "
                   "default: none, but for --budget=time; objects are for this machine")
    p.add_argument("--build", default=BUILD)
    o = p.parse_args()
    if unknown := set(o.networks) - set(FLOORS):
        p.error(f"no such network: {', '.join(sorted(unknown))}")
    lab, rows, failed = Lab(o.build), [], []
    target = [f"-march={o.march or 'native'}"] if o.march or o.budget == "time" else []
    o.march = o.march or "native"
    for name in o.networks:
        base = lab.network(name)
        q0 = lab.int8(name, base.mir, o.march) if o.int8 or o.latency else None
        ms0 = latency(lab, q0, 1) if o.latency else None
        cells = [name, "1", "1.000", tops(base.top), "", ""]
        cells += [tops(lab.top(name, q0))] if o.int8 else []
        cells += [f"{1000 * ms0:.0f}", "1.00"] if o.latency else []
        rows.append(cells)
        for share in o.share or EXTRA.get(name, SHARES):
            try:
                r = lab.run(name, f"{o.passname}{{{o.budget}={share} data={{data}}}}", options=target)
            except Failed as e:
                failed.append(f"{name} {share}: {e}")
                continue
            failed += [f"{name} {share}: {w}" for w in judge(o, name, share, base, r)] if o.budget == "macs" else []
            cells = [name, str(share), f"{r.macs / base.macs:.3f}", tops(r.top), f"{r.seconds:.0f}", f"{r.mib:.0f}"]
            q = lab.int8(name, r.mir, o.march) if q0 else None
            if o.int8:
                top = lab.top(name, q)
                cells.append(tops(top))
                if top[-1] < r.top[-1] - 0.5:
                    failed.append(f"{name} {share}: INT8 {top[-1]:.2f} %, fp32 {r.top[-1]:.2f} %")
            if o.latency:
                ms = latency(lab, q, 1)
                cells += [f"{1000 * ms:.0f}", f"{ms0 / ms:.2f}"]
            rows.append(cells)
            for w in r.warnings:
                print(f"{name} {share}: {w}", file=sys.stderr)
    head = ["network", "share", "MACs", "top-1 %", "CPU s", "peak MiB"]
    head += ["INT8 top-1 %"] if o.int8 else []
    head += ["INT8 us", "times faster"] if o.latency else []
    print(table(rows, head))
    for f in failed:
        print(f"FAILED {f}", file=sys.stderr)
    sys.exit(1 if failed else 0)


main()
