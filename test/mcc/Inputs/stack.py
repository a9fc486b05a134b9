"""Compiles the example network in each precision and runs it on a painted stack:
stack.py FOLDER CC NATIVE EXAMPLE OPTIONS PRECISION..."""
import subprocess
import sys
from pathlib import Path

folder, cc, native, example, options, *precisions = sys.argv[1:]
arm = "aarch64" in cc
runner = ["qemu-aarch64-static", "-cpu", "max"] if arm else []
here = Path(__file__).parent
for quant in precisions:
    obj = f"{folder}/net.o"
    calib = [f"-calib={example}/calib.npz"] if quant == "int8" else []
    command = ["mcc", "-O3", "-quiet", f"-march={native}", f"-quant={quant}", *calib, *options.split()]
    subprocess.run([*command, f"{example}/shapes.mir", "-o", obj], check=True)
    program = f"{folder}/stack"
    link = [*cc.split(), "-O1", f"-I{folder}", str(here / "stack.c"), obj, "-o", program]
    subprocess.run(link, check=True)
    run = subprocess.run([*runner, program], check=True, capture_output=True, text=True)
    print(run.stdout, end="")
