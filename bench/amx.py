#!/usr/bin/python3
"""The first hour on a machine with AMX: everything that could not be measured before, in order, and what follows from it.

usage: amx.py [--build DIR] [--models DIR] [--peers DIR] [--cpu N] [--fifo] [--seconds S] [--out DIR] [--only STEP,...]

  check     what the machine has: AMX in the processor, the kernel's permission, mcc, the peers, the networks; ends here where tiles cannot run
  sweep     kernels-sweep on the real instructions (int8, bf16): stop if a byte differs
  peaks     rates of products and reads, costs of tile instructions -> the row of machines.def, the figures of test/emulate/core.c
  compare   mcc, ONNX Runtime and oneDNN in alternation -> the table of targets
  vnni      the same networks compiled without tiles, beside those with them: does any network gain by leaving tiles out (their clock is lower)?
  cost      the cost model beside measured layers
  emulated  the estimate of mc-time-emulated beside what was measured

Each step's output is kept in --out (default build/amx); a step that fails does not keep the next one from running, and is named at the end.  --fifo: real-time priority, as in compare.py."""
import argparse, json, pathlib, re, subprocess, sys

BENCH = pathlib.Path(__file__).resolve().parent
# network: (file, target in ms, times ONNX Runtime INT8, times oneDNN's sum), batch 1, one thread, on a Sapphire Rapids core
TARGETS = {"resnet8": (0.022, 6, 2.2), "ds_cnn": (0.012, 4.5, None), "vww": (0.030, 8, 4), "autoencoder": (0.004, 6, 2.4), "mobilenet_v1": (1.05, 3.5, 2.2), "mobilenet_v2": (1.0, 3.4, 3),
           "resnet18": (1.55, 5.4, 1.5), "resnet50": (4.5, 4, 2.4), "vgg16": (18, 3.6, 1.4), "bert": (12, 3.6, 1.8)}
STEPS = ["check", "sweep", "peaks", "compare", "vnni", "cost", "emulated"]
failed = []


def say(*words):
    print(*words, flush=True)


def lacks(name, command):
    """Whether the command's program or script is not there; that is kept as a failure of the step."""
    for part in [pathlib.Path(c) for c in command if isinstance(c, pathlib.Path)][:1]:
        if not part.exists():
            say(f"\n== {name}: {part} is missing: build all of the release preset, tests included")
            failed.append(f"{name} ({part} is missing)")
            return True
    return False


def run(o, name, command, json_to=None):
    """Output to a file and the screen's last lines; False when it failed."""
    log = o.out / f"{name}.txt"
    if lacks(name, command):
        return False
    say(f"\n== {name}: {' '.join(map(str, command))}")
    with log.open("w") as f:
        rc = subprocess.run([str(c) for c in command], stdout=json_to.open("w") if json_to else f, stderr=subprocess.STDOUT if not json_to else f).returncode
    text = (json_to or log).read_text().splitlines()
    say("\n".join(text[-20:]))
    if rc:
        failed.append(f"{name} (exit code {rc}, {log})")
    return rc == 0


def check(o):
    """What is missing, in words; True when tiles can run."""
    flags = set(re.findall(r"\w+", (re.search(r"^flags\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M) or [None, ""])[1]))
    lacks = [f for f in ("avx512f", "avx512_vnni", "amx_tile", "amx_int8", "amx_bf16") if f not in flags]
    say("processor:", (re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M) or [None, "unknown"])[1])
    for f in lacks:
        say(f"missing: {f} in the processor's flags")
    wanted = {o.build / "bin" / "mcc": "build the release preset", o.build / "test" / "unit" / "kernels-sweep": "build the release preset", o.peers / "compare": "run bench/setup.sh",
              o.peers / "tile_costs": "run bench/setup.sh", o.peers / "libonnxruntime.so": "run bench/setup.sh (npm)", o.models / "models.json": "compare.py will write the networks (bench/models.py)"}
    for path, what in wanted.items():
        if not path.exists():
            say(f"missing: {path}: {what}")
    if (o.peers / "tile_costs").exists() and not lacks:
        asked = subprocess.run([o.peers / "tile_costs", "-quick"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if asked.returncode:
            say("missing: permission for tiles: " + (asked.stderr.strip() or f"the program ended with {asked.returncode}"))
            return False
    return not lacks


def sweep(o):
    program = o.build / "test" / "unit" / "kernels-sweep"
    run(o, "sweep-int8", [program, "--march=sapphirerapids", "--engine=amx"])
    run(o, "sweep-bf16", [program, "--march=sapphirerapids", "--engine=amxbf16", "bf16"])
    run(o, "sweep-chosen", [program, "--march=sapphirerapids"])


def machine_row(peaks):
    """machines.def wants products and bytes a cycle; the nominal clock is that of the present row, so only ratios change."""
    ghz = 2.9
    of = lambda name: peaks.get(name)
    parts = [("amx", of("AMX u8 x s8")), ("amxbf16", of("AMX bf16")), ("vnni", of("AVX-512 VNNI u8 x s8")), ("avxvnni", of("AVX-VNNI u8 x s8")), ("f32", of("AVX-512 fp32"))]
    rates = " ".join(f"R({n}, {v / ghz:.4g})" for n, v in parts if v)
    reads = {k: v / ghz for k, v in peaks.items() if k.startswith("read ")}
    return f"machines.def, row sapphirerapids (GHz {ghz}): {rates}\n  bytes a cycle: " + ", ".join(f"{k[5:]} {v:.3g}" for k, v in reads.items())


def core_figures(t):
    """What test/emulate/core.c calls its figures, in its cycles."""
    ghz = 16 / t["product, 16 rows"]
    return (f"test/emulate/core.c: ghz {ghz:.3g} (nominal for tiles); line_cycles L1 {t['load from L1'] * ghz / 16:.2f}, L2 {t['load from L2'] * ghz / 16:.2f}, L3 {t['load from L3'] * ghz / 16:.2f}, "
            f"memory {t['load from memory'] * ghz / 16:.2f}; lines that are not neighbours, from L2: {t['load from L2, rows 1152 apart'] * ghz / 16:.2f}; store_line {t['store'] * ghz / 16:.2f}; "
            f"a product's latency {t['product, 16 rows, all into one tile'] * ghz:.0f} at 16 rows, {t['product, 8 rows, all into one tile'] * ghz:.0f} at 8; commit {(t['store, then a vector load of it'] - t['store']) * ghz:.0f}; "
            f"config_cycles {t['ldtilecfg'] * ghz:.0f}\n  a product of 8 rows: {t['product, 8 rows'] * ghz:.1f} cycles, of 4: {t['product, 4 rows'] * ghz:.1f} (the model: 8 both); what a block's stores keep products from: "
            f"{(t['block of 4 steps from L1, stored'] - t['block of 4 steps from L1']) * ghz:.0f} cycles")


def peaks(o):
    rates, tiles = o.out / "peaks.json", o.out / "tile_costs.json"
    if run(o, "peaks", [o.peers / "peaks", "-cpu", o.cpu, "-json"] + (["-fifo"] if o.fifo else []), rates):
        say(machine_row(json.loads(rates.read_text())))
    if run(o, "tile_costs", [o.peers / "tile_costs", "-cpu", o.cpu], tiles):
        say(core_figures(json.loads(tiles.read_text())))


def shared_options(o):
    return ["--models", o.models, "--peers", o.peers, "--bin", o.build / "bin", "--cpu", o.cpu, "--seconds", o.seconds] + (["--fifo"] if o.fifo else [])


def figure(v):
    return None if not v else v["median_ms"] if v["gated"] else v["min_ms"]


def targets(results):
    """The issue's table: network, ms, target, ratios and their targets."""
    say("\n| | ms | target ms | x ORT int8 | target | x oneDNN sum | target | held |\n|---|---|---|---|---|---|---|---|")
    for name, (ms, ort, dnnl) in TARGETS.items():
        v = results.get(name, {}).get("variants", {})
        mine, theirs, sums = (figure(v.get(k)) for k in ("mcc_int8", "ort_int8", "dnnl_int8"))
        if not mine:
            continue
        ratio = lambda other: f"{other / mine:.2f}" if other else "-"
        held = [w for w, ok in (("ms", mine <= ms), ("ORT", not theirs or theirs / mine >= ort), ("oneDNN", not dnnl or not sums or sums / mine >= dnnl)) if not ok]
        say(f"| {name} | {mine:.4g} | {ms} | {ratio(theirs)} | {ort} | {ratio(sums)} | {dnnl or ''} | {'yes' if not held else 'missed: ' + ', '.join(held)} |")


def compare(o, name="compare", march="native"):
    result = o.out / f"{name}.json"
    if run(o, name, [sys.executable, BENCH / "compare" / "compare.py", *shared_options(o), "--march", march, "--json", result]):
        targets(json.loads(result.read_text())["networks"])


def vnni(o):
    compare(o, "compare-vnni", "avx512vnni")


def cost(o):
    run(o, "cost", [sys.executable, BENCH / "cost.py", *shared_options(o), "--worst", 5])


def emulated(o):
    """The estimate again, without emulation of anything: the same single steps on real instructions."""
    measured = o.out / "compare.json"
    known = json.loads(measured.read_text())["networks"] if measured.exists() else {}
    program = o.build / "test" / "unit" / "mc-time-emulated"
    if lacks("emulated", [program]):
        return
    say("\n| | estimate ms | measured ms |\n|---|---|---|")
    for name in ("resnet8", "ds_cnn", "vww"):
        mir = o.models / f"{name}.b1.mir"
        if not mir.exists():
            continue
        out = subprocess.run([program, "--json", "-quant=int8", f"-calib={o.models}/{name}.calib.npz", mir], capture_output=True, text=True)
        if out.returncode:
            failed.append(f"emulated {name}: {out.stderr.strip()[:200]}")
            continue
        ms = sum(g["us"] for g in json.loads(out.stdout)) / 1e3
        mine = figure(known.get(name, {}).get("variants", {}).get("mcc_int8"))
        say(f"| {name} | {ms:.4f} | {f'{mine:.4f}' if mine else '-'} |")


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    for name, kind, default in [("build", pathlib.Path, "build/release"), ("models", pathlib.Path, "build/bench-models"), ("peers", pathlib.Path, "build/peers"), ("out", pathlib.Path, "build/amx"), ("cpu", int, 0), ("seconds", float, 4.0)]:
        p.add_argument(f"--{name}", type=kind, default=kind(default))
    p.add_argument("--fifo", action="store_true")
    p.add_argument("--only", default=",".join(STEPS))
    o = p.parse_args()
    steps = o.only.split(",")
    if unknown := [s for s in steps if s not in STEPS]:
        sys.exit(f"amx.py: no step '{unknown[0]}'; there are {', '.join(STEPS)}")
    o.out.mkdir(parents=True, exist_ok=True)
    if not check(o) and steps != ["emulated"]:
        say("\nTiles cannot run here. What can be known without them: bench/README.md, \"A machine with AMX\".")
        return 3
    for step in steps:
        if step != "check":
            globals()[step](o)
    if failed:
        say("\nfailed: " + "; ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
