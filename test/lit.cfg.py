import os
import platform
import subprocess
import sys
import threading
import types
import lit.formats
import lit.TestRunner

sys.path.insert(0, os.path.dirname(__file__))
import compile_only

config.name = "mcc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mir", ".test", ".c", ".onnx.txt"]
config.excludes = ["Inputs", "fuzz", "CMakeLists.txt", "check.h"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.mcc_obj_root, "test", "run")

src = os.path.dirname(config.test_source_root)
path = os.pathsep.join([os.path.join(config.mcc_obj_root, "bin"), config.llvm_tools_dir, os.environ["PATH"]])
config.environment["PATH"] = path
config.environment["LC_ALL"] = "C"
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "HOME"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

models = os.environ.get("MC_MODELS", os.path.join(src, "..", "shared", "models"))
models = os.path.abspath(models)
if os.path.isfile(os.path.join(models, "INDEX.md")):
    config.available_features.add("models")  # REQUIRES: models
config.environment["MC_MODELS"] = models

# bochs is optional: utils/setup.sh does not install it (CONTRIBUTING.md says how).
for tool in ("qemu-aarch64-static", "aarch64-linux-gnu-gcc", "qemu-x86_64-static", "bochs",
             "clang-format-19"):
    if any(os.access(os.path.join(d, tool), os.X_OK) for d in path.split(os.pathsep)):
        config.available_features.add(tool)
if {"qemu-aarch64-static", "aarch64-linux-gnu-gcc"} <= config.available_features:
    config.available_features.add("aarch64")  # REQUIRES: aarch64: objects can be linked and run
if any(os.access(os.path.join(d, "slurmctld"), os.X_OK) for d in path.split(os.pathsep) + ["/usr/sbin"]):
    config.available_features.add("slurm")
# What bench/setup.sh installs: REQUIRES: onnxruntime is skipped where it is not.
peers = os.environ.get("MC_PEERS", os.path.join(src, "build", "peers"))
node = any(os.access(os.path.join(d, "node"), os.X_OK) for d in path.split(os.pathsep))
if node and os.path.isdir(os.path.join(peers, "node_modules", "onnxruntime-node")):
    config.available_features.add("onnxruntime")
if config.sanitize:
    config.available_features.add("sanitize")
probe = "int main(void) { return 0; }"
if subprocess.run([config.cc, "-fsanitize=thread", "-x", "c", "-", "-o", os.devnull], input=probe.encode(), stderr=subprocess.DEVNULL).returncode == 0:
    config.available_features.add("tsan")  # REQUIRES: tsan: the C compiler has ThreadSanitizer
if "fuzzer" in config.sanitize:
    config.available_features.add("fuzzer")
if platform.machine() == "x86_64":
    config.available_features.add("x86-64")  # REQUIRES: x86-64: levels of it can be run
with open("/proc/cpuinfo") as f:
    flags = f.read()
for flag in ("avx2", "avx512_vnni", "amx_int8"):
    if flag in flags:
        config.available_features.add(flag)
if os.environ.get("MCC_LONG_TESTS"):
    config.available_features.add("long")  # REQUIRES: long: minutes instead of seconds

# A redirection from a file that is not there is an exception in lit's shell, which leaves the timer of
# the test running; lit then waits for it. A timer that is a daemon keeps no process alive.
class DaemonTimer(threading.Timer):
    daemon = True


lit.TestRunner.threading = types.SimpleNamespace(Lock=threading.Lock, Timer=DaemonTimer)

# --param native=LEVEL: what tests compile for this machine (%native) they compile for this level instead.
# Where the processor lacks instructions that test/emulate knows, tools and programs run under its trap.
unit = os.path.join(config.mcc_obj_root, "test", "unit")
native, emulate = lit_config.params.get("native", "native"), ""
config.available_features.add("native-runs")  # REQUIRES: native-runs: C programs run objects for %native
if native != "native":
    levels = subprocess.run([os.path.join(unit, "kernels-sweep"), "--levels"], capture_output=True, text=True).stdout
    how = dict(line.split() for line in levels.splitlines()).get(native)
    if how is None:
        lit_config.fatal(f"native={native}: not a level of this architecture that kernels-sweep --levels lists")
    if how == "lacks":
        config.available_features.remove("native-runs")
        lit_config.note(f"native={native}: compiled only; a test stops where this machine must run it")
        config.test_format = compile_only.Format(native)
    if how == "emulated":
        emulate = "--emulate"
        config.environment["PATH"] = os.path.join(unit, "emulated") + os.pathsep + path
        config.environment["LD_PRELOAD"] = os.path.join(unit, "emulated", "preload.so")

config.substitutions += [
    ("%native", native),
    ("%emulate", emulate),
    ("%models", models),
    ("%root", src),
    ("%inputs", os.path.join(config.test_source_root, "Inputs")),
    ("%unit", os.path.join(config.mcc_obj_root, "test", "unit")),
    ("%obj", config.mcc_obj_root),
    ("%peers", peers),
    ("%python", config.python),
    ("%cc", config.cc),
]
