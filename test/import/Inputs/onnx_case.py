"""One ONNX model against expected outputs, through the tools: mc-import, mc-run, and a comparison here."""
import pathlib
import subprocess

import numpy as np


def tool(*words):
    """Exit code and everything that the tool printed. A crash is an exception, whatever was expected."""
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    text = done.stdout.decode(errors="replace")
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{words[0]} ended with {done.returncode}:\n{text}")
    return done.returncode, text


def difference(got, want, rtol, atol):
    """What is wrong with `got`, or None."""
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}"
    if got.dtype != want.dtype:
        return f"type {got.dtype}, expected {want.dtype}"
    a, b = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(invalid="ignore"):
        bad = ~((a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= atol + rtol * np.abs(b)))
    if not bad.any():
        return None
    at = tuple(int(i) for i in np.argwhere(bad)[0]) if got.ndim else ()
    return f"{int(bad.sum())} of {bad.size} elements differ, first at {list(at)}: {got[at]}, expected {want[at]}"


def check(model, inputs, outputs, work, options=(), run=(), rtol=1e-3, atol=1e-5):
    """("passed" | "unsupported" | "failed", why). Inputs and outputs are arrays in the graph's order; `run`: options for mc-run."""
    work = pathlib.Path(work)
    rc, text = tool("mc-import", model, "-o", work / "net.mir", *options)
    errors = [line for line in text.splitlines() if "error: " in line]
    if rc:
        return ("unsupported", errors[0]) if errors else ("failed", "mc-import fails without an error:\n" + text)
    words = []
    for i, x in enumerate(inputs):
        np.save(work / f"in{i}.npy", np.asarray(x, order="C"))
        words.append(f"--input={work}/in{i}.npy")
    rc, text = tool("mc-run", work / "net.mir", *words, *run, f"--output={work}/out.npz")
    if rc:
        return "failed", text.strip()
    with np.load(work / "out.npz") as z:
        got = [z[name] for name in z.files]
    if len(got) != len(outputs):
        return "failed", f"{len(got)} outputs, expected {len(outputs)}"
    for i, want in enumerate(outputs):
        why = difference(got[i], np.asarray(want), rtol, atol)
        if why:
            return "failed", f"output {i}: {why}"
    return "passed", ""
