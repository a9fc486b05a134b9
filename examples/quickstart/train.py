#!/usr/bin/env python3
"""Trains the network of the quickstart on the shapes of make_data.py and writes what the compiler reads.

    train.py              draws the training images, trains (CPU, about ten minutes), writes the files below
    train.py --export     no training: reads shapes.safetensors back and writes the other files from it

shapes.onnx         fp32, batch 1, NCHW, opset 13; batch norms are nodes of their own, nothing is folded
shapes.safetensors  the same weights: convolutions OHWI, the linear layer [out, in], batch norms gamma/beta/mean/var
shapes.mir          the same network in the compiler's own language, NHWC
shapes_ref.npz      logits f32 [50, 10] of the first 50 images of test.npz, as torch computes them

Needs test.npz beside it (make_data.py). The network's input is (pixel / 255 - MEAN) / STD; that is not part of the
exported graph.
"""
import argparse
import json
import pathlib
import struct
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import make_data

HERE = pathlib.Path(__file__).resolve().parent
# Rounded from the training images, per channel in the order red, green, blue.
MEAN = np.array([0.500, 0.500, 0.500], dtype=np.float32)
STD = np.array([0.240, 0.240, 0.240], dtype=np.float32)
TRAIN_IMAGES, EPOCHS, BATCH, PEAK_LR, DECAY, SEED = 24000, 24, 32, 0.006, 0.02, 7


class ConvBn(nn.Module):
    def __init__(self, cin, cout, kernel, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        return self.bn(self.conv(x))


class Basic(nn.Module):
    """relu(conv3x3(relu(conv3x3(x))) + shortcut(x)), a batch norm after each convolution."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = ConvBn(cin, cout, 3, stride)
        self.conv2 = ConvBn(cout, cout, 3)
        self.shortcut = ConvBn(cin, cout, 1, stride) if stride != 1 or cin != cout else None

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(x)))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Separable(nn.Module):
    """The same with each 3x3 convolution split into a depthwise 3x3 and a pointwise 1x1."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.dw1 = ConvBn(cin, cin, 3, stride, groups=cin)
        self.pw1 = ConvBn(cin, cout, 1)
        self.dw2 = ConvBn(cout, cout, 3, groups=cout)
        self.pw2 = ConvBn(cout, cout, 1)
        self.shortcut = ConvBn(cin, cout, 1, stride)

    def forward(self, x):
        y = F.relu(self.pw1(F.relu(self.dw1(x))))
        y = self.pw2(F.relu(self.dw2(y)))
        return F.relu(y + self.shortcut(x))


class Shapes(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = ConvBn(3, 16, 3)
        self.stage1 = Basic(16, 16, 1)
        self.stage2 = Basic(16, 32, 2)
        self.stage3 = Separable(32, 64, 2)
        self.fc = nn.Linear(64, len(make_data.CLASSES))

    def forward(self, x):
        x = self.stage3(self.stage2(self.stage1(F.relu(self.stem(x)))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def preprocess(x):
    """u8 [n, h, w, c] -> f32 [n, c, h, w]"""
    real = (x.astype(np.float32) / np.float32(255) - MEAN) / STD
    return torch.from_numpy(np.ascontiguousarray(real.transpose(0, 3, 1, 2)))


def logits(model, x, batch=100):
    model.eval()
    with torch.no_grad():
        return np.concatenate([model(preprocess(x[i:i + batch])).numpy() for i in range(0, len(x), batch)])


def augment(x, generator):
    """One of the eight turns and mirrors of a square, for the whole batch; no class changes under them."""
    turns, mirror = torch.randint(0, 4, (1,), generator=generator), torch.randint(0, 2, (1,), generator=generator)
    x = torch.rot90(x, int(turns), (2, 3))
    return torch.flip(x, (3,)) if mirror else x


def train(model, test_x, test_y):
    x, y = make_data.make(make_data.SEED_TRAIN, TRAIN_IMAGES)
    print("training images: mean", (x / 255).mean((0, 1, 2)).round(3), "std", (x / 255).std((0, 1, 2)).round(3))
    x, y = preprocess(x), torch.from_numpy(y)
    steps = (TRAIN_IMAGES + BATCH - 1) // BATCH
    model.to(memory_format=torch.channels_last)  # half again as fast here
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LR, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, EPOCHS * steps, pct_start=0.2)
    generator = torch.Generator().manual_seed(SEED)
    start = time.time()
    for epoch in range(EPOCHS):
        model.train()
        total = 0.0
        for index in torch.randperm(len(x), generator=generator).split(BATCH):
            batch = augment(x[index], generator).contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(model(batch), y[index], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        right = (logits(model, test_x).argmax(1) == test_y).mean()
        seconds = time.time() - start
        print(f"epoch {epoch + 1:2}  loss {total / steps:.4f}  test {right:.4f}  {seconds:.0f} s", flush=True)


def to_file_name(name):
    """stage1.conv1.bn.running_var -> stage1.conv1.bn.var, stage1.conv1.conv.weight -> stage1.conv1.weight"""
    name = name.replace(".conv.weight", ".weight")
    if ".bn." in name:
        head, last = name.rsplit(".", 1)
        name = head + "." + {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "var"}[last]
    return name


def state_items(model):
    return [(k, v) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")]


def write_safetensors(path, model):
    """8 bytes little-endian header length, JSON header padded with spaces to 64 bytes, then the data."""
    header, data = {}, bytearray()
    for name, value in state_items(model):
        array = value.numpy()
        array = np.ascontiguousarray(array.transpose(0, 2, 3, 1) if array.ndim == 4 else array, dtype="<f4")
        header[to_file_name(name)] = {"dtype": "F32", "shape": list(array.shape),
                                      "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path, model):
    blob = path.read_bytes()
    (length,) = struct.unpack_from("<Q", blob)
    header, data = json.loads(blob[8:8 + length]), blob[8 + length:]
    for name, value in state_items(model):
        entry = header[to_file_name(name)]
        array = np.frombuffer(data[slice(*entry["data_offsets"])], dtype="<f4").reshape(entry["shape"])
        value.copy_(torch.from_numpy((array.transpose(0, 3, 1, 2) if array.ndim == 4 else array).copy()))


def write_onnx(path, model):
    model.eval()
    torch.onnx.export(model, torch.zeros(1, 3, make_data.SIZE, make_data.SIZE), str(path), opset_version=13,
                      input_names=["image"], output_names=["logits"], do_constant_folding=False,
                      training=torch.onnx.TrainingMode.PRESERVE)


class MirWriter:
    """Writes one line of .mir for each layer; a value is a pair (name, shape [n, h, w, c])."""

    def __init__(self):
        self.lines = []

    def op(self, name, text, shape):
        self.lines.append(f"  %{name} = {text} : f32[{','.join(map(str, shape))}]")
        return name, tuple(shape)

    def weight(self, name, shape):
        return self.op(name.replace(".", "_"), f"weight @{name}", shape)[0]

    def conv_bn(self, x, layer, name):
        (value, (n, h, w, _)), conv = x, layer.conv
        pad, stride = conv.padding[0], conv.stride[0]
        attributes = [f"pad=[{pad},{pad},{pad},{pad}]"] if pad else []
        attributes += [f"stride=[{stride},{stride}]"] if stride > 1 else []
        attributes += [f"groups={conv.groups}"] if conv.groups > 1 else []
        cout, cin, kh, kw = conv.weight.shape
        weight = self.weight(name + ".weight", (cout, kh, kw, cin))
        short = name.replace(".", "_")
        shape = n, (h + 2 * pad - kh) // stride + 1, (w + 2 * pad - kw) // stride + 1, cout
        text = f"conv2d %{value}, %{weight}" + (f" {{{', '.join(attributes)}}}" if attributes else "")
        self.op(f"{short}_conv", text, shape)
        stats = [self.weight(f"{name}.bn.{part}", (cout,)) for part in ("gamma", "beta", "mean", "var")]
        operands = ", ".join(f"%{v}" for v in [f"{short}_conv", *stats])
        return self.op(f"{short}_bn", f"batch_norm {operands} {{epsilon={layer.bn.eps}}}", shape)

    def relu(self, x, name):
        return self.op(name, f"relu %{x[0]}", x[1])

    def stage(self, x, block, name):
        """One residual stage: conv1, conv2 or dw1, pw1, dw2, pw2; then the sum with x or the shortcut."""
        layers = [k for k, _ in block.named_children() if k != "shortcut"]
        y = x
        for layer in layers:
            y = self.conv_bn(y, getattr(block, layer), f"{name}.{layer}")
            if layer != layers[-1]:
                y = self.relu(y, f"{name}_{layer}")
        if block.shortcut is not None:
            x = self.conv_bn(x, block.shortcut, f"{name}.shortcut")
        return self.relu(self.op(f"{name}_sum", f"add %{y[0]}, %{x[0]}", y[1]), name)


def write_mir(path, model):
    out = MirWriter()
    size, classes = make_data.SIZE, len(make_data.CLASSES)
    x = out.relu(out.conv_bn(("image", (1, size, size, 3)), model.stem, "stem"), "stem")
    for name in ("stage1", "stage2", "stage3"):
        x = out.stage(x, getattr(model, name), name)
    channels = x[1][3]
    x = out.op("mean", f"global_avg_pool %{x[0]}", (1, 1, 1, channels))
    x = out.op("features", f"reshape %{x[0]} {{shape=[1,{channels}]}}", (1, channels))
    weight, bias = out.weight("fc.weight", (classes, channels)), out.weight("fc.bias", (classes,))
    x = out.op("logits", f"linear %{x[0]}, %{weight}, %{bias}", (1, classes))
    text = ["mir 1  // written by train.py", 'weights "shapes.safetensors"', "",
            "// %image: (pixel / 255 - mean) / std, see README.md",
            f"graph @shapes(%image: f32[1,{size},{size},3]) -> f32[1,{classes}] {{", *out.lines,
            f"  return %{x[0]}", "}", ""]
    path.write_text("\n".join(text))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--export", action="store_true", help="do not train: start from shapes.safetensors")
    args = parser.parse_args()
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # the number of threads changes the order of sums, so it is part of the recipe

    with np.load(HERE / "test.npz") as test:
        test_x, test_y = test["x"], test["y"]
    model = Shapes()
    if args.export:
        with torch.no_grad():
            read_safetensors(HERE / "shapes.safetensors", model)
    else:
        train(model, test_x, test_y)
        model.to(memory_format=torch.contiguous_format)
        write_safetensors(HERE / "shapes.safetensors", model)
    write_onnx(HERE / "shapes.onnx", model)
    write_mir(HERE / "shapes.mir", model)
    out = logits(model, test_x)
    np.savez_compressed(HERE / "shapes_ref.npz", logits=logits(model, test_x[:50], batch=1))
    right = out.argmax(1) == test_y
    print(f"test: {right.sum()} of {len(right)} right; parameters: {sum(p.numel() for p in model.parameters())}")
    for k, name in enumerate(make_data.CLASSES):
        print(f"  {name:9} {right[test_y == k].mean():.3f}")


if __name__ == "__main__":
    main()
