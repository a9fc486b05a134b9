"""kill.py TIMES FOLDER COMMAND...: runs the command in the folder TIMES times and kills it (SIGKILL) each
time that its journal has grown, once in the middle of a line; then lets it run to its end."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

times, folder, command = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
journal = folder / "best.search/journal.jsonl"


def size():
    return journal.stat().st_size if journal.exists() else 0


killed = 0
for i in range(times):
    before = size()
    p = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while p.poll() is None and size() <= before:
        time.sleep(0.005)
    if p.poll() is not None:
        break
    p.send_signal(signal.SIGKILL)
    p.wait()
    killed += 1
    if i == 1:
        whole = journal.read_bytes()
        journal.write_bytes(whole[: whole.rindex(b"\n", 0, len(whole) - 1) + 9])
    if i == 2:
        with open(journal, "ab") as f:
            f.write(b'{"key":"0123456789abcdef","result":{"failed":fal')
print(f"killed {killed} times", flush=True)
os.chdir(folder)
os.execvp(command[0], command)
