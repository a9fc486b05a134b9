"""The real networks that mcc is measured on, as data: where they are, what their input is, what accuracy they have (measured with ONNX Runtime 1.30).

They are read from the folder that MC_MODELS names (default ../shared/models beside the source tree) and are never part of the project."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = pathlib.Path(os.environ.get("MC_MODELS", ROOT / ".." / "shared" / "models")).resolve()
IMAGENET = "mean=.485,.456,.406 std=.229,.224,.225"

# name: model, calibration data, input (u8: raw pixels go in, the preprocessing is baked into the graph; None: f32 as stored), metric (top or auc),
# tests: [(data, top-1 in per cent or AUC, reference outputs or None)]
ROAD = {
    "resnet8": dict(
        model="cifar10/pretrainedResnet_bn.onnx", calib="cifar10/calib.npz", pre="scale=1",
        tests=[("cifar10/test200.npz", 85.50, "ref/pretrainedResnet_bn.onnx--test200.npz"),
               ("cifar10/test2000_jpeg.npz", 75.75, "ref/pretrainedResnet_bn.onnx--test2000_jpeg.npz")]),
    "resnet20": dict(
        model="cifar10/resnet20_bn.onnx", calib="cifar10/calib.npz", pre="scale=1/255 " + IMAGENET,
        tests=[("cifar10/test200.npz", 90.00, "ref/resnet20_bn.onnx--test200.npz"),
               ("cifar10/test2000_jpeg.npz", 82.60, "ref/resnet20_bn.onnx--test2000_jpeg.npz")]),
    "tinymaix-cifar10": dict(
        model="cifar10/tinymaix_cifar10_bn.onnx", calib="cifar10/calib.npz", pre="scale=1/255",
        tests=[("cifar10/test200.npz", 73.00, "ref/tinymaix_cifar10_bn.onnx--test200.npz")]),
    "fashion-resnet8": dict(
        model="fashion_mnist/fashion_resnet8.onnx", calib="fashion_mnist/calib.npz", pre="scale=1/255 mean=.286 std=.353",
        tests=[("fashion_mnist/test10k.npz", 89.90, "ref/fashion_resnet8.onnx--test10k.npz")]),
    "mnist-dw": dict(
        model="mnist/tinymaix_mnist_dw_bn.onnx", calib="mnist/calib.npz", pre="scale=1/255",
        tests=[("mnist/test9500.npz", 93.34, "ref/tinymaix_mnist_dw_bn.onnx--test9500.npz")]),
    "mnist-valid": dict(
        model="mnist/tinymaix_mnist_valid_bn.onnx", calib="mnist/calib.npz", pre="scale=1/255",
        tests=[("mnist/test9500.npz", 96.59, "ref/tinymaix_mnist_valid_bn.onnx--test9500.npz")]),
    "vww": dict(
        model="vww/vww_96_bn.onnx", calib="vww/calib.npz", pre="scale=1/255",
        tests=[("vww/test400.npz", 87.50, "ref/vww_96_bn.onnx--test400.npz")]),
    "mobilenet-128": dict(
        model="imagenet128/mobilenet_v1_0.25_128_bn.onnx", calib="imagenet128/calib.npz", pre="scale=1/127.5 mean=1",
        tests=[("imagenet128/test400.npz", 44.25, "ref/mobilenet_v1_0.25_128_bn.onnx--test400.npz")]),
    "autoencoder": dict(
        model="ad/ad01_bn.onnx", calib="ad/calib_windows.npz", pre=None, metric="auc",
        tests=[("ad/spectrograms62.npz", 0.9037, "ref/ad01_bn.onnx--first300windows.npz")]),
}


def import_args(net):
    """mc-import's options that bake a network's preprocessing into its graph."""
    return ["--input-layout=nhwc", "--input-type=u8", "--preprocess=" + net["pre"]] if net["pre"] else []
