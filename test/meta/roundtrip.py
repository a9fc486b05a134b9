"""roundtrip.py FOLDER...: print(parse(t)) must read back to itself, for every .mir file below the folders that parses.

A file with "invalid" or "bad" in its name is expected not to parse (many do, and fail later in a pass: they count too). Files that need a split
(// -----) are taken piece by piece. Prints one line: how many were checked."""
import os
import re
import subprocess
import sys


def run(text, folder):
    p = subprocess.run(["mc-opt", "-"], input=text, capture_output=True, cwd=folder)
    return p.returncode, p.stdout, p.stderr


def check(path, text):
    folder = os.path.dirname(path) or "."
    rc, first, err = run(text, folder)
    if rc not in (0, 1):
        return "%s: mc-opt ends with %d\n%s" % (path, rc, err.decode(errors="replace"))
    if rc == 1:
        expected = re.search(rb"expected-error|not mc|not %|invalid", text) or re.search("invalid|bad", os.path.basename(path))
        return None if expected else "%s: does not parse\n%s" % (path, err.decode(errors="replace"))
    rc, second, err = run(first, folder)
    if rc != 0:
        return "%s: its print does not parse\n%s" % (path, err.decode(errors="replace"))
    return True if first == second else "%s: its print changes when it is read and printed again" % path


def files(folders):
    for top in folders:
        for folder, dirs, names in os.walk(top):
            dirs[:] = sorted(d for d in dirs if d not in ("build", ".git", "Output"))
            for name in sorted(names):
                if name.endswith(".mir"):
                    yield os.path.join(folder, name)


def main():
    good, bad = 0, []
    for path in files(sys.argv[1:]):
        for piece in open(path, "rb").read().split(b"\n// -----"):
            result = check(path, piece)
            if result is True:
                good += 1
            elif result:
                bad.append(result)
    print("\n".join(bad + ["%d texts read back to themselves, %d did not" % (good, len(bad))]))
    return 1 if bad or good == 0 else 0


sys.exit(main())
