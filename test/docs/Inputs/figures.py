"""Holds the tables of README.md against the tables of bench/ that their figures come from: figures.py ROOT"""
import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1])
NAMES = {"ResNet-8": "resnet8", "DS-CNN": "ds_cnn", "VWW": "vww", "MobileNetV1": "mobilenet_v1",
         "MobileNetV2": "mobilenet_v2", "ResNet-18": "resnet18", "ResNet-50": "resnet50", "VGG-16": "vgg16",
         "BERT-base": "bert", "ten networks": "geometric mean"}
ROWS = {"mcc": "mcc int8", "times faster than ONNX Runtime INT8": "ORT/mcc int8",
        "than the sum of oneDNN's INT8 layers": "oneDNN/mcc int8",
        "fp32: than ONNX Runtime fp32": "ORT/mcc fp32"}
AMX = ["ten, AMX", "ten, AMX, a camera"]  # the first two tables of bench/amx.md that compare.py made
REAL = {"ResNet-8, CIFAR-10 (2000)": ("resnet8", "cifar10/test2000_jpeg.npz"),
        "ResNet-20, CIFAR-10 (2000)": ("resnet20", "cifar10/test2000_jpeg.npz"),
        "ResNet-8, Fashion-MNIST (10000)": ("fashion-resnet8", "fashion_mnist/test10k.npz"),
        "MobileNetV1-0.25 96x96, visual wake words (400)": ("vww", "vww/test400.npz"),
        "MobileNetV1-0.25 128x128, ImageNet samples (400)": ("mobilenet-128", "imagenet128/test400.npz"),
        "anomaly autoencoder (AUC, 62 files)": ("autoencoder", "ad/spectrograms62.npz")}
checked, wrong = 0, []


def cells(line):
    return [c.strip() for c in line.strip().strip("|").split("|")]


def tables(path):
    """Each table of a page as a list of dictionaries by its header; the first column's name is ''."""
    found, head = [], None
    for line in (ROOT / path).read_text().splitlines() + [""]:
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = [""] + [c or "how" for c in cells(line)[1:]]
            found.append([])
        elif not re.fullmatch(r"[-:| ]+", line):
            found[-1].append(dict(zip(head, cells(line))))
    return found


def table(path, *columns):
    return next(t for t in tables(path) if t and all(c in t[0] for c in columns))


def agree(where, said, measured):
    """`said` is `measured`, rounded to as many digits as it has."""
    global checked
    checked += 1
    digits = len(said.partition(".")[2])
    step = 10.0 ** -digits if digits else 1.0
    if abs(float(said) - measured) > 0.51 * step:
        wrong.append(f"README.md says {said} for {where}, the measurement is {measured}")


def number(text):
    return float(re.search(r"[0-9.]+", text).group(0))


def speeds():
    measured = {row[""]: row for row in table("bench/README.md", "ORT/mcc int8", "mcc bf16")}
    amx = [{row[""]: row for row in t} for t in tables("bench/amx.md") if t and "ORT/mcc int8" in t[0]]
    for row in table("README.md", "BERT-base"):
        for column, said in row.items():
            if column in NAMES and said:
                agree(f"{row['']}, {column}", said, number(measured[NAMES[column]][ROWS[row[""]]]))
        for column, runs in zip(AMX, amx):
            if row[column]:
                agree(f"{row['']}, {column}", row[column], number(runs["geometric mean"][ROWS[row[""]]]))


def pair(text):
    return re.findall(r"[0-9.]+", text)


def networks():
    accuracy = {(row[""], row["data"]): row for row in table("bench/road.md", "data", "stored")}
    sizes = {}
    for row in next(t for t in tables("bench/road.md") if t and "object bytes" in t[0] and "median us" in t[0]):
        sizes.setdefault(row[""], []).append(row)
    for row in table("README.md", "latency, fp32 -> INT8"):
        name, data = REAL[row[""]]
        for how, at in (("fp32", 0), ("INT8", 1)):
            agree(f"{name} {how}", pair(row[how])[0], number(accuracy[name, data][how]))
            size = sizes[name][at]
            agree(f"{name} {how} object", pair(row["object, fp32 -> INT8"])[at], number(size["object bytes"]) / 1000)
            agree(f"{name} {how} memory", pair(row["memory"])[at], number(size["arena bytes"]) / 1000)
            agree(f"{name} {how} time", pair(row["latency, fp32 -> INT8"])[at], number(size["median us"]) / 1000)


def budgets():
    measured = {(row[""], row["share"]): row for row in table("bench/compression/budgets.md", "peak MiB")}

    def top(name, share):
        return float(pair(measured[name, share]["top-1 %"])[-1])

    for row in table("README.md", "half of the MACs"):
        name, _ = REAL[row[""]]
        agree(f"{name} in fp32", pair(row["fp32"])[0], top(name, "1"))
        agree(f"{name} at half of the MACs", pair(row["half of the MACs"])[0], top(name, "0.5"))
        agree(f"{name}, seconds of compress", row["seconds"], number(measured[name, "0.5"]["CPU s"]))
    text = (ROOT / "README.md").read_text()
    for share, said in (("0.5", r"without training \(([0-9.]+) %\)"), ("0.85", r"keeps ([0-9.]+) of")):
        agree(f"mobilenet-128 at {share}", re.search(said, text).group(1), top("mobilenet-128", share))


speeds()
networks()
budgets()
print("\n".join([f"{checked} figures checked", *wrong]))
