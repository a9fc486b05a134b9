"""Holds what pages and comments name against what is there:

    names.py ROOT

Pages are README.md, CONTRIBUTING.md, all of docs/ and the other README.md files. Checked:

- every page of docs/ is linked from docs/index.md;
- links: the file, and the heading that an anchor names;
- files in spans (`lib/plan/images.c`, `plan/images.c`, `images.c`, `images.[ch]`, `test/*.mir`): a
  file of that name, or one whose path ends so. Names of examples (net.mir, app.c) are not ours: a
  name without a folder counts when it ends in .c, .h, .def, .py, .sh or .test;
- docs/PAGE.md in any text of the tree, comments of code, too; and after a page a section in
  quotation marks (docs/PAGE.md, "Section"): a heading or the bold beginning of a paragraph;
- options in spans (`-name`, `--name=VALUE`): one of the tools' --help has them. In
  docs/reference/tools.md it is the tool of the section, unless a line just before names another
  tool that has it.
"""
import re
import subprocess
import sys
from pathlib import Path

TOOLS = ("mcc", "mc-opt", "mc-import", "mc-run", "mc-eval", "mc-stat", "mc-bench", "mc-search",
         "mc-docs")
TOP = ("lib", "include", "tools", "test", "utils", "docs", "bench", "rt", "examples", "cmake")
# Options of other programs (lit, cmake, compilers), and what only looks like an option.
OTHERS = set("""-quantize -inf -z_b --param -q --build -ffp-contract -Wall -Wextra -Wpedantic
    -Wconversion -Wshadow -I -L -l -lm -pthread -c -dM""".split())
EXAMPLES = {"app.c", "net.h", "main.c", "old.h", "new.h", "q.h"}
CODE = r"\.(?:c|h|def|py|sh|test|y|l|proto|cmake)"


class Tree:
    def __init__(self, root):
        self.root = root
        places = [root / top for top in TOP if (root / top).is_dir()]
        found = [p for p in root.iterdir()] + [p for place in places for p in place.rglob("*")]
        names = [p.relative_to(root) for p in found if p.is_file()]
        self.files = {str(n) for n in names if not any(s.startswith("build") for s in n.parts[:-1])}
        self.folders = {str(f) for p in self.files for f in Path(p).parents}
        self.ends = {"/".join(p.split("/")[i:]) for p in self.files
                     for i in range(p.count("/") + 1)}
        self.anchors = {}

    def has(self, path):
        """A file or folder whose path is `path` or ends so; [ch], {a,b} and * as in a shell."""
        path = path.rstrip("/")
        if re.search(r"[*\[{]", path):
            pattern = re.escape(path).replace(r"\*", "[^/]*")
            pattern = pattern.replace(r"\[", "[").replace(r"\]", "]")
            pattern = re.sub(r"\\\{([^}]*)\\\}", lambda m: f"(?:{m[1].replace(',', '|')})", pattern)
            return any(re.fullmatch(pattern, e) for e in self.ends)
        return path in self.ends or any(f == path or f.endswith("/" + path) for f in self.folders)

    def page(self, path):
        """(headings and bold beginnings, anchors) of a page."""
        if path not in self.anchors:
            names, anchors = set(), {}
            for line in without_blocks((self.root / path).read_text()).splitlines():
                heading = re.match(r"#+ (.*)", line)
                if heading:
                    names.add(plain(heading.group(1)))
                    slug = re.sub(r"[^\w\- ]", "", plain(heading.group(1)).lower())
                    slug = slug.replace(" ", "-")
                    anchors[slug] = anchors.get(slug, -1) + 1
                names.update(plain(b).rstrip(".:") for b in re.findall(r"\*\*(.+?)\*\*", line))
            repeated = {f"{s}-{i}" for s, n in anchors.items() for i in range(1, n + 1)}
            self.anchors[path] = names, set(anchors) | repeated
        return self.anchors[path]

    def section(self, path, name):
        low = name.lower().rstrip(".,")
        return any(n.lower() == low or n.lower().startswith((low + " ", low + ":"))
                   for n in self.page(path)[0])


def plain(text):
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).replace("`", "").strip()


def without_blocks(text):
    """The page with the lines of fenced blocks empty, so that numbers of lines stay."""
    out, inside = [], False
    for line in text.splitlines():
        fence = line.lstrip().startswith("```")
        out.append("" if inside or fence else line)
        inside ^= fence
    return "\n".join(out)


def spans(text):
    """(line number, span) of each `span`, which may go on in the next line."""
    text = without_blocks(text)
    for m in re.finditer(r"(?<!`)`([^`]+)`(?!`)", text):
        if "\n\n" not in m.group(1):
            yield text.count("\n", 0, m.start()) + 1, re.sub(r"\s+", " ", m.group(1))


def links(tree, page, text):
    text = without_blocks(text)
    for m in re.finditer(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = m.group(1).partition("#")
        line = text.count("\n", 0, m.start()) + 1
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (tree.root / page).parent.joinpath(target).resolve() if target else tree.root / page
        if not path.exists():
            yield line, f"no file {target}"
        elif anchor and anchor not in tree.page(str(path.relative_to(tree.root)))[1]:
            yield line, f"{target or page} has no heading for #{anchor}"


def names_of_files(tree, page, text):
    for line, span in spans(text):
        if re.search(r"[<>$ ]|[A-Z]{2}|\.\.", span) or "://" in span:
            continue
        ours = span.split("/")[0] in TOP and "/" in span
        named = re.fullmatch(r"[\w/.*{},-]*[\w*}-]{2}" + r"(?:\.\[ch\]|" + CODE + ")", span)
        if (ours or named) and span not in EXAMPLES and not tree.has(span):
            yield line, f"no file {span}"


def named_pages(tree, path, text):
    """docs/PAGE.md anywhere, and the section after it."""
    flat = re.sub(r"\n[ \t]*(?:\*|//|#)?[ \t]*", "\n", text)
    for m in re.finditer(r"\bdocs/[\w/-]+\.md\b", flat):
        line = flat.count("\n", 0, m.start()) + 1
        if m.group(0) not in tree.files:
            yield line, f"no page {m.group(0)}"
            continue
        section = re.match(r"\)?,?\s+\(?\"([^\"]+)\"", flat[m.end():])
        if section and not tree.section(m.group(0), re.sub(r"\s+", " ", section.group(1))):
            yield line, f"{m.group(0)} has no section \"{section.group(1)}\""


def linked_sections(tree, page, text):
    """[page.md](page.md), "Section" in a page."""
    text = without_blocks(text)
    for m in re.finditer(r"\]\(([\w./-]+\.md)\)`?,\s+\"([^\"]+)\"", text):
        path = (tree.root / page).parent.joinpath(m.group(1)).resolve()
        name = re.sub(r"\s+", " ", m.group(2))
        if path.exists() and not tree.section(str(path.relative_to(tree.root)), name):
            yield text.count("\n", 0, m.start()) + 1, f"{m.group(1)} has no section \"{name}\""


def not_in_index(tree, pages):
    """Pages of docs/ that docs/index.md does not link."""
    index = tree.root / "docs/index.md"
    named = re.findall(r"\]\(([^)#\s]+)", index.read_text()) if index.exists() else []
    linked = {(index.parent / n).resolve() for n in named} | {index}
    return [p for p in pages if p.startswith("docs/") and tree.root / p not in linked]


def helps():
    found = {}
    for tool in TOOLS:
        text = subprocess.run([tool, "--help"], capture_output=True, text=True, check=True).stdout
        found[tool] = set(re.findall(r"^\s+--?([A-Za-z][\w-]*)", text, re.M)) | \
            set(re.findall(r"^\s+-\w,? +--?([A-Za-z][\w-]*)", text, re.M))
        if "OLEVEL" in found[tool]:
            found[tool] |= {"O", "O0", "O1", "O2", "O3", "Os"}
    return found


def options(tools, page, text):
    every = set().union(*tools.values())
    heads = []
    if page == "docs/reference/tools.md":
        heads = [(n, m.group(1)) for n, line in enumerate(text.splitlines(), 1)
                 if (m := re.match(r"## (?:(mcc|mc-\w+)\b)?", line))]
    lines = text.splitlines()
    for line, span in spans(text):
        m = re.match(r"(--?([A-Za-z][\w-]*))(?![\w.])", span)
        if not m or m.group(1) in OTHERS or span.startswith("-D"):
            continue
        around = " ".join(lines[max(0, line - 3):line])
        name, tool = m.group(2), next((t for n, t in reversed(heads) if n < line), None)
        known = name.rstrip("-") in every or (span[m.end():m.end() + 1] == "*" and
                                              any(e.startswith(name) for e in every))
        if not known:
            yield line, f"no tool has the option {m.group(1)}"
        elif tool in tools and name in every and name not in tools[tool] and not any(
                re.search(rf"(?<![\w-]){t}(?![\w-])", around) for t in tools if name in tools[t]):
            yield line, f"{tool} has no option {m.group(1)}"


def main():
    tree, tools = Tree(Path(sys.argv[1]).resolve()), helps()
    pages = sorted(f for f in tree.files if f.endswith(".md") and f != "CHANGELOG.md" and
                   (f.startswith("docs/") or f.endswith("README.md") or f == "CONTRIBUTING.md"))
    problems = set()
    for page in pages:
        text = (tree.root / page).read_text()
        for found in (links(tree, page, text), names_of_files(tree, page, text),
                      linked_sections(tree, page, text), options(tools, page, text)):
            problems.update((page, *p) for p in found)
    kinds = r"\.(?:[chyl]|def|md|py|sh|test|mir|txt|cmake|proto)$"
    problems.update((p, 1, "docs/index.md does not link this page")
                    for p in not_in_index(tree, pages))
    texts = [f for f in tree.files if re.search(kinds, f)]
    for path in texts:
        if path == "CHANGELOG.md" or path.startswith("test/docs/"):
            continue
        text = (tree.root / path).read_text(errors="replace")
        problems.update((path, *p) for p in named_pages(tree, path, text))
    for path, line, what in sorted(problems):
        print(f"{path}:{line}: {what}")
    print(f"{len(pages)} pages and {len(texts)} files read")
    return 1 if problems else 0


sys.exit(main())
