#!/usr/bin/python3
"""From exec to the first result, and the memory it takes: a small C program around mcc's object, linked dynamically and statically, against ONNX Runtime's C library doing the same.

usage: cold.py [options] [NETWORK ...]       default: mobilenet_v1 resnet50

  --bin DIR       mcc's tools (default build/release/bin)
  --models DIR    what bench/models.py wrote (default build/bench-models)
  --peers DIR     what bench/setup.sh made (default build/peers)
  --march LIST    levels, several with ';' between (default "native;dispatch")
  --runs N        fresh processes of each program, in alternation (default 30)
  --cpu N         the core (default 0)
  --fifo          real-time priority

Every file was read before (page cache warm). Times are medians; memory is VmHWM, the most that was resident: program, weights that were read, arena, input, libc."""
import argparse
import pathlib
import shlex
import subprocess
import sys

from tools import table

BENCH = pathlib.Path(__file__).resolve().parent
CFLAGS = ["-std=gnu17", "-O2", "-Wall", "-Wextra"]


def run(*command):
    subprocess.run([str(c) for c in command], check=True, stderr=subprocess.DEVNULL)


def build_programs(o):
    cold = BENCH / "cold"
    run("cc", *CFLAGS, cold / "spawn.c", "-o", o.out / "spawn")
    run("cc", *CFLAGS, cold / "ort.c", BENCH / "compare" / "ort.c", "-o", o.out / "cold-ort", "-ldl")


def programs(o, name):
    """(label, command, bytes on disk) of everything that can run this network."""
    mir = o.out / f"{name}.mir"
    run(o.bin / "mc-import", "-shape", "N=1", o.models / f"{name}.fp32.onnx", "-o", mir)
    for march in o.march.split(";"):
        stem = o.out / f"{name}.{march.replace(',', '_')}"
        run(o.bin / "mcc", "-O3", "-quiet", "-quant=int8", f"-calib={o.models}/{name}.calib.npz", f"-march={march}", "-name=net", mir, "-o", f"{stem}.o")
        for how, flags in (("dynamic", []), ("static", ["-static"])):
            program = f"{stem}.{how}"
            run("cc", *CFLAGS, *flags, f'-DNET_HEADER="{pathlib.Path(f"{stem}.h").resolve()}"', BENCH / "cold" / "net.c", f"{stem}.o", "-o", program, "-Wl,-z,noexecstack")
            yield f"mcc -march={march}, {how}", program, pathlib.Path(program).stat().st_size
    library = o.peers / "libonnxruntime.so"
    model = o.models / f"{name}.int8.onnx"
    if library.exists():
        yield "ONNX Runtime", f"{o.out}/cold-ort {library} {model}", library.stat().st_size + model.stat().st_size


def measure(o, name):
    rows = list(programs(o, name))
    command = [o.out / "spawn", "-cpu", o.cpu, "-runs", o.runs] + (["-fifo"] if o.fifo else []) + [command for _, command, _ in rows]
    out = subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    for (label, _, size), line in zip(rows, out.splitlines()):
        median, least, _, kib, faults = line.split()[:5]
        yield [f"{name}: {label}", f"{float(median):.2f}", f"{float(least):.2f}", f"{float(kib) / 1024:.1f}", faults, f"{size / 2**20:.1f}"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", default=["mobilenet_v1", "resnet50"])
    for name in ("bin", "models", "peers"):
        p.add_argument(f"--{name}", type=pathlib.Path, default=pathlib.Path({"bin": "build/release/bin", "models": "build/bench-models", "peers": "build/peers"}[name]))
    p.add_argument("--march", default="native;dispatch")
    p.add_argument("--runs", type=int, default=30)
    p.add_argument("--cpu", type=int, default=0)
    p.add_argument("--fifo", action="store_true")
    o = p.parse_args()
    o.out = pathlib.Path("build/cold")
    o.out.mkdir(parents=True, exist_ok=True)
    for name in o.networks:
        if not (o.models / f"{name}.fp32.onnx").exists():
            sys.exit(f"{o.models}/{name}.fp32.onnx: not there; bench/models.py -o {o.models} {shlex.quote(name)} writes it")
    build_programs(o)
    rows = [row for name in o.networks for row in measure(o, name)]
    print(table(rows, ["", "ms", "least ms", "resident MiB", "faults", "on disk MiB"]))


if __name__ == "__main__":
    main()
