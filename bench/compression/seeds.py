#!/usr/bin/env python3
"""Three things that the literature says about pruning, on our networks.

    bench/compression/seeds.py [NETWORK...]

1. Single weights can go further than channels: the same share of weights removed, structured and not.
2. One threshold for all layers against the same share in each.
3. Layer collapse: what a global threshold without repair leaves of the narrowest layer.

Markdown tables: top-1 in % on the network's last test set, without repair and with it."""
import argparse
import re
import sys

from shrink import BUILD, Failed, Lab, table

NETWORKS = ["resnet20", "resnet8", "fashion-resnet8"]
SHARES = [0.5, 0.7, 0.8, 0.9]  # of the weights removed


def top(lab, name, text):
    try:
        r = lab.run(name, text)
    except Failed as e:
        print(f"{name} {text}: {e}", file=sys.stderr)
        return "-", None
    return f"{r.top[-1]:.2f}", r


def weights_or_channels(lab, names):
    rows = []
    for name in names:
        for gone in SHARES:
            for repair in ("none", "refit"):
                data = f"data={{data}} repair={repair}"
                cells = [name, f"{gone:.0%}", repair]
                for scope in ("local", "global"):
                    cells.append(top(lab, name, f"sparsify{{pattern=weights scope={scope} sparsity={gone} {data}}}")[0])
                for alloc in ("uniform", "global", "measured"):
                    cells.append(top(lab, name, f"prune{{params={1 - gone:g} alloc={alloc} {data}}}")[0])
                rows.append(cells)
                print(" ".join(cells), file=sys.stderr, flush=True)
    head = ["network", "removed", "repair", "weights, local", "weights, global", "channels, uniform", "channels, global", "channels, measured"]
    return table(rows, head)


def narrowest(lab, mir):
    """The smallest count of channels that a convolution or linear layer has left."""
    layers = [x for x in lab.tools.cost(mir)["layers"] if x["op"] in ("conv2d", "linear")]
    return min(int(re.search(r"(\d+)\]$", x["result"])[1]) for x in layers)


def collapse(lab, names):
    rows = []
    for name in names:
        for share in (0.7, 0.5, 0.35):
            cells = [name, f"{share:g}"]
            for alloc in ("uniform", "global", "measured"):
                t, r = top(lab, name, f"prune{{macs={share} alloc={alloc} score=l2 align=1 repair=none data={{data}}}}")
                cells += [t, str(narrowest(lab, r.mir)) if r else "-"]
            rows.append(cells)
    head = ["network", "MACs"]
    for alloc in ("uniform", "global", "measured"):
        head += [f"{alloc}: top-1", "narrowest"]
    return table(rows, head)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", default=NETWORKS)
    p.add_argument("--build", default=BUILD)
    o = p.parse_args()
    lab = Lab(o.build)
    print("## Weights or channels, local or global\n\n" + weights_or_channels(lab, o.networks))
    print("\n## Layer collapse\n\n" + collapse(lab, o.networks))


main()
