"""usage: cross.py OPTIONS...: mcc for the architecture that this machine does not have."""
import platform
import subprocess
import sys

other = "x86_64" if platform.machine() == "aarch64" else "aarch64"
sys.exit(subprocess.run(["mcc", f"-target={other}", *sys.argv[1:]]).returncode)
