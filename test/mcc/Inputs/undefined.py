"""Compiles networks in many ways and prints what the objects ask others for: undefined.py FOLDER NET..."""
import itertools
import subprocess
import sys

LEVELS = ["x86-64", "x86-64-v3", "avx512vnni", "sapphirerapids", "dispatch -target=x86_64", "armv8-a",
          "neoverse-v1", "dispatch -target=aarch64"]
folder, *nets = sys.argv[1:]
asked, count = set(), 0
for net, level, quant in itertools.product(nets, LEVELS, ["none", "bf16", "int8"]):
    obj = f"{folder}/o.o"
    threads = ["-threads=3"] if quant == "int8" else []
    command = ["mcc", "-quiet", f"-quant={quant}", *f"-march={level}".split(), *threads, net, "-o", obj]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    names = subprocess.run(["llvm-nm", "--undefined-only", "--just-symbol-name", obj], check=True,
                           capture_output=True, text=True).stdout.split()
    asked.update(names)
    count += 1
print(f"{count} objects ask for: {' '.join(sorted(asked))}")
