#!/usr/bin/python3
"""How long the functions of the tree are, in tokens: a measure that the layout does not change.

usage: function_sizes.py [--longest=N] [--in=FOLDER,...] [ROOT]

ROOT: a checkout of the project (default: this one). --in: folders of it (default include, lib,
tools, rt). One Markdown table with a row for each folder and one for all, and the N (10) longest
functions.

A token is a name, a number, a string, or an operator or bracket; comments and preprocessor lines do
not count. A function is counted from its first word to its closing brace. Lines: those of .c, .h
and .def files that are not blank.
Example: git worktree add /tmp/before COMMIT && utils/function_sizes.py /tmp/before"""
import argparse
import re
import statistics
import sys
from pathlib import Path

WIDTH = 100
TOKEN = re.compile(r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<text>(?:u8|[uUL])?(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
  | (?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<mark>\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|[<>=!]=|&&|\|\||[-+*/%&|^]=|\#\#|.)
""", re.X | re.S)


def without_directives(text):
    """Preprocessor lines, with those that a backslash joins to them, become blank ones."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"), text,
                  flags=re.M)


def tokens_of(text):
    """Pairs (token, line)."""
    line = 1
    for match in TOKEN.finditer(without_directives(text)):
        if match.lastgroup != "skip":
            yield match.group(0), line
        line += match.group(0).count("\n")


def functions_of(text):
    """(name, line, tokens) of each function that is defined there."""
    start, depth, parens, previous, opened, name = 0, 0, 0, "", False, ""
    found, line = [], 0
    for at, (token, here) in enumerate(tokens_of(text)):
        if depth == 0:
            if at == start:
                line, opened, name = here, False, ""
            if token == "(":
                if parens == 0 and not opened:
                    name, opened = previous, True
                parens += 1
            elif token == ")":
                parens -= 1
        if token == "{":
            if depth == 0:
                is_function = opened and previous == ")" and parens == 0
            depth += 1
        elif token == "}":
            depth -= 1
            if depth == 0 and is_function:
                found.append((name, line, at + 1 - start))
                start = at + 1
        elif token == ";" and depth == 0:
            start = at + 1
        previous = token
    return found


def sources(root, folder, *endings):
    return sorted(p for p in (root / folder).rglob("*") if p.suffix in endings and p.is_file())


def row(folder, sizes, files, lines):
    """Cells of a row; p90: nine of ten functions are no longer."""
    p90 = sorted(sizes)[-(-len(sizes) * 9 // 10) - 1] if sizes else 0
    return [folder, files, len(sizes), f"{statistics.median(sizes):.0f}" if sizes else 0, p90,
            max(sizes, default=0), len(lines), sum(len(line) > WIDTH for line in lines)]


def print_table(head, rows):
    print("| " + " | ".join(head) + " |\n|---" + "|---:" * (len(head) - 1) + "|")
    for cells in rows:
        print("| " + " | ".join(map(str, cells)) + " |")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("root", nargs="?", default=Path(__file__).resolve().parent.parent, type=Path)
    p.add_argument("--longest", type=int, default=10)
    p.add_argument("--in", dest="folders", default="include,lib,tools,rt")
    o = p.parse_args()
    found, table, all_lines, all_files = [], [], [], 0
    for folder in o.folders.split(","):
        if not (o.root / folder).is_dir():
            p.error(f"{o.root / folder} is no folder")
        here = [(f"{file.relative_to(o.root)}:{line}", name, size)
                for file in sources(o.root, folder, ".c", ".h")
                for name, line, size in functions_of(file.read_text(encoding="utf-8"))]
        files = sources(o.root, folder, ".c", ".h", ".def")
        lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()
                 if line.strip()]
        table.append(row(folder, [size for _, _, size in here], len(files), lines))
        found, all_lines, all_files = found + here, all_lines + lines, all_files + len(files)
    table.append(row("all", [size for _, _, size in found], all_files, all_lines))
    print_table(["folder", "files", "functions", "median", "p90", "longest", "lines",
                 f"over {WIDTH} columns"], table)
    if o.longest > 0:
        print()
        print_table(["longest functions", "tokens"],
                    [(f"`{name}`, {where}", size) for where, name, size in
                     sorted(found, key=lambda f: (-f[2], f[0]))[:o.longest]])
    return 0


sys.exit(main())
