"""Runs the commands that pages of the documentation show, as they are printed:

    commands.py ROOT OBJ FOLDER PAGE...

ROOT: the source tree; OBJ: a build of it, whose tools come first in PATH; FOLDER: scratch. Each block
runs in a folder of its own with the files of fixtures.py. What is a command, and what must hold of it:

- A line of a block ```sh, and a line after `$ ` of a block ```console, is a command. It must end with
  exit code 0, or with the N of a comment "exit code N".
- A comment after two blanks and `#` that holds a number of its own is output: it must be found there.
  Other comments are words. In a ```console block the lines up to the next `$ ` are output.
- In output that is compared, "..." stands for anything. In lines with times (ms, us) every number stands
  for any number, in lines of -check-numerics for one that is not far from it: samples run as code of this
  machine, whose sums may round otherwise. After the word "about" a number stands for one that is at
  most 3 away.
- A line with "[options]" or a word in capitals (FILE, NET.mir) is a synopsis: its options must exist.
- A span `mc-opt ...` of running text is a command where it names a file, else it is a mention: the
  options must exist in the tool's --help. So are lines that say RUN:.
- A block without a language must not look like commands.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = ("mcc", "mc-opt", "mc-import", "mc-run", "mc-eval", "mc-stat", "mc-bench", "mc-search",
         "mc-docs")
PROGRAMS = (*TOOLS, "cmake", "cc", "test/run.sh", "examples/quickstart.sh")
# Commands that are not run, or not quite as printed: why, and what runs instead.
OTHERWISE = {
    "examples/quickstart.sh": (
        "builds mcc first; the rest of it is run",
        "sed '/setup.sh/d; /^cmake/d; /^PATH=/d' examples/quickstart.sh > examples/rest.sh && "
        "sh examples/rest.sh"),
    "mc-search net.mir --data=calib.npz --eval=val.npz --max-latency=0.5 -march=native "
    "-o best.mir --report=search.html": (
        "takes minutes; fewer candidates are run",
        "mc-search net.mir --data=calib.npz --eval=val.npz --max-latency=0.9 -march=native "
        "-o best.mir --report=search.html --latency=model --techniques=prune --precisions=int8 "
        "--rounds=0 --limit=20"),
    "test/run.sh": ("is what runs this test", None),
    "cmake --preset release && cmake --build build/release && "
    "cmake --install build/release --prefix /usr/local": (
        "builds mcc first; the installation alone is run, into another folder",
        "cmake --install build/release --prefix /usr/local"),
}
TIMEOUT = 240


class Failure(Exception):
    pass


# ---- what a page says ----

def blocks(text):
    """(language, lines, number of the first line) of each fenced block."""
    language, lines, start = None, [], 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```(\w*)\s*$", line)
        if fence and language is None:
            language, lines, start = fence.group(1), [], number + 1
        elif fence:
            yield language, lines, start
            language = None
        elif language is not None:
            lines.append(line)


def spans(text):
    """(span, line number) of running text."""
    prose = re.sub(r"^\s*```.*?^\s*```", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S | re.M)
    for number, line in enumerate(prose.splitlines(), 1):
        for span in re.findall(r"`([^`]+)`", line):
            yield span, number


def synopsis(command):
    words = command.split()
    return "[options]" in words or any(re.match(r"\[?(-.*=)?[A-Z]{2,}(\.[a-z]+)?([|\]].*)?$", w) for w in words)


def cut_comment(line):
    parts = re.split(r"\s{2,}#\s*", line, maxsplit=1)
    return parts[0].strip(), parts[1].strip() if len(parts) > 1 else ""


def joined(lines):
    """Lines with those that follow a backslash; (offset, text)."""
    text, at = "", 0
    for offset, line in enumerate(lines):
        at = at if text else offset
        text += line.rstrip("\\") if line.endswith("\\") else line
        if not line.endswith("\\"):
            yield at, text
            text = ""


def commands(language, lines):
    """(offset, command, exit code, lines of output) of one block."""
    found = []
    for offset, line in joined(lines):
        if language == "console" and not line.startswith("$ "):
            if found:
                found[-1][3].append(line)
            continue
        command, comment = cut_comment(line.removeprefix("$ "))
        code = re.search(r"exit code (\d+)", comment)
        figures = not code and re.search(r"(?<![\w.])\d+(\.\d+)?(?![\w.])", comment)
        if command:
            found.append([offset, command, int(code.group(1)) if code else 0, [comment] if figures else []])
    return found


# ---- holding it against what is ----

NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?"


def near(a, b):
    return abs(float(a) - float(b)) <= 0.3 * max(abs(float(a)), abs(float(b)))


def pattern(line):
    timed = re.search(r"\d (ms|us)\b|\babout \d", line) or "check-numerics:" in line
    line = line.replace("about ", "") if timed else line
    text = re.escape(re.sub(r"\s+", " ", line.strip()))
    text = text.replace(r"\(\.\.\.\)", ".*").replace(r"\.\.\.", ".*").replace(r"\ ", r"\s+")
    return re.sub(r"\d+(\\\.\d+)?(e\\[-+]?\d+)?", lambda m: f"({NUMBER})", text) if timed else text


def check_output(expected, output):
    """The lines of a page in what was printed, in their order."""
    flat, at = re.sub(r"[ \t]+", " ", output), 0
    for line in expected:
        found = re.compile(pattern(line)).search(flat, at)
        if found and "check-numerics:" in line:
            pairs = zip(re.findall(NUMBER, line), found.groups())
            found = found if all(near(a, b) for a, b in pairs) else None
        if found and re.search(r"\babout \d", line):
            pairs = zip(re.findall(NUMBER, line), re.findall(NUMBER, found.group(0)))
            found = found if all(abs(float(a) - float(b)) <= 3 for a, b in pairs) else None
        at = found.end() if found else at
        if line.strip() and not found:
            raise Failure(f"the page prints\n    {line.strip()}\nbut the command printed\n{output[-1500:]}")


helps = {}


def check_options(command):
    """Every option of a synopsis or a mention is one of its tool."""
    for part in re.split(r"\s*(?:\||&&)\s+", command):
        words = part.split()
        if not words or words[0] not in TOOLS:
            continue
        if words[0] not in helps:
            helps[words[0]] = subprocess.run([words[0], "--help"], capture_output=True, text=True).stdout
        for word in words[1:]:
            option = re.match(r"\[?--?([a-z][a-z-]+)", word)
            if option and not re.search(rf"^\s+-{option.group(1)}\b", helps[words[0]], re.M):
                raise Failure(f"{words[0]} has no option -{option.group(1)}")


class Runner:
    def __init__(self, root, obj, folder):
        self.root, self.obj, self.folder = root, obj, folder
        self.fixtures, self.prefix, self.count = folder / "fixtures", folder / "prefix", 0
        self.fixtures.mkdir(parents=True)
        script = Path(__file__).parent / "fixtures.py"
        subprocess.run([sys.executable, str(script), str(root), str(self.fixtures)], check=True)
        for name in ("docs", "examples", "rt", "include"):
            shutil.copytree(root / name, self.fixtures / name)
        self.others = []

    def fresh(self):
        self.count += 1
        place = self.folder / f"block{self.count}"
        shutil.copytree(self.fixtures, place)
        return place

    def install(self):
        command = ["cmake", "--install", str(self.obj), "--prefix", str(self.prefix)]
        subprocess.run(command, check=True, capture_output=True)

    def run(self, command, code, expected, place, names):
        if re.sub(r"\s+", " ", command) in OTHERWISE:
            reason, instead = OTHERWISE[re.sub(r"\s+", " ", command)]
            self.others.append(f"{command}: {reason}")
            if instead is None:
                return
            command = instead
        if "aarch64-linux-gnu" in command and not shutil.which("aarch64-linux-gnu-gcc"):
            self.others.append(f"{command}: needs aarch64-linux-gnu-gcc, which is not here")
            return
        places = {"/usr/local": str(self.prefix), "build/release": str(self.obj)}
        text = re.sub("|".join(places), lambda m: places[m.group(0)], command)
        if str(self.prefix) in text and not self.prefix.exists():
            self.install()
        script = "set -o pipefail\n" + "".join(f"{n}\n" for n in names) + text
        done = subprocess.run(["bash", "-c", script], cwd=place, capture_output=True, text=True, timeout=TIMEOUT)
        output = done.stdout + done.stderr
        if done.returncode != code:
            raise Failure(f"exit code {done.returncode}, not {code}:\n{output[-1500:]}")
        check_output(expected, output)

    def block(self, language, lines):
        """(run, synopses) of one block; Failure with the line before."""
        place, names, ran, named = self.fresh(), [], 0, 0
        for offset, command, code, expected in commands(language, lines):
            try:
                if re.match(r"[A-Z]+='[^']*'$", command):
                    names.append(command)
                elif synopsis(command):
                    check_options(command)
                    named += 1
                else:
                    self.run(command, code, expected, place, names)
                    ran += 1
            except (Failure, subprocess.TimeoutExpired) as e:
                raise Failure(f"{offset}: {command}\n{e}") from e
        shutil.rmtree(place)
        return ran, named


def looks_like_commands(line):
    words = line.removeprefix("$ ").split()
    return line.startswith("$ ") or (words and words[0] in PROGRAMS)


def check_blocks(runner, text, problems, page):
    ran = named = 0
    for language, lines, start in blocks(text):
        for offset, line in enumerate(lines):
            if language not in ("sh", "console") and looks_like_commands(line):
                problems.append(f"{page}:{start + offset}: a command in a block that is not ```sh: {line}")
            if line.strip().startswith("// RUN: "):
                check_options(line.strip()[len("// RUN: "):])
                named += 1
        if language in ("sh", "console"):
            try:
                r, n = runner.block(language, lines)
                ran, named = ran + r, named + n
            except Failure as e:
                offset, _, message = str(e).partition(": ")
                problems.append(f"{page}:{start + int(offset)}: {message}")
    return ran, named


def check_spans(runner, text, problems, page):
    ran = named = 0
    for span, number in spans(text):
        words = span.split()
        if len(words) < 2 or words[0] not in TOOLS:
            continue
        try:
            if synopsis(span) or not any(re.search(r"\w\.\w+$|^-$", w) for w in words[1:]):
                check_options(span)
                named += 1
            else:
                place = runner.fresh()
                runner.run(span, 0, [], place, [])
                shutil.rmtree(place)
                ran += 1
        except (Failure, subprocess.TimeoutExpired) as e:
            problems.append(f"{page}:{number}: {span}\n{e}")
    return ran, named


def main():
    root, obj, folder = (Path(a).resolve() for a in sys.argv[1:4])
    shutil.rmtree(folder, ignore_errors=True)
    runner, problems = Runner(root, obj, folder), []
    for page in sys.argv[4:]:
        text = (root / page).read_text()
        a, b = check_blocks(runner, text, problems, page), check_spans(runner, text, problems, page)
        print(f"{page}: {a[0] + b[0]} commands run, {a[1] + b[1]} synopses and mentions checked")
    for other in runner.others:
        print(f"not run: {other}")
    for problem in problems:
        print(f"FAILED {problem}")
    shutil.rmtree(folder)
    return 1 if problems else 0


sys.exit(main())
