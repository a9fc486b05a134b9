#!/usr/bin/env python3
"""The road on real networks: import, compile to fp32 and INT8, run, and hold every figure against what it must be.

    bench/road.py [NETWORK...] [--build=build/release] [--march=native,x86-64] [--seconds=S] [--skip-reference] [--keep=FOLDER]

For each network of bench/networks.py (all, if none is named):
  fp32     accuracy of the object and of the reference evaluator, with the preprocessing baked into the graph and in the model's own layout with the
           preprocessing done by mc-eval, is the stored one to the sample; outputs agree with ONNX Runtime's
  INT8     accuracy at most 0.5 points (AUC: 0.01) below fp32, on every test set; the same figure from every machine level
  objects  ask for nothing but memcpy and memset
and: object and arena bytes, latency of one thread, mcc's time and peak memory. Two Markdown tables; exit code 1 when a requirement fails.
The first level of --march is the one that the figures in the second table are for."""
import argparse
import pathlib
import sys
import tempfile

import numpy as np

from networks import MODELS, ROAD, import_args
from tools import Failed, Tools, header, table, undefined

OUTPUT_TOLERANCE = 1e-4  # of the largest stored output; fp32 sums in another order
POINTS, AUC = 0.5, 0.01


class Network:
    """One network's files, figures and failures."""

    def __init__(self, name, o, work):
        self.name, self.o, self.net, self.failed = name, o, ROAD[name], []
        self.folder = work / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.auc = self.net.get("metric") == "auc"
        self.eval_args = ["--metric=auc"] if self.auc else []

    def require(self, what, text):
        if not what:
            self.failed.append(f"{self.name}: {text}")

    def file(self, name):
        return self.folder / name

    # ---- making ----
    def build(self):
        model = MODELS / self.net["model"]
        self.o.tools("mc-import", model, "-o", self.file("net.mir"), *import_args(self.net))
        self.o.tools("mc-import", model, "-o", self.file("own.mir"))
        self.objects, self.run = {}, {}
        for quant in ("none", "int8"):
            for march in self.o.march:
                obj = self.file(f"{quant}_{march}.o".replace("-", "_"))
                calib = [f"-calib={MODELS / self.net['calib']}"] if quant == "int8" else []
                self.run[quant, march] = self.o.tools("mcc", "-O3", f"-quant={quant}", *calib, f"-march={march}", self.file("net.mir"), "-o", obj)
                self.objects[quant, march] = obj
                extra = undefined(obj) - {"memcpy", "memset"}
                self.require(not extra, f"{obj.name} wants {', '.join(sorted(extra))}")
        self.own = self.file("own.o")
        self.o.tools("mcc", "-O3", f"-march={self.o.march[0]}", self.file("own.mir"), "-o", self.own)

    # ---- fp32 against the stored figures ----
    def ways(self):
        """Everything that must have the stored accuracy: (what, file, mc-eval's options)."""
        own = ["--preprocess=" + self.net["pre"]] if self.net["pre"] else []
        yield "fp32 object, own layout", self.own, own
        for march in self.o.march:
            yield f"fp32 object, {march}", self.objects["none", march], []
        if not self.o.skip_reference:
            yield "reference evaluator", self.file("net.mir"), []
            yield "reference evaluator, own layout", self.file("own.mir"), own

    def fp32(self, data, stored):
        for what, file, args in self.ways():
            s = self.o.tools.score(file, MODELS / data, *args, *self.eval_args)
            want = stored if self.auc else round(stored * s.n / 100)
            self.require((s.value if self.auc else s.right) == want, f"{data}: {what}: {s.value if self.auc else s.right}, not {want}")
            yield s

    def stored_inputs(self, data, n):
        """Samples as the networks take them: for the autoencoder the first windows of the spectrograms."""
        if not self.auc:
            return MODELS / data
        x = np.load(MODELS / data)["x"]
        flat = x.reshape(len(x), -1)
        windows = [f[k:k + 640] for f in flat for k in range(0, flat.shape[1] - 639, 128)][:n]
        np.savez(self.file("windows.npz"), x=np.stack(windows))
        return self.file("windows.npz")

    def outputs(self, data, ref):
        """Largest difference from ONNX Runtime's outputs, absolute and as a share of the largest output."""
        want = np.load(MODELS / ref)["out"]
        files = [self.objects["none", m] for m in self.o.march] + ([] if self.o.skip_reference else [self.file("net.mir")])
        worst = 0.0
        for f in files:
            self.o.tools("mc-run", f, f"--data={self.stored_inputs(data, len(want))}", f"--limit={len(want)}", f"--output={self.file('y.npy')}")
            got = np.load(self.file("y.npy")).reshape(want.shape)
            worst = max(worst, float(np.max(np.abs(got - want))))
        share = worst / float(np.max(np.abs(want)))
        self.require(share <= OUTPUT_TOLERANCE, f"{data}: fp32 outputs are {worst:.2e} ({share:.1e} of the largest) away from the stored ones")
        return f"{worst:.1e}", f"{share:.1e}"

    # ---- INT8 ----
    def int8(self, data, fp32):
        scores = [self.o.tools.score(self.objects["int8", m], MODELS / data, *self.eval_args) for m in self.o.march]
        self.require(len(set(scores)) == 1, f"{data}: INT8 differs between machine levels: {scores}")
        low = scores[0].value
        bound = AUC if self.auc else POINTS
        self.require(low >= fp32.value - bound - 1e-9, f"{data}: INT8 {low}, more than {bound} below fp32's {fp32.value}")
        return scores[0]

    def accuracy(self):
        for data, stored, ref in self.net["tests"]:
            fp32 = list(self.fp32(data, stored))[0]
            int8 = self.int8(data, fp32)
            digits = 4 if self.auc else 2
            count = lambda s: f"{s.value:.{digits}f}" if self.auc else f"{s.value:.2f} ({s.right}/{s.n})"
            yield [self.name, data, f"{stored:.{digits}f}", count(fp32), count(int8), f"{int8.value - fp32.value:+.{digits}f}", *self.outputs(data, ref)]

    # ---- sizes and times ----
    def sizes(self):
        march = self.o.march[0]
        for quant, word in (("none", "fp32"), ("int8", "INT8")):
            obj, run = self.objects[quant, march], self.run[quant, march]
            yield [self.name, word, obj.stat().st_size, header(obj, "ARENA_BYTES"), f"{1000 * self.o.tools.latency(obj, self.o.seconds):.1f}",
                   f"{run.seconds:.2f}", f"{run.cpu:.2f}", f"{run.kib / 1024:.0f}"]


ACCURACY = ["network", "data", "stored", "fp32", "INT8", "INT8 - fp32", "max abs. error", "of max"]
SIZES = ["network", "", "object bytes", "arena bytes", "median us", "mcc seconds", "mcc CPU s", "mcc peak MiB"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(ROAD))
    p.add_argument("--build", default=pathlib.Path(__file__).resolve().parent.parent / "build" / "release")
    p.add_argument("--march", type=lambda s: s.split(","), default=["native", "x86-64"])
    p.add_argument("--seconds", type=float, default=1.0, help="how long to time each object")
    p.add_argument("--skip-reference", action="store_true", help="leave out the reference evaluator")
    p.add_argument("--keep", type=pathlib.Path, help="leave the files here")
    o = p.parse_args()
    if unknown := set(o.networks) - set(ROAD):
        p.error(f"no such network: {', '.join(sorted(unknown))} (there are: {', '.join(ROAD)})")
    if not MODELS.is_dir():
        sys.exit(f"{MODELS}: not there (MC_MODELS names the folder)")
    o.tools = Tools(o.build)
    accuracy, sizes, failed = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        for name in o.networks or ROAD:
            n = Network(name, o, o.keep or pathlib.Path(scratch))
            try:
                n.build()
                accuracy += n.accuracy()
                sizes += n.sizes()
            except Failed as e:
                n.require(False, str(e))
            failed += n.failed
    print(table(accuracy, ACCURACY), "", table(sizes, SIZES), sep="\n")
    for f in failed:
        print(f"FAILED {f}", file=sys.stderr)
    sys.exit(1 if failed else 0)


main()
