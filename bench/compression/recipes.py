#!/usr/bin/env python3
"""Score x allocation x repair at half of the MACs: which part of the recipe brings what.

    bench/compression/recipes.py [NETWORK...] [--share=0.5] [--scores=l2,obs] [--allocs=...] [--repairs=...]

One Markdown table: top-1 in % on the network's last test set. Widths by measured error take longest: only
the scores of --measured are tried with them."""
import argparse
import sys

from shrink import BUILD, Failed, Lab, table

NETWORKS = ["resnet20", "resnet8", "fashion-resnet8", "vww", "mobilenet-128"]
SCORES = ["random", "l1", "l2", "bn-gamma", "gm", "mean", "apoz", "aw", "error", "obs"]
ALLOCS = ["uniform", "global", "measured"]
REPAIRS = ["none", "bn", "refit"]
MEASURED = ["random", "l2", "aw", "obs"]


def recipes(o):
    """All that is tried, as (score, allocation, repair)."""
    for score in o.scores.split(","):
        for alloc in o.allocs.split(","):
            if alloc != "measured" or score in o.measured.split(","):
                for repair in o.repairs.split(","):
                    yield score, alloc, repair


def top(lab, name, text):
    """The cell of one network."""
    try:
        return f"{lab.run(name, text).top[-1]:.2f}"
    except Failed as e:
        print(f"{name} {text}: {e}", file=sys.stderr)
        return "-"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", default=NETWORKS)
    p.add_argument("--share", type=float, default=0.5)
    p.add_argument("--scores", default=",".join(SCORES))
    p.add_argument("--allocs", default=",".join(ALLOCS))
    p.add_argument("--repairs", default=",".join(REPAIRS))
    p.add_argument("--measured", default=",".join(MEASURED), metavar="SCORES", help="scores that alloc=measured is tried with")
    p.add_argument("--build", default=BUILD)
    o = p.parse_args()
    lab, rows = Lab(o.build), []
    for score, alloc, repair in recipes(o):
        text = f"prune{{macs={o.share} score={score} alloc={alloc} repair={repair} data={{data}}}}"
        rows.append([score, alloc, repair, *(top(lab, name, text) for name in o.networks)])
        print(" ".join(rows[-1]), file=sys.stderr, flush=True)
    print(table(rows, ["score", "allocation", "repair", *o.networks]))


main()
