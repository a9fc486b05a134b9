#!/usr/bin/env python3
"""same_ranges.py A.mir B.mir: range(lo, hi) of both texts, in order, within 1e-4."""
import re
import sys

a, b = [[tuple(map(float, r)) for r in re.findall(r"range\((\S+), ([^)]+)\)", open(f).read())] for f in sys.argv[1:3]]
close = len(a) == len(b) and all(abs(x - y) <= 1e-4 * (1 + abs(x)) for r, s in zip(a, b) for x, y in zip(r, s))
print(f"{len(a)} ranges agree" if close else f"{a}\n{b}")
