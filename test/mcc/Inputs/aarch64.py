"""aarch64.py FOLDER NET.mir CALIB.npz DATA.npz LIMIT LEVEL:CPU ...: the INT8 object for each AArch64 level, under qemu's model of a CPU, against the reference evaluator, byte for byte."""
import re
import subprocess
import sys
import numpy as np

folder, net, calib, data, limit = sys.argv[1:6]
run = lambda *a: subprocess.run(a, check=True, stdout=subprocess.DEVNULL)
for pair in sys.argv[6:]:
    level, cpu = pair.split(":")
    options = ["-O3", "-quiet", "-quant=int8", f"-calib={calib}", f"-march={level}"]
    run("mcc", *options, "-emit=mir", net, "-o", f"{folder}/planned.mir")
    run("mcc", *options, "-name=net", net, "-o", f"{folder}/net.o")
    run("mc-run", f"{folder}/planned.mir", f"--data={data}", f"--limit={limit}", f"--output={folder}/expected.npz")
    expected = np.load(f"{folder}/expected.npz")
    expected = expected[expected.files[0]]
    x = np.load(data)["x"][: int(limit)]
    if re.search(r"_TYPE (\w+)", open(f"{folder}/net.h").read()).group(1) == "float":   # the first one is the input's
        x = x.astype(np.float32)
    x.tofile(f"{folder}/in.raw")
    sizes = [f"-DIN_BYTES={x[0].nbytes}", f"-DOUT_BYTES={expected[0].nbytes}"]
    run("aarch64-linux-gnu-gcc", "-O1", "-static", "-std=c11", f"-I{folder}", *sizes, f"{sys.path[0]}/samples.c", f"{folder}/net.o", "-o", f"{folder}/samples")
    run("qemu-aarch64-static", "-cpu", cpu, f"{folder}/samples", f"{folder}/in.raw", f"{folder}/out.raw")
    got = np.fromfile(f"{folder}/out.raw", dtype=np.uint8)
    same = got.tobytes() == expected.tobytes()
    print(f"{level} on {cpu}: {len(expected)} samples, {'equal' if same else 'DIFFERENT'}")
    if not same:
        sys.exit(1)
