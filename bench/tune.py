#!/usr/bin/python3
"""What -tune gains over the cost model's blocks: both objects of a network in alternation, one pinned thread (bench/compare).

usage: tune.py [--bin DIR] [--models DIR] [--peers DIR] [--march LEVEL] [--quant none|int8] [--batch N] [--seconds S] [--cpu N] [--fifo] [--cache FILE] [NETWORK ...]

Columns: ms of the cost model's blocks and of the measured ones, their ratio, products that got another block, seconds that tuning took.  Without --cache everything is measured anew; with it, what the file lacks."""
import argparse, json, math, pathlib, subprocess, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "compare"))
import compare, cost   # noqa: E402


def arguments():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    for name, kind, default in [("bin", pathlib.Path, "build/release/bin"), ("models", pathlib.Path, "build/bench-models"), ("peers", pathlib.Path, "build/peers"), ("march", str, "native"),
                                ("quant", str, "int8"), ("batch", int, 1), ("seconds", float, 2.0), ("cpu", int, 0), ("cache", pathlib.Path, None)]:
        p.add_argument(f"--{name}", type=kind, default=kind(default) if default is not None else None)
    p.add_argument("--fifo", action="store_true")
    p.add_argument("networks", nargs="*", default=cost.NETWORKS)
    return p.parse_args()


def built(o, name, folder, tuned):
    """The shared library, what mcc said, seconds."""
    stem = pathlib.Path(folder) / f"{name}.{'tuned' if tuned else 'model'}"
    command = [o.bin / "mcc", "-O3", f"-march={o.march}", "-pass-pipeline=form-groups", "-name=net", "-remarks", cost.planned(o, name), "-o", f"{stem}.o"]
    command += [f"-tune={o.cache}" if o.cache else "-tune"] if tuned else []
    command = ([*"chrt -f 50 taskset -c".split(), str(o.cpu)] if o.fifo and tuned else []) + command
    start = time.monotonic()
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    seconds = time.monotonic() - start
    entry = pathlib.Path(compare.BENCH) / "compare" / "net_entry.c"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-Wl,-z,noexecstack", f'-DNET_HEADER="{stem}.h"', entry, f"{stem}.o", "-o", f"{stem}.so"], check=True)
    return f"{stem}.so", said, seconds


def main():
    o = arguments()
    ratios = []
    print(f"| {'':14s} | model ms | tuned ms | model/tuned | other blocks | tuning s |\n|---|---|---|---|---|---|")
    for name in o.networks:
        with tempfile.TemporaryDirectory() as folder:
            model, _, _ = built(o, name, folder, False)
            tuned, said, seconds = built(o, name, folder, True)
            command = [o.peers / "compare", "-seconds", str(o.seconds), "-batch", str(o.batch), "-cpu", str(o.cpu)] + (["-fifo"] if o.fifo else []) + [f"object:model:{model}", f"object:tuned:{tuned}"]
            v = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)["variants"]
        a, b = compare.pair(v["model"], v["tuned"])
        ratios.append(a / b)
        print(f"| {name:14s} | {a:.4g} | {b:.4g} | {a / b:.3f} | {said.count('-tune takes')} of {said.count(': gemm: ')} | {seconds:.1f} |", flush=True)
    print(f"| geometric mean | | | {math.exp(sum(map(math.log, ratios)) / len(ratios)):.3f} | | |")


if __name__ == "__main__":
    main()
