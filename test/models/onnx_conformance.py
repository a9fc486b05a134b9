#!/usr/bin/env python3
"""Runs the ONNX project's node tests that the importer supports: import, evaluate with the reference evaluator, compare.

    onnx_conformance.py ARCHIVE.tar.gz [--work=DIR] [--match=TEXT] [--jit] [--verbose]

Each test runs as it stands; where that is refused and the test has several inputs, once more with all but the first made constants (shapes,
axes, scales and zero points are inputs in these tests, but must be known while importing). Refusals have to be clean errors; any difference
beyond rtol 1e-3, atol 1e-5 (integers: any difference) is a failure. Needs numpy and onnx. Exit code 1 when something failed.
"""
import argparse
import pathlib
import sys
import tarfile
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "import" / "Inputs"))
from onnx_case import check  # noqa: E402

# Expected outputs that are not what the specification says; counted on their own, never as passed.
DATA_IS_WRONG = {
    "test_qlinearmatmul_2D_int8_float16": "wraps around where the specification saturates",
    "test_qlinearmatmul_2D_int8_float32": "wraps around where the specification saturates",
    "test_qlinearmatmul_3D_int8_float16": "wraps around where the specification saturates",
    "test_qlinearmatmul_3D_int8_float32": "wraps around where the specification saturates",
}


class NotComparable(Exception):
    """Sequences, strings, optional values, element types that numpy does not have."""


def tensors(folder, kind, infos):
    """TensorProtos of the test's inputs or outputs."""
    found = []
    for i, info in enumerate(infos):
        if not info.type.HasField("tensor_type"):
            raise NotComparable("not a tensor")
        if info.type.tensor_type.elem_type in (0, 8, 14, 15) or info.type.tensor_type.elem_type >= 16:
            raise NotComparable("element type")
        path = folder / "test_data_set_0" / f"{kind}_{i}.pb"
        if not path.exists():
            raise NotComparable("no data")
        found.append(onnx.TensorProto.FromString(path.read_bytes()))
    return found


def frozen(model, inputs):
    """The model with all inputs but the first as initializers."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for info, t in list(zip(model.graph.input, inputs))[1:]:
        t.name = info.name
        model.graph.initializer.append(t)
    del model.graph.input[1:]
    return model


def refused(result):
    """What the compiler has no code for is not supported either (with --jit)."""
    return ("unsupported", result[1]) if result[0] == "failed" and "has no lowering" in result[1] else result


def run(folder, work, how):
    model = onnx.load(str(folder / "model.onnx"))
    inputs = tensors(folder, "input", model.graph.input)
    outputs = [numpy_helper.to_array(t) for t in tensors(folder, "output", model.graph.output)]
    arrays = [numpy_helper.to_array(t) for t in inputs]
    status, why = refused(check(folder / "model.onnx", arrays, outputs, work, run=how))
    if status == "unsupported" and len(inputs) > 1:
        path = work / "frozen.onnx"
        path.write_bytes(frozen(model, inputs).SerializeToString())
        status, why = refused(check(path, arrays[:1], outputs, work, run=how))
    return status, why


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("archive")
    p.add_argument("--work")
    p.add_argument("--match", default="")
    p.add_argument("--jit", action="store_true", help="compiled code instead of the reference evaluator")
    p.add_argument("--verbose", action="store_true")
    o = p.parse_args()
    count = {"passed": 0, "unsupported": 0, "failed": 0, "not comparable": 0, "wrong data": 0}
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(o.work or scratch)
        work.mkdir(parents=True, exist_ok=True)
        with tarfile.open(o.archive) as tar:
            tar.extractall(work / "tests")
        for path in sorted((work / "tests").glob("*/test_*/model.onnx")):
            name = path.parent.name
            if o.match not in name:
                continue
            try:
                status, why = run(path.parent, work, ["--jit"] if o.jit else [])
            except NotComparable as e:
                status, why = "not comparable", str(e)
            except (onnx.onnx_cpp2py_export.checker.ValidationError, ValueError, TypeError, KeyError) as e:
                status, why = "not comparable", f"onnx module: {e}"
            if status == "failed" and name in DATA_IS_WRONG:
                status, why = "wrong data", DATA_IS_WRONG[name]
            count[status] += 1
            if status == "failed" or o.verbose:
                print(f"{name}: {status}: {why}")
    print(", ".join(f"{n} {status}" for status, n in count.items()))
    sys.exit(1 if count["failed"] else 0)


main()
