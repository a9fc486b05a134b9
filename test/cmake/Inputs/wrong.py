"""Configures Inputs/wrong once for each call and prints what CMake said of it: wrong.py ROOT FOLDER"""
import re
import subprocess
import sys
from pathlib import Path

CALLS = [
    "mcc_add_model(nothing net.mir)",
    "mcc_add_model(objects net.mir)",
    "mcc_add_model(app net.mir QUANTIZE int8)",
    "mcc_add_model(app net.mir QUANT)",
    "mcc_add_model(app net.mir OPTIONS -o other.o)",
    "mcc_add_model(app net.mir NAME a/b)",
    "mcc_add_model(app net.mir) mcc_add_model(app net.mir QUANT int8)",
    "mcc_add_model(app net.mir NAME a-b) mcc_add_model(app net.mir QUANT int8 NAME a_b)",
    "mcc_add_model(app net.mir) for riscv64",
]


def refusal(root, folder, call):
    code, _, processor = call.partition(" for ")
    command = ["cmake", "-G", "Ninja", "-S", Path(__file__).parent / "wrong", "-B", folder]
    command += [f"-DMCC_SOURCE={root}", f"-DEXAMPLE={root}/examples/standalone"]
    command += ["-DCALL=" + code.replace(") ", ")\n"), f"-DPROCESSOR={processor}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return "accepted"
    text = " ".join(done.stderr.split())
    found = re.search(r"mcc_add_model: (.*?) Call Stack", text)
    return found.group(1) if found else text


root, folder = sys.argv[1:]
for call in CALLS:
    print(call)
    print("  " + refusal(root, folder, call))
