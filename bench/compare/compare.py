#!/usr/bin/python3
"""mcc, ONNX Runtime and oneDNN on the same networks, in alternation, one pinned thread: the tables of bench/README.md.

usage: compare.py [options] [NETWORK ...]

  --bin DIR       mcc's tools (default build/release/bin)
  --models DIR    what bench/models.py wrote; written if absent (default build/bench-models)
  --peers DIR     what bench/setup.sh made (default build/peers)
  --march LEVEL   for mcc (default native)
  --batch N       images a run (default 1)
  --threads N     another table: one thread beside N (default 1)
  --seconds S     measuring time of each network (default 4; in each regime)
  --regime WHAT   steady: runs one after the other; camera: one run every 33 ms, between which the core sleeps;
                  both: a table of each (default steady)
  --cpu N         the core (default 0)
  --fifo          real-time priority: other programs of a shared machine cannot take the core away (needs the right to)
  --recompile     do not reuse objects of an earlier call, even when mcc did not change
  --json FILE     all figures

A figure is the median of the calm samples in ms; '*' after it: too few were calm, the minimum of all is shown.  A column without a program stays '-'."""
import argparse, json, math, os, pathlib, re, subprocess, sys, time

BENCH = pathlib.Path(__file__).resolve().parent.parent
COLUMNS = [("ort_fp32", "ORT fp32"), ("ort_int8", "ORT int8"), ("dnnl_f32", "oneDNN f32"), ("dnnl_int8", "oneDNN int8"), ("mcc_fp32", "mcc fp32"), ("mcc_bf16", "mcc bf16"), ("mcc_int8", "mcc int8")]
RATIOS = [("ort_fp32", "mcc_fp32", "ORT/mcc fp32"), ("ort_int8", "mcc_int8", "ORT/mcc int8"), ("dnnl_int8", "mcc_int8", "oneDNN/mcc int8"), ("mcc_fp32", "mcc_int8", "fp32/int8 mcc"),
          ("ort_fp32", "mcc_bf16", "ORT fp32/mcc bf16"), ("mcc_fp32", "mcc_bf16", "fp32/bf16 mcc")]
THREAD_COLUMNS = [("ort_fp32", "ORT fp32"), ("ort_fp32_t", "ORT fp32 t{n}"), ("ort_int8", "ORT int8"), ("ort_int8_t", "ORT int8 t{n}"), ("mcc_fp32", "mcc fp32"), ("mcc_fp32_t", "mcc fp32 t{n}"),
                  ("mcc_int8", "mcc int8"), ("mcc_int8_t", "mcc int8 t{n}")]
THREAD_RATIOS = [("ort_int8", "ort_int8_t", "ORT int8 t1/t{n}"), ("mcc_fp32", "mcc_fp32_t", "mcc fp32 t1/t{n}"), ("mcc_int8", "mcc_int8_t", "mcc int8 t1/t{n}"), ("ort_fp32_t", "mcc_fp32_t", "ORT/mcc fp32 t{n}"),
                 ("ort_int8_t", "mcc_int8_t", "ORT/mcc int8 t{n}")]


def note(*words):
    print(*words, file=sys.stderr, flush=True)


def timed(command):
    """Runs a command: (succeeded, its messages, seconds of processor time, peak MB)."""
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = p.stdout.read()
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    return p.returncode == 0, text, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def compiled(o, name, quant, threads=1, apart=False):
    """mcc's object as a shared library the bench can load, or None; and what compiling took.  apart: every layer has code of its own, for profiles."""
    stem = o.models / f"{name}.b{o.batch}.{quant}.{o.march}{f'.t{threads}' if threads > 1 else ''}{'.apart' if apart else ''}"
    library, facts, mcc = pathlib.Path(f"{stem}.so"), pathlib.Path(f"{stem}.json"), o.bin / "mcc"
    fresh = library.exists() and facts.exists() and library.stat().st_mtime > mcc.stat().st_mtime
    if fresh and not getattr(o, "recompile", False):
        return library, json.loads(facts.read_text())
    library.unlink(missing_ok=True)
    mir = o.models / f"{name}.b{o.batch}.mir"
    ok, text, _, _ = timed([o.bin / "mc-import", "-shape", f"N={o.batch}", o.models / f"{name}.fp32.onnx", "-o", mir])
    if not ok:
        return note(f"{name}: mc-import: {text.strip()[:600]}"), {"error": text}
    obj = str(stem) + ".o"
    calib = o.models / f"{name}.calib.npz"
    command = [mcc, "-O3", f"-march={o.march}", f"-quant={quant}", "-name=net", f"-threads={threads}", "-time-passes", mir, "-o", obj] + ([f"-calib={calib}"] if quant == "int8" else []) + (["-share=false"] if apart else [])
    ok, text, seconds, peak = timed(command)
    if not ok:
        return note(f"{name}: mcc -quant={quant}: {text.strip()[-600:]}"), {"error": text[-2000:]}
    passes = {m[2]: float(m[1]) / 1e3 for m in re.finditer(r"^\s+([0-9.]+) ms\s+(calibrate|quantize|all passes|plan|code)\b", text, re.M)}
    entry = BENCH / "compare" / "net_entry.c"
    header = pathlib.Path(f"{stem}.h").resolve()
    ok, text, _, _ = timed(["cc", "-O2", "-shared", "-fPIC", "-Wl,-z,noexecstack", f'-DNET_HEADER="{header}"', str(entry), obj, "-o", str(library)])
    if not ok:
        return note(f"{name}: linking: {text.strip()[:600]}"), {"error": text}
    result = {"cpu_seconds": round(seconds, 2), "peak_mb": round(peak, 1), "object_bytes": os.path.getsize(obj), "seconds": passes}
    facts.write_text(json.dumps(result))
    os.remove(obj)
    return library, result


def variants(o, name):
    """What there is to run, and how mcc's objects came to be."""
    out, built = [], {}
    if o.ort:
        out += [f"ort:ort_fp32:{o.models}/{name}.fp32.onnx", f"ort:ort_int8:{o.models}/{name}.int8.onnx"]
        if (o.models / f"{name}.dyn.onnx").exists():
            out.append(f"ort:ort_dyn:{o.models}/{name}.dyn.onnx")
    for quant, label in (("none", "mcc_fp32"), ("bf16", "mcc_bf16"), ("int8", "mcc_int8")):
        library, built[label] = compiled(o, name, quant)
        if library:
            out.append(f"object:{label}:{library}")
    if o.threads > 1:
        t = o.threads
        if o.ort:
            out += [f"ort@{t}:ort_{q}_t:{o.models}/{name}.{q}.onnx" for q in ("fp32", "int8")]
            if (o.models / f"{name}.dyn.onnx").exists():
                out.append(f"ort@{t}:ort_dyn_t:{o.models}/{name}.dyn.onnx")
        for quant, label in (("none", "mcc_fp32_t"), ("int8", "mcc_int8_t")):
            library, built[label] = compiled(o, name, quant, t)
            if library:
                out.append(f"object@{t}:{label}:{library}")
    elif o.dnnl:
        out += [f"dnnl:dnnl_f32:{o.models}/{name}.f32.layers", f"dnnl:dnnl_int8:{o.models}/{name}.int8.layers"]
    return out, built


def measure(o, name, regime):
    which, built = variants(o, name)
    command = [o.peers / "compare", "-seconds", str(o.seconds), "-regime", regime, "-batch", str(o.batch), "-cpu", str(o.cpu)] + (["-fifo"] if o.fifo else []) + (["-ort", str(o.ort)] if o.ort else []) + which
    p = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if p.returncode:
        note(f"{name}: compare failed")
        return {"compile": built, "variants": {}}
    r = json.loads(p.stdout)
    v = r["variants"]
    for t in ("", "_t"):
        if "ort_dyn" + t in v and v["ort_dyn" + t]["median_ms"] < v["ort_int8" + t]["median_ms"]:
            v["ort_int8" + t], v["ort_static" + t] = v["ort_dyn" + t], v["ort_int8" + t]   # the better of ONNX Runtime's forms counts
    r["compile"] = built
    return r


def figure(v):
    return None if not v else v["median_ms"] if v["gated"] else v["min_ms"]


def pair(v, w):
    """Two figures of the same kind: medians, or the minima where one of them has no median."""
    if v and w and not (v["gated"] and w["gated"]):
        return v["min_ms"], w["min_ms"]
    return figure(v), figure(w)


def shown(v):
    t = figure(v)
    return "-" if t is None else f"{t:.3g}" + ("" if v["gated"] else "*")


def geometric_mean(x):
    return math.exp(sum(map(math.log, x)) / len(x)) if x else None


def table(results, macs, batch, threads):
    columns = [(k, t.format(n=threads)) for k, t in (THREAD_COLUMNS if threads > 1 else COLUMNS)]
    quotients = [(a, b, t.format(n=threads)) for a, b, t in (THREAD_RATIOS if threads > 1 else RATIOS)]
    rows = [["", "MMAC"] + [t for _, t in columns] + [t for _, _, t in quotients]]
    ratios = {t: [] for _, _, t in quotients}
    for name, r in results.items():
        v = r["variants"]
        row = [name, f"{macs[name]['macs'] * batch / 1e6:.4g}"] + [shown(v.get(k)) for k, _ in columns]
        for a, b, title in quotients:
            x, y = pair(v.get(a), v.get(b))
            row.append(f"{x / y:.2f}" if x and y else "-")
            ratios[title] += [x / y] if x and y else []
        rows.append(row)
    means = {t: geometric_mean(x) for t, x in ratios.items()}
    rows.append(["geometric mean", ""] + [""] * len(columns) + [f"{means[t]:.2f}" if means[t] else "-" for _, _, t in quotients])
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, width))) + " |" for r in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
    return "\n".join(lines), means


def processor():
    names = re.findall(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return names[0] if names else "unknown"


def arguments():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    for name, kind, default in [("bin", pathlib.Path, "build/release/bin"), ("models", pathlib.Path, "build/bench-models"), ("peers", pathlib.Path, "build/peers"), ("march", str, "native"),
                                ("batch", int, 1), ("threads", int, 1), ("seconds", float, 4.0), ("cpu", int, 0), ("json", pathlib.Path, None)]:
        p.add_argument(f"--{name}", type=kind, default=kind(default) if default is not None else None)
    p.add_argument("--fifo", action="store_true")
    p.add_argument("--regime", choices=["steady", "camera", "both"], default="steady")
    p.add_argument("--recompile", action="store_true")
    p.add_argument("networks", nargs="*")
    return p.parse_args()


def prepare(o):
    if not (o.peers / "compare").exists():
        sys.exit(f"compare.py: {o.peers}/compare is missing: run bench/setup.sh {o.peers}")
    if not (o.bin / "mcc").exists():
        sys.exit(f"compare.py: {o.bin}/mcc is missing: build the release preset, or name its folder with --bin")
    index = o.models / "models.json"
    known = json.loads(index.read_text()) if index.exists() else {}
    absent = [n for n in o.networks if n not in known]
    if absent or not known:
        subprocess.run([BENCH / "models.py", "-o", o.models, *absent], check=True)
    o.ort = o.peers / "libonnxruntime.so"
    if not o.ort.exists():
        o.ort = note("ONNX Runtime is missing: its columns stay empty (bench/setup.sh)")
    o.dnnl = b"dnnl_primitive_execute" in (o.peers / "compare").read_bytes()
    if not o.dnnl:
        note("oneDNN is missing: its columns stay empty (Debian: apt-get install libdnnl-dev, then bench/setup.sh)")
    return json.loads(index.read_text())


def main():
    o = arguments()
    macs = prepare(o)
    regimes = ["steady", "camera"] if o.regime == "both" else [o.regime]
    results, means = {r: {} for r in regimes}, {}
    for name in o.networks or macs:
        for regime in regimes:
            t = time.time()
            results[regime][name] = measure(o, name, regime)
            v = results[regime][name]["variants"]
            note(f"{name}, {regime}: " + ", ".join(f"{k} {shown(v[k])}" for k in v) + f"  ({time.time() - t:.0f} s, load {os.getloadavg()[0]:.1f})")
    for regime in regimes:
        text, means[regime] = table(results[regime], macs, o.batch, o.threads)
        print(f"{processor()}; {regime}; batch {o.batch}, {f'1 and {o.threads} threads' if o.threads > 1 else '1 thread'}, ms; -march={o.march}\n\n{text}\n")
    if o.json:
        o.json.write_text(json.dumps({"processor": processor(), "march": o.march, "batch": o.batch, "threads": o.threads, "networks": results[regimes[0]], "means": means[regimes[0]],
                                      **({"camera": {"networks": results["camera"], "means": means["camera"]}} if o.regime == "both" else {})}, indent=1) + "\n")


if __name__ == "__main__":
    main()
