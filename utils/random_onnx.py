#!/usr/bin/env python3
"""Random ONNX models for testing: a seed gives a model, always the same.

    random_onnx.py FROM-TO FOLDER     # SEED.onnx, SEED.npz with samples for its inputs (samples along the first axis), SEED.shapes.npz with the inputs' shapes

Every operator that the importer reads and that a public runtime computes, in the forms of opsets 11 to 21. The makers are in utils/onnxgen.
"""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from onnxgen import elementwise, spatial, tensors  # noqa: E402
from onnxgen.model import Model, elements  # noqa: E402


def inputs(g):
    kind = g.pick("image", "image", "tokens", "loose")
    if kind == "image":
        c = g.channels()
        g.input((g.pick(1, 1, 2), c, g.between(2, 10), g.between(2, 10)) if c <= 16 else (1, c, g.between(2, 6), g.between(2, 6)))
        return spatial.MAKERS * 2
    if kind == "tokens":
        g.input((g.pick(1, 2), g.between(2, 12), g.channels()) if g.chance(0.7) else (g.between(1, 12), g.channels()))
        return tensors.MAKERS
    for _ in range(g.pick(1, 2, 3)):
        g.input(tuple(g.pick(1, 2, 3, 4, 5, 7) for _ in range(g.between(1, 4))))
    return []


def results(g):
    made = [v for v in g.values if v not in g.inputs]
    loose = [v for v in made if v.name not in g.used] or made[-1:]
    out = loose[-3:] if g.chance(0.5) else loose[-1:]
    if g.chance(0.2):
        v = g.pick(*made)
        out = out if v in out else out + [v]
    return out


def runs(g):
    """Samples for the same number of runs of all inputs: a batch of the first input's first axis for
    each, or whole inputs one after the other where theirs is another."""
    batch = g.inputs[0].shape[0] if g.inputs[0].shape else 1
    n = -(-max(len(a) for a in g.samples.values()) // batch)
    rows = {v.name: n * (v.shape[0] if v.shape else 1) for v in g.inputs}
    return {k: np.resize(a, (rows[k],) + a.shape[1:]) for k, a in g.samples.items()}


def make(seed):
    """(bytes of the model, samples, shapes of the inputs)"""
    g = Model(seed)
    makers = inputs(g) + elementwise.MAKERS * 2 + tensors.MAKERS
    target = g.between(2, 10) + len(g.values)
    for _ in range(5 * target):
        if len(g.values) > target:
            break
        makers[g.between(0, len(makers) - 1)](g)
    if len(g.values) == len(g.inputs):
        g.node("Relu", [g.inputs[0]], [g.inputs[0].shape])
    samples = runs(g)
    return g.bytes(results(g)), samples, {v.name: np.array(v.shape) for v in g.inputs}


def main():
    first, _, last = sys.argv[1].partition("-")
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(int(first), int(last or first) + 1):
        model, samples, shapes = make(seed)
        (folder / f"{seed}.onnx").write_bytes(model)
        np.savez(folder / f"{seed}.npz", **samples)
        np.savez(folder / f"{seed}.shapes.npz", **shapes)


if __name__ == "__main__":
    main()
