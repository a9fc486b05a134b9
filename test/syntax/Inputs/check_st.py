"""check_st.py FILE: what the safetensors format demands of a writer: no holes, all bytes used, aligned elements."""
import json
import struct
import sys

SIZE = {"F32": 4, "I32": 4, "I8": 1, "U8": 1, "BOOL": 1, "F16": 2, "I64": 8, "F64": 8}
raw = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
head, data = json.loads(raw[8:8 + n]), raw[8 + n:]
assert raw[8:9] == b"{" and (8 + n) % 64 == 0
at = 0
for name, e in sorted(head.items(), key=lambda kv: kv[1]["data_offsets"]):
    begin, end = e["data_offsets"]
    count = 1
    for d in e["shape"]:
        count *= d
    assert begin == at and end - begin == count * SIZE[e["dtype"]] and begin % SIZE[e["dtype"]] == 0, name
    at = end
    print(name, e["dtype"], e["shape"])
assert at == len(data)
