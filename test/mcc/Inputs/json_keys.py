"""usage: json_keys.py REPORT.json TOOLS.md: every key must be in the page's section JSON as `key`; prints a few values."""
import json
import re
import sys

report = json.load(open(sys.argv[1]))
page = open(sys.argv[2]).read()
section = page[page.index("## JSON"):]
known = set(re.findall(r"`([a-zA-Z0-9_]+)`", section[: section.find("\n## ", 5)]))


def keys(x):
    if isinstance(x, dict):
        for k, v in x.items():
            yield k
            yield from keys(v)
    elif isinstance(x, list):
        for v in x:
            yield from keys(v)


missing = sorted(set(keys(report)) - known)
print("missing: " + ", ".join(missing) if missing else "all keys are documented")
if "layers" in report:
    print("int8", report["layers"]["int8"], "fp32", report["layers"]["fp32"], "check", report.get("check"))
for m in report.get("messages", []):
    print("message", m["severity"] + ":", m["message"])
