#!/usr/bin/python3
"""The cost model beside the clock: what mcc -remarks predicts for each group of a network, and what the group takes.

usage: cost.py [--bin DIR] [--models DIR] [--peers DIR] [--march LEVEL] [--quant none|int8] [--batch N] [--seconds S] [--cpu N] [--fifo] [--worst N] [--csv FILE] [--mcc OPTION] [NETWORK ...]

Times are a sampling profile of whole runs (compare/profile.c), as in layers.py.  ratio = predicted / measured, at the nominal clock of machines.def.  'within 25 %' is the share of the measured time in groups whose
ratio is from 0.8 to 1.25; 'order' is Spearman's rank correlation over the groups of a network, weighted by nothing.  --worst N: the N groups of each network whose error costs most.  --mcc adds an option to the compiler's command."""
import argparse, math, pathlib, re, subprocess, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "compare"))
import compare, layers   # noqa: E402

NETWORKS = ["resnet8", "ds_cnn", "vww", "autoencoder", "mobilenet_v1", "mobilenet_v2", "resnet18", "resnet50", "vgg16", "bert"]
REMARK = re.compile(r"remark: group (\d+)(?: (.*?))?: (\w+)(.*); ([0-9.e+-]+) us, bound by (\w+) \((.*?)\)")


def arguments():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    for name, kind, default in [("bin", pathlib.Path, "build/release/bin"), ("models", pathlib.Path, "build/bench-models"), ("peers", pathlib.Path, "build/peers"), ("march", str, "native"),
                                ("quant", str, "int8"), ("batch", int, 1), ("seconds", float, 2.0), ("cpu", int, 0), ("worst", int, 0), ("csv", pathlib.Path, None)]:
        p.add_argument(f"--{name}", type=kind, default=kind(default) if default is not None else None)
    p.add_argument("--fifo", action="store_true")
    p.add_argument("--mcc", action="append", default=[])
    p.add_argument("networks", nargs="*", default=NETWORKS)
    return p.parse_args()


def planned(o, name):
    """The quantized, grouped text: made once, compiled again in a moment."""
    text = o.models / f"{name}.b{o.batch}.{o.quant}.{o.march}.planned.mir"
    if not text.exists():
        mir = o.models / f"{name}.b{o.batch}.mir"
        if not mir.exists():
            subprocess.run([o.bin / "mc-import", "-shape", f"N={o.batch}", o.models / f"{name}.fp32.onnx", "-o", mir], check=True, capture_output=True)
        calib = [f"-calib={o.models}/{name}.calib.npz"] if o.quant != "none" else []
        subprocess.run([o.bin / "mcc", "-O3", f"-march={o.march}", f"-quant={o.quant}", "-chain=off", "-emit=mir", "-quiet", mir, "-o", text] + calib, check=True, capture_output=True)
    return text


def compiled(o, name):
    """The shared library and what mcc said of its groups: [(name, kernel, text, predicted us, bound, parts)]."""
    stem = o.models / f"{name}.b{o.batch}.{o.quant}.cost"
    command = [o.bin / "mcc", "-O3", f"-march={o.march}", "-pass-pipeline=form-groups,winograd", "-name=net", "-share=false", "-remarks", planned(o, name), "-o", f"{stem}.o"] + o.mcc
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    entry = pathlib.Path(compare.BENCH) / "compare" / "net_entry.c"
    header = pathlib.Path(f"{stem}.h").resolve()
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-Wl,-z,noexecstack", f'-DNET_HEADER="{header}"', entry, f"{stem}.o", "-o", f"{stem}.so"], check=True)
    found = {int(m[1]): (m[2] or "", m[3], m[4].strip(": "), float(m[5]), m[6], m[7]) for m in REMARK.finditer(said)}
    return f"{stem}.so", found


def rank_correlation(pairs):
    def ranks(v):
        order = sorted(range(len(v)), key=v.__getitem__)
        at = [0] * len(v)
        for i, k in enumerate(order):
            at[k] = i
        return at
    n = len(pairs)
    if n < 3:
        return float("nan")
    a, b = ranks([p[0] for p in pairs]), ranks([p[1] for p in pairs])
    return 1 - 6 * sum((x - y) ** 2 for x, y in zip(a, b)) / (n * (n * n - 1))


def summary(name, rows):
    """rows: (predicted, measured) in us."""
    total, good = sum(m for _, m in rows), sum(m for p, m in rows if 0.8 <= p / m <= 1.25)
    logs = sum(m * math.log(p / m) for p, m in rows) / total
    spread = sum(m * abs(math.log(p / m)) for p, m in rows) / total
    print(f"| {name:14s} | {len(rows):6d} | {total:10.1f} | {sum(p for p, _ in rows):10.1f} | {math.exp(logs):6.2f} | {100 * (math.exp(spread) - 1):7.0f} % | {100 * good / total:9.0f} % | {rank_correlation(rows):6.2f} |")


def main():
    o = arguments()
    every, lines = [], []
    for name in o.networks:
        library, said = compiled(o, name)
        ms, share, _ = layers.profile(o, library)
        shapes = {i: g for i, g in enumerate(layers.groups(o, planned(o, name)))}
        rows = []
        for i, (label, kernel, text, predicted, bound, parts) in said.items():
            measured = share.get(i, 0) * ms * 1e3
            if measured > 0.2e-3 * ms * 1e3:   # fewer samples tell nothing
                rows.append((predicted, measured, i, label, kernel, text, bound, parts))
        lines.append((name, [(r[0], r[1]) for r in rows]))
        every += lines[-1][1]
        for r in sorted(rows, key=lambda r: -abs(r[0] - r[1]))[: o.worst] if o.worst else []:
            s = shapes[r[2]]
            x, w = ("x".join(map(str, a[1:])) for a in (s[3] + [[], []])[:2])
            print(f"{name:12s} {r[2]:3d} {r[3]:20.20s} {s[1]:12s} {x:12s} * {w:12s} -> {'x'.join(map(str, s[4][1:])):12s} predicted {r[0]:8.1f} measured {r[1]:8.1f} us  ratio {r[0] / r[1]:5.2f}  {r[6]} ({r[7]}) {r[5]}")
        if o.csv:
            with o.csv.open("a") as f:
                for r in rows:
                    s = shapes[r[2]]
                    f.write(f"{name};{r[2]};{r[4]};{s[1]};{s[3]};{s[4]};{r[0]};{r[1]};{r[6]};{r[7]};{r[5]}\n")
    print("| network        | groups | measured us | predicted |  ratio |   spread | within 25 % |  order |\n|---|---|---|---|---|---|---|---|")
    for name, rows in lines:
        summary(name, rows)
    summary("all", every)


if __name__ == "__main__":
    main()
