"""same.py A.json B.json: two reports of mc-search say the same, but for times."""
import json
import sys


def plain(j):
    if isinstance(j, dict):
        return {k: plain(v) for k, v in j.items() if k != "seconds"}
    return [plain(v) for v in j] if isinstance(j, list) else j


a, b = (plain(json.load(open(path))) for path in sys.argv[1:3])
for key in a:
    if a[key] != b[key]:
        sys.exit(f"{key} differs:\n{a[key]}\n{b[key]}")
print("the same,", len(a["candidates"]), "candidates")
