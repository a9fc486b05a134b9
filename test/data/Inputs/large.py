"""Large arrays, which are read sample by sample.

    large.py write FOLDER    stored.npz, deflated.npz: 48 samples of 1 MiB; damaged.npz: a byte is another one
    large.py memory MIB COMMAND...    runs the command; says so where it takes more memory"""
import os
import subprocess
import sys
import numpy as np

if sys.argv[1] == "write":
    folder = sys.argv[2]
    x = np.tile(np.arange(1024, dtype=np.float32) / 1024, (48, 256, 1))
    x[47, 255, 1023] = 9
    np.savez(folder + "/stored.npz", x=x)
    np.savez_compressed(folder + "/deflated.npz", x=x)
    data = bytearray(open(folder + "/stored.npz", "rb").read())
    data[len(data) // 2] ^= 1
    open(folder + "/damaged.npz", "wb").write(data)
else:
    child = subprocess.Popen(sys.argv[3:])
    _, status, usage = os.wait4(child.pid, 0)
    if usage.ru_maxrss > int(sys.argv[2]) * 1024:
        print(f"{usage.ru_maxrss // 1024} MiB")
    sys.exit(os.waitstatus_to_exitcode(status))
