"""What ONNX Runtime makes of the models of a folder: SEED.npz (samples) -> SEED.want.npz, arrays "RUN.OUTPUT", for the program nets.

    onnx_peer.py FOLDER PEERS     # PEERS: where npm has put onnxruntime-node (bench/setup.sh)

A model that the runtime refuses is named on standard output and taken away.
"""
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np

RUNS = 2


def main():
    folder, here = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(__file__).resolve().parent
    env = dict(os.environ, NODE_PATH=str(pathlib.Path(sys.argv[2]).resolve() / "node_modules"))
    node = subprocess.Popen(["node", here / "onnx_peer.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
    work = folder / "peer"
    models = sorted(folder.glob("*.onnx"), key=lambda p: (len(p.name), p.name))
    for model in models:
        why = ask(node, model, work)
        if why:
            print(f"{model.name}: refused by the runtime: {why}")
            model.unlink()
    node.stdin.close()
    node.wait()
    shutil.rmtree(work, ignore_errors=True)


def ask(node, model, work):
    """None, or why there is no answer."""
    want = {}
    with np.load(model.with_suffix(".npz")) as z:
        samples = dict(z)
    shapes = input_shapes(model)
    for run in range(RUNS):
        given, got = work / "in", work / "out"
        shutil.rmtree(work, ignore_errors=True)
        given.mkdir(parents=True)
        for name, a in samples.items():
            n = shapes[name][0]
            rows = [min(run * n + i, len(a) - 1) for i in range(n)]
            np.save(given / f"{name}.npy", a[rows])
        node.stdin.write(f"{model} {given} {got}\n")
        node.stdin.flush()
        answer = node.stdout.readline().strip()
        if answer != "ok":
            return answer or "it ended"
        for k in range(len(list(got.glob("*.npy")))):
            want[f"{run}.{k}"] = np.load(got / f"{k}.npy")
    np.savez(model.with_suffix(".want.npz"), **want)
    return None


def input_shapes(model):
    with np.load(model.with_suffix(".shapes.npz")) as z:
        return {k: tuple(int(d) for d in z[k]) for k in z.files}


main()
