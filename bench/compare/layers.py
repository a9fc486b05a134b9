#!/usr/bin/python3
"""The layers of a network as mcc compiled it, with the time of each: what is slow, and how far from the machine's peak.

usage: layers.py [--bin DIR] [--models DIR] [--peers DIR] [--march LEVEL] [--quant none|int8] [--batch N] [--seconds S] [--cpu N] [--fifo] [--merge] [--worst N] NETWORK ...

--march=dispatch (or dispatch=LEVEL,...) shows the level that runs here.  --merge: layers of the same kernel and shapes as one row.  --worst N: only the N layers with the most time above what peak would take.  Times come from a sampling profile
(profile.c) of whole runs, so caches are as in the network; GMAC/s count multiply-accumulates only, so a fused residual or requantization lowers them."""
import argparse, collections, json, pathlib, re, subprocess, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import compare   # noqa: E402


TYPE = r"(\w+(?:<[^>]*>)?\[[0-9,]*\])"


def arguments():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    for name, kind, default in [("bin", pathlib.Path, "build/release/bin"), ("models", pathlib.Path, "build/bench-models"), ("peers", pathlib.Path, "build/peers"), ("march", str, "native"),
                                ("quant", str, "int8"), ("batch", int, 1), ("seconds", float, 3.0), ("cpu", int, 0), ("worst", int, 0)]:
        p.add_argument(f"--{name}", type=kind, default=kind(default))
    p.add_argument("--fifo", action="store_true")
    p.add_argument("--merge", action="store_true")
    p.add_argument("networks", nargs="+")
    return p.parse_args()


def dims(type_text):
    return [int(d) for d in re.search(r"\[([0-9,]*)\]$", type_text)[1].split(",") if d]


def product(x):
    n = 1
    for v in x:
        n *= v
    return n


def macs(op, inputs, out):
    """Multiply-accumulates of a head op from the types of its operands."""
    if op in ("conv2d", "linear"):
        return product(out) * product(inputs[1][1:])
    if op == "conv_transpose2d":
        return product(inputs[0]) * product(inputs[1][1:])
    return product(out) * inputs[0][-1] if op == "matmul" else 0


def groups(o, planned):
    """[(kernel, head op, name, shapes, MACs)] in the order of the object's functions; planned: a file of the grouped text."""
    return groups_of(pathlib.Path(planned).read_text().split("\ndata {")[0])


def grouped_text(o, name, level=None):
    command = [o.bin / "mcc", "-O3", f"-march={level or o.march}", f"-quant={o.quant}", "-emit=mir", "-quiet", "-o", "-", o.models / f"{name}.b{o.batch}.mir"]
    return subprocess.run(command + ([f"-calib={o.models}/{name}.calib.npz"] if o.quant != "none" else []), check=True, capture_output=True, text=True).stdout.split("\ndata {")[0]


def groups_of(text):
    types = {v: dims(t) for v, t in re.findall(rf"(%[\w.]+): {TYPE}", text)}   # the graph's inputs
    found, result, head = [], None, None
    for line in text.splitlines():
        opened = re.match(r'\s+(%[\w.]+)(?:, %[\w.]+)* = group \{kernel="(\w+)"', line)
        closed = re.match(rf"  \}} : {TYPE}", line)
        node = re.match(rf"\s+(%[\w.]+)(?:, %[\w.]+)* = (\w+)(.*?) : {TYPE}", line)
        if opened:
            result, kernel = opened[1], opened[2]
        elif closed:
            types[result] = dims(closed[1])
            found.append(head)
            result = head = None
        elif node:
            out = types[node[1]] = dims(node[4])
            if result and not head:
                args = [types.get(v, []) for v in re.findall(r"%[\w.]+", node[3])]
                label = re.search(r'loc\("([^"]*)"\)', line)
                head = (kernel, node[2], label[1] if label else "", args, out, macs(node[2], args, out))
    return found


def functions(library):
    """[(address, bytes, level, group)]. Names: net.GROUP, further steps of a group with .STEP after, links of a chain that
    begins with GROUP .linkN; objects that choose have a level between prefix and number."""
    out = subprocess.run(["nm", "-S", library], check=True, capture_output=True, text=True).stdout
    name = r"^(\w+) (\w+) t net\.(?:([a-z][\w.+-]*?)\.)?(\d+)(?:\.link(\d+))?(?:\.\d+)?$"
    return [(int(m[1], 16), int(m[2], 16), m[3], int(m[4]) + int(m[5] or 0)) for m in re.finditer(name, out, re.M)]


def profile(o, library):
    """Median ms of a run, the share of time by number of group (-1: the rest), and the level that ran (None: there is but one)."""
    out = subprocess.run([o.peers / "profile", "-seconds", str(o.seconds), "-cpu", str(o.cpu)] + (["-fifo"] if o.fifo else []) + [library], check=True, capture_output=True, text=True).stdout
    lines = out.split("\n")
    where, share, levels, total = functions(library), {}, collections.Counter(), 0
    for line in lines[1:-1]:
        at, n = map(int, line.split())
        level, group = next(((level, g) for start, size, level, g in where if start <= at + 8 < start + size), (None, -1))
        share[group] = share.get(group, 0) + n
        levels[level] += n if group >= 0 else 0
        total += n
    return float(lines[0].split()[1]), {g: n / total for g, n in share.items()}, levels.most_common(1)[0][0] if levels else None


def report(o, name, peak):
    library, _ = compare.compiled(o, name, o.quant, apart=True)
    if not library:
        sys.exit(f"{name}: there is nothing to profile")
    ms, share, level = profile(o, library)
    rows = {}   # text of the row -> numbers, number of the first group
    for i, (kernel, op, label, args, out, m) in enumerate(groups_of(grouped_text(o, name, level))):
        x = "x".join(map(str, args[0][1:] if args else []))
        w = f" * {'x'.join(map(str, args[1]))}" if m and len(args) > 1 else ""
        what = f"{kernel:10s} {op:14s} {x + w + ' -> ' + 'x'.join(map(str, out[1:])):50s}"
        key = what if o.merge else (i, what)
        row = rows.setdefault(key, dict(what=what, label=label, macs=0, us=0, n=0))
        row["macs"], row["us"], row["n"] = row["macs"] + m, row["us"] + share.get(i, 0) * ms * 1e3, row["n"] + 1
    rows = list(rows.values())
    print(f"\n{name} {o.quant} -march={o.march}{f' ({level})' if level else ''}: {ms:.4g} ms; outside the groups {100 * share.get(-1, 0):.1f}%\n"
          f"{'layer':22s} {'n':>3s} {'kernel':10s} {'op':14s} {'shapes':50s} {'MMAC':>9s} {'us':>9s} {'time':>6s} {'GMAC/s':>8s} {'peak':>6s}")
    if o.worst:
        rows = sorted(rows, key=lambda r: r["macs"] / peak / 1e3 - r["us"])[: o.worst]
    for r in rows:
        rate = r["macs"] / r["us"] / 1e3 if r["us"] else 0
        print(f"{r['label']:22.22s} {r['n']:3d} {r['what']} {r['macs'] / 1e6:9.2f} {r['us']:9.1f} {r['us'] / ms / 10:5.1f}%" + (f" {rate:8.1f} {100 * rate / peak:5.1f}%" if rate else ""))


def main():
    o = arguments()
    peaks = json.loads(subprocess.run([o.peers / "peaks", "-json", "-cpu", str(o.cpu)] + (["-fifo"] if o.fifo else []), check=True, capture_output=True, text=True).stdout)
    best = max(v for k, v in peaks.items() if (k.endswith("fp32") if o.quant == "none" else k.endswith("s8")))
    print(f"peak: {best:.0f} GMAC/s")
    for name in o.networks:
        report(o, name, best)


if __name__ == "__main__":
    main()
