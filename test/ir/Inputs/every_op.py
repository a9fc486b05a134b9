"""Every op that docs/reference/mir.md lists is in each of the files given (as a word after '= ' or at the start of a line)."""
import re
import sys

ops = re.findall(r"^### (\w+)$", open(sys.argv[1]).read(), re.M)
assert len(ops) > 50, ops
for path in sys.argv[2:]:
    used = set(re.findall(r"^\s*(?:%[^=\n]*= )?(\w+)\b", open(path).read(), re.M))
    missing = [op for op in ops if op not in used]
    if missing:
        sys.exit(f"{path} lacks {', '.join(missing)}")
