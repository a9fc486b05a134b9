"""bench.py ROOT FOLDER OBJECT...: what layers.py makes of the functions of objects; amx.py without a build."""
import argparse
import pathlib
import re
import subprocess
import sys

root, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
sys.path[:0] = [str(root / "bench"), str(root / "bench" / "compare")]
import amx  # noqa: E402
import layers  # noqa: E402

# what runs between layers: choosing a level, the list of calls, the release of tiles
between = {"ask", "choose", "groups", "has", "probe", "end"}
for path in map(pathlib.Path, sys.argv[3:]):
    names = re.findall(r" t net\.(\S+)$", subprocess.run(["nm", path], capture_output=True, text=True).stdout, re.M)
    code = [n for n in names if n.split(".")[-1] not in between]
    found = layers.functions(path)
    print(f"{path.name}: {len(code)} functions, {sum('link' in n for n in code)} of links, {len(code) - len(found)} without a layer")
o = argparse.Namespace(build=folder / "none", out=folder, models=folder, peers=folder / "peers", cpu=0, fifo=False)
amx.sweep(o)
amx.emulated(o)
print(f"{len(amx.failed)} failures named")
