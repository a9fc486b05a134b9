"""machines.py FOLDER NET.mir CC MACHINES.c: dispatch objects whose CPUID, XGETBV and system calls are calls into machines.c."""
import re
import subprocess
import sys

folder, net, cc, source = sys.argv[1:5]
run = lambda *a: subprocess.run(a, check=True)
for name, march in (("net", "dispatch"), ("amx", "sapphirerapids")):
    run("mcc", "-O3", "-quiet", "-quant=int8", f"-march={march}", f"-name={name}", "-emit=asm", net, "-o", f"{folder}/{name}.s")
    text = open(f"{folder}/{name}.s").read()
    # 128 bytes below the stack pointer may be in use
    text, n = re.subn(r"^\s+(cpuid|xgetbv|syscall)$", r"\tleaq -128(%rsp), %rsp\n\tcall fake_\1\n\tleaq 128(%rsp), %rsp", text, flags=re.M)
    assert n >= 7, n
    open(f"{folder}/{name}.s", "w").write(text)
run(*cc.split(), "-O1", "-std=c11", source, f"{folder}/net.s", f"{folder}/amx.s", "-o", f"{folder}/machines", "-Wl,-z,noexecstack")
run(f"{folder}/machines")
