"""What the scripts of this folder share: a network, a pass, and what came of it."""
import argparse
import collections
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from networks import MODELS, ROAD, import_args  # noqa: E402
from tools import Failed, Tools, table  # noqa: E402

BUILD = pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "release"
Result = collections.namedtuple("Result", "mir macs top seconds mib warnings")  # top: by test set, %


def arguments(doc, names):
    """What a script was called with: networks (default: all of names), and the build folder."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", default=names)
    p.add_argument("--build", default=BUILD, type=pathlib.Path)
    o = p.parse_args()
    if unknown := set(o.networks) - set(names):
        p.error(f"no such network: {', '.join(sorted(unknown))}")
    return o


class Lab:
    """Imported networks and what passes make of them, in a folder that goes away with the program."""

    def __init__(self, build=BUILD):
        self.tools = Tools(build)
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)
        self.base = {}

    def network(self, name):
        """The imported network as the file of its own, once."""
        if name not in self.base:
            mir = self.folder / f"{name}.mir"
            net = ROAD[name]
            self.tools("mc-import", MODELS / net["model"], *import_args(net), "-o", mir)
            self.base[name] = Result(mir, self.macs(mir), self.top(name, mir), 0, 0, [])
        return self.base[name]

    def calib(self, name):
        return MODELS / ROAD[name]["calib"]

    def macs(self, mir):
        return self.tools.cost(mir)["total"]["macs"]

    def top(self, name, net):
        compiled = ["--jit"] if net.suffix == ".mir" else []
        return [self.tools.score(net, MODELS / data, *compiled).value for data, _, _ in ROAD[name]["tests"]]

    def run(self, name, passes, out="small", options=()):
        """The network through passes; `{data}` stands for its calibration samples. Failed when they fail."""
        mir = self.folder / f"{name}-{out}.mir"
        text = passes.replace("{data}", str(self.calib(name)))
        run = self.tools("mc-opt", f"--pass-pipeline={text}", *options, self.network(name).mir, "-o", mir)
        warnings = [line for line in run.err.splitlines() if "warning:" in line]
        return Result(mir, self.macs(mir), self.top(name, mir), run.cpu, run.kib / 1024, warnings)

    def int8(self, name, mir, march="native"):
        """An INT8 object of a network, calibrated with its samples."""
        obj = mir.with_suffix(".int8.o")
        self.tools("mcc", "-O3", "-quiet", f"-march={march}", "-quant=int8", f"-calib={self.calib(name)}", mir, "-o", obj)
        return obj

    def fp32(self, mir, march="native"):
        obj = mir.with_suffix(".fp32.o")
        self.tools("mcc", "-O3", "-quiet", f"-march={march}", mir, "-o", obj)
        return obj


def tops(values):
    return " / ".join(f"{v:.2f}" for v in values)
