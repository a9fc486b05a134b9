"""Holds the inner loops of AArch64 kernels against llvm-mca's models of the cores.

usage: mca.py [--at-least=SHARE] [--bound=SHARE] [--layers=A,B] [--verbose] MCC LLVM-MCA [MARCH[:MODEL] ...]

Compiles small layers for MARCH, takes the innermost loop with the most multiply-accumulate instructions out of the assembly, and asks llvm-mca for its cycles. "share" is those
instructions per cycle, as a part of what the model allows for independent ones (a loop of nothing else, measured the same way). "block" is the same share over a whole block of
results: first sums, all steps of K, the epilogue, the stores. A loop or block is repeated, so that its start and end overlap as they do in the core. MODEL is the -mcpu of llvm-mca,
where it is not MARCH. "bound" is the time that the products alone or the loop's loads alone would take, whichever is longer, as a part of the loop's: a loop that reads a register of
weights for each product cannot be faster than its loads. Exits with 1 where a share is below --at-least, or a bound below --bound.
"""
import base64
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile

LAYERS = {
    "conv3x3-64": ("%x: u8<0.02:7>[1,28,28,64]", "%w = const dense<3> : i8<0.01:0>[64,3,3,64]", "conv2d %x, %w {pad=[1,1,1,1]} : i32<0.0002:0>[1,28,28,64]", "requantize %a : u8<0.05:3>[1,28,28,64]"),
    "conv1x1-256": ("%x: u8<0.02:7>[1,14,14,256]", "%w = const dense<3> : i8<0.01:0>[256,1,1,256]", "conv2d %x, %w : i32<0.0002:0>[1,14,14,256]", "requantize %a : u8<0.05:3>[1,14,14,256]"),
    "conv1x1-64": ("%x: i8<0.02:7>[1,28,28,64]", "%w = const dense<3> : i8<0.01:0>[128,1,1,64]", "conv2d %x, %w : i32<0.0002:0>[1,28,28,128]", "requantize %a : i8<0.05:3>[1,28,28,128]"),
    "linear-b1": ("%x: u8<0.02:7>[1,1024]", "%w = weight @w : i8<0.01:0>[1000,1024]", "linear %x, %w : i32<0.0002:0>[1,1000]", "requantize %a : u8<0.05:3>[1,1000]"),
    "conv3x3-64-f32": ("%x: f32[1,28,28,64]", "%w = const dense<0.5> : f32[64,3,3,64]", "conv2d %x, %w {pad=[1,1,1,1]} : f32[1,28,28,64]", "relu %a : f32[1,28,28,64]"),
    "conv1x1-256-f32": ("%x: f32[1,14,14,256]", "%w = const dense<0.5> : f32[256,1,1,256]", "conv2d %x, %w : f32[1,14,14,256]", "relu %a : f32[1,14,14,256]"),
}
PRODUCT = re.compile(r"(sdot|udot|sudot|usdot|[su]mmla|usmmla|fmla|[su]mlal2?|[su]mull2?|mla)\b")
INDEPENDENT = {
    "sdot": "sdot v{0}.4s, v30.16b, v31.4b[0]",
    "usdot": "usdot v{0}.4s, v30.16b, v31.16b",
    "sudot": "sudot v{0}.4s, v30.16b, v31.4b[0]",
    "smmla": "smmla v{0}.4s, v30.16b, v31.16b",
    "usmmla": "usmmla v{0}.4s, v30.16b, v31.16b",
    "fmla": "fmla v{0}.4s, v30.4s, v31.s[0]",
    "smull": "smull v{0}.8h, v30.8b, v31.8b",
    "smlal": "smlal v{0}.4s, v30.4h, v14.h[0]",
    "mla": "mla v{0}.8h, v30.8h, v31.8h",
}


def layer_text(layer):
    x, w, op, last = LAYERS[layer]
    result = last.split(" : ")[1]
    product = op.split(" : ")[0], op.split(" : ")[1]
    text = f"mir 1\n\ngraph @net({x}) -> {result} {{\n  {w}\n  %a = {product[0]} : {product[1]}\n  %y = {last}\n  return %y\n}}\n"
    if "weight @w" in w:  # of all values: a constant of one value would be kept as 4 bits
        dims = [int(d) for d in re.search(r"\[([\d,]+)\]", w).group(1).split(",")]
        data = base64.b64encode(random.Random(1).randbytes(math.prod(dims))).decode()
        text += f"\ndata {{\n  @w : i8{str(dims).replace(' ', '')} = \"{data}\"\n}}\n"
    return text


class Loop:
    """Instructions and loops in a row; `back` is the branch that repeats them."""

    def __init__(self):
        self.items = []

    def own(self):
        return [i for i in self.items if isinstance(i, str)]

    def products(self):
        return sum(bool(PRODUCT.match(i)) for i in self.own())

    def trips(self):
        """From `add x, x, #step` and `cmp x, #bound`; None where the loop counts otherwise."""
        text = "\n".join(self.own())
        bound = re.findall(r"^(?:cmp|subs \w+,) (\w+), #(\d+)(?:, lsl #(\d+))?$", text, re.M)
        if not bound:
            return None
        counter, n, shift = bound[-1]
        step = re.search(rf"^add {counter}, {counter}, #(\d+)$", text, re.M)
        return (int(n) << int(shift or 0)) // int(step.group(1)) if step else None

    def flat(self):
        """All instructions of one turn, with those of inner loops as often as they run."""
        out = []
        for i in self.items:
            if isinstance(i, str):
                out.append(i)
                continue
            body, trips = i.flat(), i.trips()
            if body is None or trips is None:
                return None
            out += body * trips
        return out


def loops(asm):
    """The loops of a file, outermost ones with their inner ones inside: a backward branch ends the loop that its label starts."""
    found, stack = [], [(None, Loop())]
    lines = [" ".join(line.split("//")[0].split()) for line in asm.splitlines()]
    targets = {m.group(1): at for at, line in enumerate(lines) if (m := re.match(r"(?:b\.?\w*|cbn?z \w+,|tbn?z \w+, #\d+,) (\.L\w+)$", line))}
    for at, line in enumerate(lines):
        label = re.match(r"(\.LBB\w+):", line)
        if label and targets.get(label.group(1), -1) > at:
            stack.append((label.group(1), Loop()))
        elif re.match(r"\w+\.?\w*:$", line):
            stack = [(None, Loop())]
        elif line and not line.startswith(".") and not line.endswith(":"):
            stack[-1][1].items.append(line)
            branch = re.match(r"(?:b\.\w+|cbn?z \w+,|tbn?z \w+, #\d+,) (\.L\w+)$", line)
            if branch and branch.group(1) == stack[-1][0]:
                loop = stack.pop()[1]
                stack[-1][1].items.append(loop)
                found.append((loop, [s[1] for s in stack[1:]][::-1]))
    return found


def cycles(mca, model, body, few, many):
    """Cycles of one turn, long after the first."""
    total = []
    for n in (few, many):
        run = subprocess.run([mca, "-mtriple=aarch64", "-mcpu=" + model, f"-iterations={n}", "-instruction-info=0", "--json"], input="\n".join(body), capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"llvm-mca -mcpu={model}: {run.stderr[:300]}")
        total.append(json.loads(run.stdout)["CodeRegions"][0]["SummaryView"]["TotalCycles"])
    return (total[1] - total[0]) / (many - few)


def compile_layer(mcc, march, layer):
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "net.mir")
        with open(path, "w") as f:
            f.write(layer_text(layer))
        run = subprocess.run([mcc, "-O3", "-quiet", "-march=" + march, "-winograd=0", "-emit=asm", path, "-o", "-"], capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"mcc -march={march} {layer}: {run.stderr}")
        return run.stdout


def instruction(body):
    names = [m.group(1).replace("mlal2", "mlal") for i in body if (m := PRODUCT.match(i))]
    name = max(set(names), key=names.count)
    return name, names.count(name)


def measure(mcc, mca, march, model, layer, verbose):
    inner = max((f for f in loops(compile_layer(mcc, march, layer)) if not any(isinstance(i, Loop) for i in f[0].items)), key=lambda f: f[0].products())
    body, around = inner[0].own(), inner[1]
    name, count = instruction(body)
    peak = 24 / cycles(mca, model, [INDEPENDENT[name].format(i) for i in range(24)], 100, 300)
    time = cycles(mca, model, body, 100, 300)
    loads = [i for i in body if re.match(r"ld[rpu]", i) and "[sp" not in i]
    bound = max(count / peak, cycles(mca, model, loads, 100, 300) if loads else 0) / time
    row = {"bound": bound, "march": march, "model": model, "layer": layer, "instruction": name, "count": count, "cycles": time, "peak": peak, "share": count / time / peak, "block": None}
    block = next((l for l in around if any(re.match(r"st[rpu]+ [qdsv]", i) and "[sp" not in i for i in l.own())), None)
    flat = block.flat() if block else None
    if flat:
        row["block"] = instruction(flat)[1] / cycles(mca, model, flat, 2, 6) / peak
    if verbose:
        print("\n".join(body))
    return row


def table(rows):
    print(f"{'march':18} {'model':12} {'layer':16} {'instruction':>11} {'loop':>5} {'cycles':>7} {'per cycle':>9} {'peak':>5} {'share':>6} {'block':>6} {'bound':>6}")
    for r in rows:
        block = f"{r['block']:6.1%}" if r["block"] else "     -"
        print(f"{r['march']:18} {r['model']:12} {r['layer']:16} {r['instruction']:>11} {r['count']:5d} {r['cycles']:7.1f} {r['count'] / r['cycles']:9.2f} {r['peak']:5.2f} {r['share']:6.1%} {block} {r['bound']:6.1%}", flush=True)


def main(argv):
    least, bound, layers, verbose, words = 0.0, 0.0, list(LAYERS), False, []
    for a in argv:
        if a.startswith("--at-least="):
            least = float(a.split("=")[1])
        elif a.startswith("--bound="):
            bound = float(a.split("=")[1])
        elif a.startswith("--layers="):
            layers = a.split("=")[1].split(",")
        elif a == "--verbose":
            verbose = True
        elif a.startswith("-"):
            sys.exit(__doc__)
        else:
            words.append(a)
    if len(words) < 3:
        sys.exit(__doc__)
    rows = []
    for core in words[2:]:
        march, model = (core.split(":") + [core])[:2]
        rows += [measure(words[0], words[1], march, model, layer, verbose) for layer in layers]
    table(rows)
    low = [r for r in rows if r["share"] < least]
    for r in low:
        print(f"{r['march']} on {r['model']}, {r['layer']}: {r['share']:.1%} of the peak of {r['instruction']}, {least:.0%} are asked for")
    slow = [r for r in rows if r["bound"] < bound]
    for r in slow:
        print(f"{r['march']} on {r['model']}, {r['layer']}: {r['bound']:.1%} of what products or loads allow, {bound:.0%} are asked for")
    return 1 if low or slow else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
