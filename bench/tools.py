"""Running mcc's tools from the measuring scripts: where they are, what they use, what they print."""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

Run = collections.namedtuple("Run", "out err seconds cpu kib")  # wall and CPU seconds, peak memory in KiB
Score = collections.namedtuple("Score", "value right n")        # per cent and counts; or AUC, None, None


class Failed(Exception):
    """A tool ended with another exit code than 0."""


class Tools:
    def __init__(self, build):
        self.bin = pathlib.Path(build).resolve() / "bin"
        if not (self.bin / "mcc").exists():
            sys.exit(f"{self.bin}: no mcc there (build it, or give --build=FOLDER)")

    def __call__(self, tool, *args):
        """Runs a tool to its end; its own resource usage comes from wait4."""
        command = [str(self.bin / tool), *map(str, args)]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            start = time.monotonic()
            child = subprocess.Popen(command, stdout=out, stderr=err)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            wall = time.monotonic() - start
            out.seek(0), err.seek(0)
            text, errors = out.read().decode(), err.read().decode()
        if child.returncode:
            raise Failed(f"{' '.join(command)}: exit code {child.returncode}\n{errors}")
        return Run(text, errors, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)

    def score(self, net, data, *args):
        """mc-eval's figure."""
        out = self("mc-eval", net, f"--data={data}", *args).out
        if m := re.search(r"^top-1 ([\d.]+) % \((\d+)/(\d+)\)", out, re.M):
            return Score(float(m[1]), int(m[2]), int(m[3]))
        return Score(float(re.search(r"^auc ([\d.]+)", out, re.M)[1]), None, None)

    def latency(self, obj, seconds):
        """Median of one run in milliseconds (mc-bench)."""
        return json.loads(self("mc-bench", obj, "--json", f"--seconds={seconds}").out)["networks"][0]["median_ms"]

    def cost(self, net):
        """mc-stat's totals."""
        return json.loads(self("mc-stat", "--json", net).out)


def header(obj, name):
    """A number that net.h defines, e.g. ARENA_BYTES."""
    text = pathlib.Path(obj).with_suffix(".h").read_text()
    return int(re.search(rf"^#define \w+_{name} (\d+)$", text, re.M)[1])


def undefined(obj):
    """Symbols that an object wants from outside."""
    out = subprocess.run(["nm", "-u", str(obj)], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in out.splitlines() if line.strip()}


def table(rows, head):
    """A Markdown table; numbers to the right."""
    width = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    line = lambda r: "| " + " | ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(r, width))) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(width)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])
