"""The real networks that mcc is measured on, as data: where they are, what their input is, what accuracy they have (measured with ONNX Runtime 1.30).

They are read from the folder that MC_MODELS names (default ../shared/models beside the source tree) and are never part of the project."""
import os, pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = pathlib.Path(os.environ.get("MC_MODELS", ROOT / ".." / "shared" / "models")).resolve()
IMAGENET = "mean=.485,.456,.406 std=.229,.224,.225"

# name: model, calibration data, [(test data, samples, correct)], input (u8: raw pixels go in, preprocessing is baked into the graph)
ROAD = {
    "resnet8": dict(model="cifar10/pretrainedResnet_bn.onnx", calib="cifar10/calib.npz", tests=[("cifar10/test200.npz", 85.50), ("cifar10/test2000_jpeg.npz", 75.75)], pre="scale=1"),
    "resnet20": dict(model="cifar10/resnet20_bn.onnx", calib="cifar10/calib.npz", tests=[("cifar10/test200.npz", 90.00), ("cifar10/test2000_jpeg.npz", 82.60)], pre="scale=1/255 " + IMAGENET),
    "tinymaix-cifar10": dict(model="cifar10/tinymaix_cifar10_bn.onnx", calib="cifar10/calib.npz", tests=[("cifar10/test200.npz", 73.00)], pre="scale=1/255"),
    "fashion-resnet8": dict(model="fashion_mnist/fashion_resnet8.onnx", calib="fashion_mnist/calib.npz", tests=[("fashion_mnist/test10k.npz", 89.90)], pre="scale=1/255 mean=.286 std=.353"),
    "mnist-dw": dict(model="mnist/tinymaix_mnist_dw_bn.onnx", calib="mnist/calib.npz", tests=[("mnist/test9500.npz", 93.34)], pre="scale=1/255"),
    "mnist-valid": dict(model="mnist/tinymaix_mnist_valid_bn.onnx", calib="mnist/calib.npz", tests=[("mnist/test9500.npz", 96.59)], pre="scale=1/255"),
    "vww": dict(model="vww/vww_96_bn.onnx", calib="vww/calib.npz", tests=[("vww/test400.npz", 87.50)], pre="scale=1/255"),
    "mobilenet-128": dict(model="imagenet128/mobilenet_v1_0.25_128_bn.onnx", calib="imagenet128/calib.npz", tests=[("imagenet128/test400.npz", 44.25)], pre="scale=1/127.5 mean=1"),
    "autoencoder": dict(model="ad/ad01_bn.onnx", calib="ad/calib_windows.npz", tests=[("ad/spectrograms62.npz", 0.9037)], pre=None, metric="auc"),
}
