"""Files that are something else, and names that hold what terminals obey: other_files.py FOLDER makes them; FOLDER TOOL...: runs a tool on a
terminal and prints what it wrote there, as repr."""
import gzip
import io
import os
import pathlib
import pickle
import pty
import subprocess
import sys
import zipfile

folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "import" / "Inputs"))


def zipped(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name in names:
            z.writestr(name, b"\x80\x02}q\x00.")
    return out.getvalue()


def write():
    import numpy as np
    from made import Model
    folder.mkdir(parents=True, exist_ok=True)
    npz = io.BytesIO()
    np.savez(npz, x=np.zeros(3))
    npy = io.BytesIO()
    np.save(npy, np.zeros(3))
    m = Model(13)
    m.input("x", np.zeros((1, 4), "f4"))
    m.output(m.op("Relu", ["x"]))
    safe = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    files = {
        "torch": zipped("archive/data.pkl", "archive/data/0"), "keras": zipped("metadata.json", "model.weights.h5"), "zip": zipped("a.txt"),
        "npz": npz.getvalue(), "npy": npy.getvalue(), "tflite": b"\x1c\0\0\0TFL3" + bytes(60), "ort": b"\x1c\0\0\0ORTM" + bytes(60),
        "elf": b"\177ELF\2\1\1" + bytes(60), "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(60), "pickle": pickle.dumps({"w": 1}), "gzip": gzip.compress(b"x" * 99),
        "safetensors": len(safe).to_bytes(8, "little") + safe + bytes(4), "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "savedmodel": b"\x08\x01\x12\x20" + b"\x0a\x1e\x0a\x05serve\x12\x15tensorflow" + bytes(99), "json": b'{"format": "layers-model"}\n',
        "frozen": b"\x0a\x14\x0a\x05input\x12\x0bPlaceholder" + bytes(9), "mir": b"// a network\nmir 1\n", "onnx": m.bytes(), "bytes": bytes(range(7, 256)) * 3,
    }
    for name, data in files.items():
        (folder / f"{name}.onnx").write_bytes(data)
        (folder / f"{name}.mir").write_bytes(data)
    evil = Model(13)
    evil.input("x", np.zeros((1, 4), "f4"))
    evil.output(evil.op("Re\x1b[31mlu\x07", ["x"]))
    (folder / "evil.onnx").write_bytes(evil.bytes())
    # a name within the text, and raw bytes in it
    (folder / "evil.mir").write_bytes(b'mir 1\ngraph @g(%x: f32[4]) -> f32[4] {\n  %y = relu %x {\x1b[31m=1} : f32[4] loc("\x9b\xc2\x9b2J")\n  return %y\n}\n')
    (folder / "names.mir").write_bytes(b'mir 1\ngraph @g(%"in\\x1b[2J": f32[4]) -> f32[4] {\n  %"o\\x1b[2J\\x07" = relu %"in\\x1b[2J" : f32[4] loc("l\\x1b[31m")\n'
                                       b'  return %"o\\x1b[2J\\x07"\n}\n')


def on_terminal(words):
    ours, theirs = pty.openpty()
    p = subprocess.Popen(words, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    out = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        out += part
    print(p.wait(), ascii(out.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")))


write() if len(sys.argv) == 2 else on_terminal(sys.argv[2:])
