"""usage: full_disk.py FOLDER: net.mir is in it. Runs every tool with an output that takes no byte."""
import os
import subprocess
import sys

import numpy as np

os.chdir(sys.argv[1])
np.savez("data.npz", x=np.zeros((3, 8), "f4"), y=np.zeros(3, "i8"))
subprocess.run(["mcc", "-quiet", "-march=x86-64", "net.mir", "-o", "net.o"], check=True)
open("page.md", "w").write("text\n")
TOOLS = ["mcc", "mc-opt", "mc-import", "mc-run", "mc-eval", "mc-stat", "mc-bench", "mc-search",
         "mc-docs"]
TO_STDOUT = [[t, "--help"] for t in TOOLS] + [[t, "--version"] for t in TOOLS] + [
    ["mcc", "-print-pipeline", "net.mir"], ["mcc", "-emit=asm", "net.mir"], ["mcc", "-emit=llvm", "net.mir"],
    ["mcc", "-emit=mir", "net.mir"], ["mcc", "net.mir", "-o", "-"], ["mc-opt", "net.mir"], ["mc-opt", "-list-passes"],
    ["mc-opt", "-pass=dce", "-print-pipeline"], ["mc-opt", "-split-input-file", "net.mir"], ["mc-run", "net.mir"],
    ["mc-run", "net.o"], ["mc-run", "net.mir", "--compare=net.mir"], ["mc-eval", "net.mir", "--data=data.npz"],
    ["mc-stat", "net.mir"], ["mc-stat", "--json", "net.mir"], ["mc-stat", "net.o"], ["mc-bench", "net.o", "--seconds=0.01"],
    ["mc-bench", "net.o", "--seconds=0.01", "--json"], ["mc-docs", "page.md"],
]
TO_FILE = [
    ["mcc", "net.mir", "-o", "/dev/full"], ["mcc", "-emit=asm", "net.mir", "-o", "/dev/full"],
    ["mcc", "-emit=mir", "net.mir", "-o", "/dev/full"], ["mc-opt", "net.mir", "-o", "/dev/full"],
    ["mc-opt", "-pass=dce", "-reproducer=/dev/full", "net.mir"], ["mc-run", "net.mir", "-o", "/dev/full"],
    ["mc-stat", "net.mir", "-o", "/dev/full"], ["mc-bench", "net.o", "--seconds=0.01", "-o", "/dev/full"],
    ["mc-bench", "net.mir", "--seconds=0.01", "--roofline=full.svg"],
    ["mc-run", "net.mir", "-o", "full.npz"], ["mcc", "net.mir", "-o", "full.o"], ["mc-docs", "page.md", "-o", "/dev/full"],
]


def check(command, want, **kw):
    r = subprocess.run(command, stderr=subprocess.PIPE, text=True, **kw)
    good = r.returncode == 1 and want in r.stderr and "cannot write" in r.stderr
    print("ok" if good else "FAIL", " ".join(command), "" if good else f"-> {r.returncode} {r.stderr!r}")
    return good


for name in ("full.svg", "full.npz", "full.o"):
    os.symlink("/dev/full", name)
before = sorted(os.listdir(".")), sorted(n for n in os.listdir("/dev") if "full" in n)
good = True
for c in TO_STDOUT:
    with open("/dev/full", "w") as full:
        good &= check(c, "No space left on device", stdout=full)
for c in TO_FILE:
    good &= check(c, "No space left on device", stdout=subprocess.DEVNULL)
closed = dict(preexec_fn=lambda: os.close(1))
good &= check(["mc-opt", "net.mir"], "Bad file descriptor", **closed)
good &= check(["mc-stat", "net.mir"], "Bad file descriptor", **closed)
left = sorted(os.listdir(".")), sorted(n for n in os.listdir("/dev") if "full" in n)
if left != before:
    print("FAIL files were left:", left)
elif good:
    print("everything that must fail did")
