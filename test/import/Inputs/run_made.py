#!/usr/bin/env python3
"""Makes the cases of a module beside this file and runs them: import, evaluate, compile, compare with what numpy says.

    run_made.py WORK MODULE [PREFIX]     # MODULE: cases_legacy, cases_shapes ...; a case is a function case_NAME() -> Model, inputs, outputs
"""
import importlib
import pathlib
import sys

from onnx_case import check

work = pathlib.Path(sys.argv[1])
work.mkdir(parents=True, exist_ok=True)
module = importlib.import_module(sys.argv[2])
prefix = "case_" + (sys.argv[3] if len(sys.argv) > 3 else "")
names = [n for n in vars(module) if n.startswith(prefix)]
failed = 0
for name in names:
    model, inputs, outputs = getattr(module, name)()
    (work / "net.onnx").write_bytes(model.bytes())
    for run in ([], ["--jit"]):
        status, why = check(work / "net.onnx", inputs, outputs, work, run=run)
        if status != "passed":
            print(f"{name[5:]}{' compiled' if run else ''}: {status}: {why}")
            failed += 1
            break
print(f"{len(names) - failed} of {len(names)} cases passed")
sys.exit(bool(failed or not names))
