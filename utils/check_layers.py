#!/usr/bin/env python3
"""Fail if a file under lib/ or include/mc/ includes a header of a higher floor, or of a sibling on its own floor.

usage: check_layers.py [ROOT]
LAYERS lists one floor a line, lowest first. Also checks that <llvm-c/...> stays in kernels/ and codegen/."""
import pathlib, re, sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
floors = [l.split() for l in (root / "LAYERS").read_text().splitlines() if l.strip() and not l.startswith("#")]
rank = {name: i for i, row in enumerate(floors) for name in row}
bad = 0
for base in (root / "lib", root / "include" / "mc"):
    for f in sorted(base.rglob("*")):
        if f.suffix not in {".c", ".h", ".def", ".l", ".y"}:
            continue
        here = f.relative_to(base).parts[0]
        if here not in rank:
            print(f"{f}: error: folder '{here}' is not in LAYERS")
            bad = 1
            continue
        for n, line in enumerate(f.read_text(errors="replace").splitlines(), 1):
            if re.match(r"\s*#\s*include\s+<llvm-c/", line) and here not in ("kernels", "codegen"):
                print(f"{f}:{n}: error: LLVM is used in kernels/ and codegen/ only")
                bad = 1
            m = re.match(r'\s*#\s*include\s+"mc/([a-z_]+)/', line)
            if not m or m[1] not in rank:
                continue
            if rank[m[1]] > rank[here] or (rank[m[1]] == rank[here] and m[1] != here):
                print(f"{f}:{n}: error: {here} (floor {rank[here]}) may not include {m[1]} (floor {rank[m[1]]})")
                bad = 1
sys.exit(bad)
