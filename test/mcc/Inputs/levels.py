"""levels.py FOLDER NET.mir CALIB.npz DATA.npz LIMIT MARCH CC "COMMAND ..." ...: one INT8 object for the levels of MARCH (more options may follow it), linked by CC with levels.c and run by each command (a prefix such as an
emulator and its CPU; '+' and words after it are the program's own arguments), against the reference evaluator, byte for byte."""
import subprocess
import sys
import numpy as np

folder, net, calib, data, limit, march, cc = sys.argv[1:8]
run = lambda *a: subprocess.run(a, check=True, stdout=subprocess.DEVNULL)
options = ["-O3", "-quiet", "-quant=int8", f"-calib={calib}"]
arch = ["-target=aarch64"] if "aarch64" in cc else []
floor = march.split()[0].split("=")[1].split(",")[0] if "=" in march.split()[0] else "armv8-a" if arch else "x86-64"
run("mcc", *options, f"-march={floor}", "-emit=mir", net, "-o", f"{folder}/planned.mir")
run("mcc", *options, *arch, *f"-march={march}".split(), "-name=net", net, "-o", f"{folder}/net.o")
run("mc-run", f"{folder}/planned.mir", f"--data={data}", f"--limit={limit}", f"--output={folder}/expected.npz")
expected = np.load(f"{folder}/expected.npz")
expected = expected[expected.files[0]]
x = np.load(data)["x"][: int(limit)].astype(np.float32)
x.tofile(f"{folder}/in.raw")
sizes = [f"-DIN_BYTES={x[0].nbytes}", f"-DOUT_BYTES={expected[0].nbytes}"]
run(*cc.split(), "-O1", "-std=c11", f"-I{folder}", *sizes, f"{sys.path[0]}/levels.c", f"{folder}/net.o", "-o", f"{folder}/levels")
for command in sys.argv[8:]:
    prefix, _, arguments = command.partition("+")
    done = subprocess.run([*prefix.split(), f"{folder}/levels", f"{folder}/in.raw", f"{folder}/out.raw", *arguments.split()], stdout=subprocess.PIPE, text=True)
    same = done.returncode == 0 and open(f"{folder}/out.raw", "rb").read() == expected.tobytes()
    print(f"[{command}] exit {done.returncode}, {'the evaluator' if same else 'NOT the evaluator'}'s bytes: {done.stdout.strip()}", flush=True)
