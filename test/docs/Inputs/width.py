"""Names the lines of pages that are wider than 100 columns:

    width.py ROOT

Pages are all *.md files of the tree but README.md and CHANGELOG.md at its top. Rows of tables may
be wider. So may a line of running text that is one word, as a long address is. Lines of code may
not: a command goes on after a backslash.
"""
import re
import sys
from pathlib import Path

WIDTH = 100


def wide(text):
    """Numbers of the lines that are too wide."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        fence = line.lstrip().startswith("```")
        code ^= fence
        if len(line) <= WIDTH or (not code and line.lstrip().startswith("|")):
            continue
        if code or fence or len(re.sub(r"^\s*(?:[-*]|\d+\.)?\s+", "", line).split()) > 1:
            yield number


def main():
    root = Path(sys.argv[1]).resolve()
    pages = [p.relative_to(root) for p in root.rglob("*.md")]
    pages = sorted(p for p in pages if str(p) not in ("README.md", "CHANGELOG.md") and
                   not any(part.startswith((".", "build", "shared")) for part in p.parts))
    found = [(page, n) for page in pages for n in wide((root / page).read_text(encoding="utf-8"))]
    for page, number in found:
        print(f"{page}:{number}: wider than {WIDTH} columns")
    print(f"{len(pages)} pages read")
    return 1 if found else 0


sys.exit(main())
