"""cpus.py ROOT BUILD: cpus.def, isa.def and targets.def against the features that clang gives each processor."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
site = (pathlib.Path(sys.argv[2]) / "test/lit.site.cfg.py").read_text()
clang = pathlib.Path(re.search(r'llvm_tools_dir = r"([^"]+)"', site)[1]) / "clang"
text = {n: (root / "include/mc/target" / n).read_text() for n in ("cpus.def", "isa.def", "targets.def")}
isa = {m[1]: set(m[2].replace("+", "").split(",")) for m in re.finditer(r'^MC_ISA\((\w+), *\w+, *"([^"]*)"', text["isa.def"], re.M)}
levels = {}   # name: architecture, features; lowest first
for m in re.finditer(r'^MC_TARGET\("([^"]+)", *(\w+), *"([^"]*)", *([^"]*?),\s+\d+,', text["targets.def"], re.M):
    if m[2] == "x86_64" or m[3] == "generic":
        levels[m[1]] = m[2], set().union(*(isa[b] for b in re.findall(r"S\((\w+)\)", m[4])))
bad = n = 0
for m in re.finditer(r'^MC_CPUS\("([^"]+)",\s*((?:"[^"]*"\s*)+)\)', text["cpus.def"], re.M):
    arch = levels[m[1]][0]
    for cpu in "".join(re.findall(r'"([^"]*)"', m[2])).split():
        option = "-march=" if arch == "x86_64" else "-mcpu="
        command = [clang, f"--target={arch}-linux-gnu", option + cpu, "-S", "-emit-llvm", "-o", "-", "-x", "c", "-"]
        out = subprocess.run(command, input="void f(void) {}", capture_output=True, text=True)
        found = re.search(r'"target-features"="([^"]*)"', out.stdout)
        has = {f[1:] for f in found[1].split(",") if f[0] == "+"} if found else set()
        best = [name for name, (a, features) in levels.items() if a == arch and features <= has]
        n += 1
        if not found or best[-1:] != [m[1]]:
            bad += 1
            print(f"{cpu}: {m[1]} in cpus.def, by LLVM {best[-1:]} {out.stderr}")
print(f"{n - bad} processors as LLVM has them, {bad} not")
sys.exit(bad > 0)
