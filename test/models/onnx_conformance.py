#!/usr/bin/env python3
"""Runs the ONNX project's node tests that the importer supports: import, evaluate with the reference evaluator, compare.

    onnx_conformance.py ARCHIVE.tar.gz [--work=DIR] [--match=TEXT] [--jit] [--verbose]

Each test runs as it is; where that is refused and the test has several inputs, once more with all but the first made constants (shapes,
axes, scales and zero points are inputs in these tests, but must be known while importing). Refusals have to be clean errors; any difference
beyond rtol 1e-3, atol 1e-5 (integers: any difference) is a failure. Needs numpy. Exit code 1 when something failed.
"""
import argparse
import pathlib
import sys
import tarfile
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "import" / "Inputs"))
from onnx_bytes import field, fields, integers  # noqa: E402
from onnx_case import check  # noqa: E402

# ONNX's number of an element type -> numpy's type; the field of a tensor that holds its elements when they are not raw.
TYPES = {1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", 12: "<u4", 13: "<u8"}
TYPED = {1: 4, 7: 7, 11: 10, 12: 11, 13: 11}

# Expected outputs that are not what the specification says; counted on their own, never as passed.
DATA_IS_WRONG = {
    "test_qlinearmatmul_2D_int8_float16": "wraps around where the specification saturates",
    "test_qlinearmatmul_2D_int8_float32": "wraps around where the specification saturates",
    "test_qlinearmatmul_3D_int8_float16": "wraps around where the specification saturates",
    "test_qlinearmatmul_3D_int8_float32": "wraps around where the specification saturates",
}


class NotComparable(Exception):
    """Sequences, strings, optional values, element types that numpy does not have."""


def one(message, number, default=None):
    """The last value of a field."""
    found = [v for k, v in message if k == number]
    return found[-1] if found else default


def array(message):
    """A TensorProto's fields as an array."""
    kind, dims = one(message, 2, 0), integers(message, 1)
    if kind not in TYPES:
        raise NotComparable(f"element type {kind}")
    dtype, raw, typed = np.dtype(TYPES[kind]), one(message, 9), TYPED.get(kind, 5)
    if raw is not None:
        return np.frombuffer(raw, dtype).reshape(dims)
    if typed in (4, 10):
        return np.frombuffer(b"".join(v for k, v in message if k == typed), dtype).reshape(dims)
    values = integers(message, typed)
    if kind == 10:
        return np.array(values, "<u2").view("<f2").reshape(dims)
    return np.array([v % (1 << 64) if kind == 13 else v for v in values]).astype(dtype).reshape(dims)


def tensors(folder, kind, infos):
    """TensorProtos of the test's inputs or outputs."""
    found = []
    for i, info in enumerate(infos):
        tensor = one(fields(one(fields(info), 2, b"")), 1)
        if tensor is None:
            raise NotComparable("not a tensor")
        if one(fields(tensor), 1, 0) not in TYPES:
            raise NotComparable("element type")
        path = folder / "test_data_set_0" / f"{kind}_{i}.pb"
        if not path.exists():
            raise NotComparable("no data")
        found.append(fields(path.read_bytes()))
    return found


def message(items):
    """Bytes of fields; only of messages whose fields are integers, text and messages."""
    return b"".join(field(k, v) for k, v in items)


def frozen(model, raw_inputs):
    """The model with all inputs but the first as initializers. `raw_inputs`: bytes of the tensors."""
    graph = fields(one(model, 7))
    infos = [v for k, v in graph if k == 11]
    rest = [(k, v) for k, v in graph if k != 11] + [(11, infos[0])]
    for info, t in list(zip(infos, raw_inputs))[1:]:
        rest.append((5, t + field(8, one(fields(info), 1))))
    return message([(k, v) for k, v in model if k != 7] + [(7, message(rest))])


def refused(result, inputs):
    """What the compiler has no code for is not supported either (with --jit), nor are tensors without elements (a size 0 is read as unknown)."""
    if result[0] == "failed" and any(x.size == 0 for x in inputs):
        return "unsupported", "an input without elements"
    return ("unsupported", result[1]) if result[0] == "failed" and "has no lowering" in result[1] else result


def run(folder, work, how):
    model = fields((folder / "model.onnx").read_bytes())
    graph = fields(one(model, 7))
    inputs = [array(t) for t in tensors(folder, "input", [v for k, v in graph if k == 11])]
    outputs = [array(t) for t in tensors(folder, "output", [v for k, v in graph if k == 12])]
    status, why = refused(check(folder / "model.onnx", inputs, outputs, work, run=how), inputs)
    if status == "unsupported" and len(inputs) > 1:
        path = work / "frozen.onnx"
        path.write_bytes(frozen(model, [(folder / "test_data_set_0" / f"input_{i}.pb").read_bytes() for i in range(len(inputs))]))
        status, why = refused(check(path, inputs[:1], outputs, work, run=how), inputs)
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
            if status == "failed" and name in DATA_IS_WRONG:
                status, why = "wrong data", DATA_IS_WRONG[name]
            count[status] += 1
            if status == "failed" or o.verbose:
                print(f"{name}: {status}: {why}")
    print(", ".join(f"{n} {status}" for status, n in count.items()))
    sys.exit(1 if count["failed"] else 0)


main()
