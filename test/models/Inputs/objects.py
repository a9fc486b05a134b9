#!/usr/bin/env python3
"""Objects of a real network (bench/networks.py) at many machine levels, held against the reference evaluator.

    objects.py levels  NETWORK WORK [--limit=N]   x86-64 levels that this machine has: INT8 outputs equal the evaluator's byte for byte
    objects.py aarch64 NETWORK WORK [--limit=N]   the same for AArch64 cores under qemu; fp32 outputs within 1e-4 of the largest
    objects.py int8 NETWORK WORK                  accuracy on every test set: INT8 at most 0.5 points (AUC: 0.01) below fp32
    objects.py threads NETWORK WORK               objects for 2, 3 and 7 threads: the bytes of one thread, fp32 and INT8
    objects.py contract NETWORK WORK              fp32 and INT8: undefined symbols, canaries around the arena, two threads

The evaluator runs the quantized graph as it is before storage and grouping, so the plan is held against it as well."""
import argparse
import pathlib
import platform
import re
import shutil
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench"))
from networks import MODELS, ROAD, import_args  # noqa: E402
from tools import Tools  # noqa: E402

# level: word that /proc/cpuinfo must have
X86 = {"x86-64": "sse2", "x86-64-v2": "ssse3", "x86-64-v3": "avx2", "avx512": "avx512bw", "avx512vnni": "avx512_vnni", "sapphirerapids": "amx_int8"}
# level: qemu's model of a core
AARCH64 = {"armv8-a": "cortex-a72", "neoverse-n1": "neoverse-n1", "armv8.6-a+i8mm": "max"}
CROSS = "aarch64-linux-gnu-gcc"


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout.decode(errors='replace')}")
    return done.stdout


class Network:
    def __init__(self, o):
        self.net, self.dir, self.limit = ROAD[o.network], o.work, o.limit
        self.dir.mkdir(parents=True, exist_ok=True)
        self.mir, self.q = self.dir / "net.mir", self.dir / "q.mir"
        self.calib = f"-calib={MODELS / self.net['calib']}"
        # the autoencoder's test set are spectrograms, not inputs
        self.data = MODELS / (self.net["tests"][0][0] if self.net["pre"] else self.net["calib"])
        run("mc-import", MODELS / self.net["model"], *import_args(self.net), "-o", self.mir, stderr=subprocess.DEVNULL)

    def quantize(self):
        """The quantized graph, before the planner's passes; and what the evaluator makes of it."""
        passes = run("mcc", "-O3", "-quant=int8", self.calib, "-print-pipeline", self.mir).decode().strip()
        run("mc-opt", "--pass-pipeline=" + passes[:passes.index(",storage")], self.mir, "-o", self.q)
        return self.outputs(self.q)

    def outputs(self, what, *options):
        y = self.dir / (what.stem + ".npy")
        run("mc-run", what, *options, f"--data={self.data}", f"--limit={self.limit}", f"--output={y}")
        return np.load(y)

    def compile(self, source, march, name, *options):
        """net.o and net.h in a folder of their own."""
        where = self.dir / name
        where.mkdir(exist_ok=True)
        quant = ["-quant=int8", self.calib] if name.startswith("int8") else []
        run("mcc", "-O3", "-quiet", f"-march={march}", *quant, *options, "-name=net", source, "-o", where / "net.o")
        return where

    def link(self, where, source, cc, *flags):
        header = (where / "net.h").read_text()
        size = lambda io: int(re.search(rf"^#define NET_{io}_ELEMS (\d+)$", header, re.M)[1]) * {"uint8_t": 1, "int8_t": 1, "float": 4}[re.search(rf"^#define NET_{io}_TYPE (\w+)$", header, re.M)[1]]
        out = re.search(r"^#define NET_(OUT\w*?)_ELEMS", header, re.M)[1]
        program = where / source.stem
        run(cc, "-O1", "-std=gnu11", *flags, f"-I{where}", *[f"-D{d}={size(x)}" for d, x in (("IN_BYTES", "INPUT"), ("IN_SIZES", "INPUT"), ("OUT_BYTES", out), ("OUT_SIZES", out))], source, where / "net.o", "-o", program)
        return program


def same(got, want, what):
    if got.tobytes() != want.tobytes():
        differ = np.flatnonzero(got.ravel() != want.ravel())
        sys.exit(f"{what}: {len(differ)} of {want.size} elements differ from the reference evaluator's, or their bytes do")
    print(f"{what}: {len(want)} samples equal")


def levels(n, o):
    if platform.machine() != "x86_64":
        sys.exit("this machine is no x86-64")
    has = pathlib.Path("/proc/cpuinfo").read_text().split()
    want = n.quantize()
    for march in [m for m, word in X86.items() if word in has]:
        same(n.outputs(n.compile(n.q, march, "q_" + march) / "net.o"), want, march)
    same(n.outputs(n.compile(n.mir, o.native, "int8") / "net.o"), want, "native, from the imported graph")


def aarch64(n, o):
    want, fp32 = n.quantize(), n.outputs(n.mir)
    samples = np.ascontiguousarray(np.load(n.data)["x"][:n.limit]).tobytes()
    drive = pathlib.Path(__file__).with_name("drive.c")
    for march, core in AARCH64.items():
        program = n.link(n.compile(n.q, march, "q_" + march), drive, CROSS, "-static")
        same(np.frombuffer(run("qemu-aarch64-static", "-cpu", core, program, input=samples), want.dtype).reshape(want.shape), want, f"{march} on {core}")
    program = n.link(n.compile(n.mir, "neoverse-n1", "fp32"), drive, CROSS, "-static")
    few = samples[:len(samples) * min(5, n.limit) // n.limit]
    got = np.frombuffer(run("qemu-aarch64-static", "-cpu", "neoverse-n1", program, input=few), fp32.dtype)
    error = np.max(np.abs(got - fp32.ravel()[:len(got)])) / np.max(np.abs(fp32))
    if not error <= 1e-4:
        sys.exit(f"fp32 on neoverse-n1: {error} of the largest output away from the evaluator")
    print("fp32 close")


def int8(n, o):
    tools, auc = Tools(pathlib.Path(shutil.which("mcc")).parents[1]), n.net.get("metric") == "auc"
    objects = [n.compile(n.mir, o.native, name) / "net.o" for name in ("fp32", "int8")]
    for data, _, _ in n.net["tests"]:
        fp32, low = [tools.score(obj, MODELS / data, *(["--metric=auc"] if auc else [])).value for obj in objects]
        if low < fp32 - (0.01 if auc else 0.5) - 1e-9:
            sys.exit(f"{data}: INT8 {low}, fp32 {fp32}")
        print(f"{data}: close")


def threads(n, o):
    for name in ("fp32", "int8"):
        want = n.outputs(n.compile(n.mir, o.native, name) / "net.o")
        for t in (2, 3, 7):
            obj = n.compile(n.mir, o.native, f"{name}_{t}", f"-threads={t}") / "net.o"
            for run_on in (1, 2, t):
                if n.outputs(obj, f"--threads={run_on}").tobytes() != want.tobytes():
                    sys.exit(f"{name}, {t} tasks on {run_on} threads: not the bytes of one thread")
        print(f"{name}: {len(want)} samples equal")


def contract(n, o):
    inputs = ROOT / "test" / "mcc" / "Inputs"
    for name in ("fp32", "int8"):
        where = n.compile(n.mir, o.native, name)
        undefined = set(run("nm", "-u", where / "net.o").decode().split()) - {"U"}
        if undefined - {"memcpy", "memset"}:
            sys.exit(f"{name}: undefined {undefined}")
        for program in ("canary.c", "threads.c"):
            said = run(n.link(where, inputs / program, o.cc, "-pthread")).decode().strip()
            if said != "ok":
                sys.exit(f"{name}: {program}: {said}")
        print(f"{name}: symbols, arena and threads ok")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=("levels", "aarch64", "int8", "threads", "contract"))
    p.add_argument("network", choices=ROAD)
    p.add_argument("work", type=pathlib.Path)
    p.add_argument("--limit", type=int, default=50)
    p.add_argument("--cc", default="cc")
    p.add_argument("--native", default="native", help="the level that stands for this machine")
    o = p.parse_args()
    globals()[o.what](Network(o), o)


main()
