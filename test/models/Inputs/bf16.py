"""bf16.py FOLDER LEVEL...: every network of bench/networks.py as fp32 and as bf16 objects: bf16 loses at most 0.5 points of accuracy (AUC: 0.005) on every test set, on every level."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "bench"))
from networks import MODELS, ROAD, import_args  # noqa: E402


def run(*args):
    r = subprocess.run([str(a) for a in args], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"{' '.join(map(str, args))}\n{r.stdout}{r.stderr}")
    return r.stdout


def accuracy(obj, data, auc):
    out = run("mc-eval", obj, f"--data={MODELS / data}", *(["--metric=auc"] if auc else []))
    found = re.search(r"auc ([0-9.]+)" if auc else r"top-1 +([0-9.]+)", out)
    return float(found.group(1)) if found else sys.exit(f"no figure in: {out}")


folder, levels, failed = pathlib.Path(sys.argv[1]), sys.argv[2:], 0
for name, net in ROAD.items():
    run("mc-import", MODELS / net["model"], "-o", folder / "net.mir", *import_args(net))
    auc = net.get("metric") == "auc"
    objects = {"fp32": (["-quant=none"], levels[0])} | {f"bf16 {m}": (["-quant=bf16"], m) for m in levels}
    for key, (args, march) in objects.items():
        run("mcc", "-O3", "-quiet", *args, f"-march={march}", folder / "net.mir", "-o", folder / (key.replace(" ", "_") + ".o"))
    for data, _, _ in net["tests"]:
        figures = {key: accuracy(folder / (key.replace(" ", "_") + ".o"), data, auc) for key in objects}
        far = figures["fp32"] - min(figures.values()) > (0.005 if auc else 0.5) + 1e-9
        failed += far
        print(name, data, *(f"{k} {v}" for k, v in figures.items()), "TOO LOW" if far else "")
sys.exit(failed > 0)
