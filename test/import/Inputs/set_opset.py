"""A model of one opset as one of another: set_opset.py FILE VERSION > FILE"""
import sys

from onnx_bytes import field

data = open(sys.argv[1], "rb").read()
old = field(8, field(1, "") + field(2, 13)), field(8, field(2, 13))
at = max(data.rfind(o) for o in old)
size = max(len(o) for o in old if data[at:].startswith(o))
sys.stdout.buffer.write(data[:at] + field(8, field(2, int(sys.argv[2]))) + data[at + size:])
