#!/usr/bin/env python3
"""Print what failed in a lit run, what was skipped and why, and a closing line `N passed, N failed, N skipped`.

usage: test_summary.py RESULTS.json LOG STATUS"""
import json, pathlib, sys

results, log, status = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
text = log.read_text(errors="replace") if log.exists() else ""
if not results.exists():
    print(text[-8000:])
    print("the test runner did not finish")
    print("0 passed, 1 failed")
    sys.exit(1)
tests = json.loads(results.read_text())["tests"]
bad = [t for t in tests if t["code"] in ("FAIL", "XPASS", "TIMEOUT", "UNRESOLVED")]
skipped = [t for t in tests if t["code"] in ("UNSUPPORTED", "SKIPPED", "EXCLUDED")]
for t in bad:
    print(f"---- {t['code']}: {t['name']}\n{t['output'][-3000:]}")
reasons = {}
for t in skipped:
    reasons.setdefault((t["output"].strip().splitlines() or ["?"])[-1], []).append(t["name"])
for why, names in sorted(reasons.items()):
    print(f"skipped ({why}): {len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})")
slow = sorted(tests, key=lambda t: -t.get("elapsed") if t.get("elapsed") else 0)[:5]
print("slowest: " + ", ".join(f"{t['name'].split(' :: ')[-1]} {t['elapsed']:.1f} s" for t in slow if t.get("elapsed")))
passed = len(tests) - len(bad) - len(skipped)
print(f"{passed} passed, {len(bad)} failed, {len(skipped)} skipped")
sys.exit(1 if bad or not passed or status not in (0, 1) else 0)
