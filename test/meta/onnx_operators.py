"""Compares the list of ONNX operators in docs/reference/tools.md with the importer's table."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
table = re.findall(r"^MC_ONNX\((\w+), +\"([\w.]*)\"", (root / "lib/import/onnx/ops.def").read_text(), re.M)
text = (root / "docs/reference/tools.md").read_text().split("Operators (`lib/import/onnx/ops.def`", 1)[1]
text = text.split(":\n", 1)[1].split(".\n", 1)[0]
ours, microsoft = text.split("; com.microsoft: ")
listed = {(op, "") for op in ours.split()} | {(op, "com.microsoft") for op in microsoft.split()}
for op, domain in sorted(set(table) ^ listed):
    print(f"{domain + '.' if domain else ''}{op} is only in {'the table' if (op, domain) in table else 'docs/reference/tools.md'}")
sys.exit(set(table) != listed or not table)
