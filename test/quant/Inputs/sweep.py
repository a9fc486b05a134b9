"""Small networks in all arithmetics: every activation x bounds x position, and every quantized op x odd ranges.

usage: sweep.py FOLDER LEVEL acts|ranges [EVERY [FIRST]]

Each network is one output of a graph of many. Four computations are held against the evaluator's fp32 result of
the text as it is: fp32 and bf16 objects, the evaluator on the INT8 text, and the INT8 object, which must also
equal that. EVERY: take one network of so many (FIRST: the first). Prints the worst relative L2 error of each and
exits 1 when one is beyond its limit.
"""
import base64
import os
import subprocess
import sys

import numpy as np

LIMIT = {"f32": 2e-4, "bf16": 0.04, "int8": 0.05}
SAMPLES = 8    # of 24 that ranges come from
# Where these bend is narrower than a step of such ranges: what lies there becomes the middle.
BENT = {"huge, " + f + end for f in ("sigmoid", "hard_sigmoid", "tanh") for end in ("", ", linear")}
BENDS = 0.2
# What is not tiny there: few values of a layer, smaller than half of its step.
RARE = {"one side min tiny"}
TAILS = 0.06   # products of two layers: a few large ones take the range, the others get fewer steps
rng = np.random.default_rng(7)
SHAPE = (1, 4, 6, 4)
X = "f32[1,4,6,4]"


def text(shape):
    return "f32[%s]" % ",".join(str(d) for d in shape)


class Net:
    """A graph: inputs x0, x1, ... with their samples, and named outputs."""

    def __init__(self):
        self.lines, self.data, self.inputs, self.outputs = [], [], {}, []
        self.n = 0

    def input(self, name, samples):
        self.inputs[name] = samples.astype(np.float32)

    def weight(self, a):
        name = "w%d" % len(self.data)
        a = np.ascontiguousarray(a, np.float32)
        self.data.append('  @%s : %s = "%s"' % (name, text(a.shape), base64.b64encode(a.tobytes()).decode()))
        self.n += 1
        self.lines.append("  %%v%d = weight @%s : %s" % (self.n, name, text(a.shape)))
        return "%%v%d" % self.n

    def op(self, what, operands, shape, attrs=""):
        self.n += 1
        a = " {%s}" % attrs if attrs else ""
        self.lines.append("  %%v%d = %s %s%s : %s" % (self.n, what, ", ".join(operands), a, text(shape)))
        return "%%v%d" % self.n

    def output(self, value, name, shape):
        self.outputs.append((value, name, shape))

    def write(self, path):
        ins = ", ".join("%%%s: %s" % (k, text((1,) + v.shape[1:])) for k, v in self.inputs.items())
        with open(path, "w") as f:
            f.write("mir 1\n\ngraph @net(%s) -> %s {\n" % (ins, ", ".join(text(s) for _, _, s in self.outputs)))
            f.write("\n".join(self.lines) + "\n  return %s\n}\n\ndata {\n" % ", ".join(v for v, _, _ in self.outputs))
            f.write("\n".join(self.data) + "\n}\n")


def conv(n, x, scale=0.4, bias=0.0, cin=4, cout=4):
    w, b = rng.normal(size=(cout, 1, 1, cin)) * scale, rng.normal(size=cout) * 0.3 + bias
    return n.op("conv2d", [x, n.weight(w), n.weight(b)], SHAPE[:3] + (cout,))


# ---- activations ----
BOUNDS = [(0, 6), (-1, 1), (1, 2), (0.5, np.inf), (-np.inf, -0.5), (-2, -1), (-np.inf, 3), (0.7, 0.8), (-9, 9), (2, 2), (4, 5), (-6, -3)]
UNARY = ["relu", "elu alpha=0.5", "elu alpha=2.0", "leaky_relu", "leaky_relu alpha=0.3", "leaky_relu alpha=1.5", "leaky_relu alpha=-0.5",
         "sigmoid", "tanh", "gelu", "gelu approximate=tanh", "silu", "hard_sigmoid", "hard_sigmoid alpha=0.2", "hard_swish", "abs", "neg"]


def number(v):
    return "inf" if v == np.inf else "-inf" if v == -np.inf else repr(float(v))


def unary(name):
    op, _, attrs = name.partition(" ")
    return lambda n, x, s: n.op(op, [x], s, attrs)


def clamp(lo, hi):
    return lambda n, x, s: n.op("clamp", [x], s, "low=%s, high=%s" % (number(lo), number(hi)))


def min_max(lo, hi):
    def build(n, x, s):
        for what, v in (("max", lo), ("min", hi)):
            if np.isfinite(v):
                x = n.op(what, [x, n.weight(np.full(s[-1], v))], s)
        return x
    return build


def prelu(n, x, s):
    c = n.weight(rng.uniform(-0.5, 1.5, s[-1]))
    neg = n.op("min", [x, n.weight(np.zeros(()))], s)
    return n.op("add", [n.op("relu", [x], s), n.op("mul", [neg, c], s)], s)


def activations():
    for u in UNARY:
        yield u, unary(u)
    for lo, hi in BOUNDS:
        yield "clamp %g %g" % (lo, hi), clamp(lo, hi)
        yield "min, max %g %g" % (lo, hi), min_max(lo, hi)
        yield "relu, clamp %g %g" % (lo, hi), lambda n, x, s, c=clamp(lo, hi): c(n, n.op("relu", [x], s), s)
    yield "prelu", prelu


def pool(op):
    return lambda n: (n.op(op, [conv(n, "%x")], (1, 2, 3, 4), "kernel=[2,2], stride=[2,2]"), (1, 2, 3, 4))


def fused(lo, hi):
    return lambda n: (n.op("conv2d", ["%x", n.weight(rng.normal(size=(4, 1, 1, 4)))], SHAPE, "clamp=[%s,%s]" % (number(lo), number(hi))), SHAPE)


def joined(n):
    return n.op("concat", [conv(n, "%x"), conv(n, "%x", 0.8)], (1, 4, 6, 8), "axis=3"), (1, 4, 6, 8)


def linear(n):
    x = n.op("reshape", ["%x"], (24, 4), "shape=[24,4]")
    return n.op("linear", [x, n.weight(rng.normal(size=(5, 4)) * 0.4)], (24, 5)), (24, 5)


def matmul(n):
    a = n.op("reshape", ["%x"], (24, 4), "shape=[24,4]")
    return n.op("matmul", [a, n.op("reshape", ["%z"], (24, 4), "shape=[24,4]")], (24, 24), "transpose_b=true"), (24, 24)


POSITIONS = {
    "input": lambda n: ("%x", SHAPE),
    "conv": lambda n: (conv(n, "%x"), SHAPE),
    "conv, shared": lambda n: (n.shared, SHAPE),
    "conv {clamp}": fused(0.5, 3),
    "conv {clamp < 0}": fused(-3, -0.25),
    "linear": linear,
    "matmul": matmul,
    "add": lambda n: (n.op("add", [conv(n, "%x"), conv(n, "%z")], SHAPE), SHAPE),
    "add {clamp}": lambda n: (n.op("add", [conv(n, "%x"), conv(n, "%z")], SHAPE, "clamp=[0.5,4.0]"), SHAPE),
    "mul": lambda n: (n.op("mul", [conv(n, "%x"), conv(n, "%z")], SHAPE), SHAPE),
    "avg_pool": pool("avg_pool"),
    "max_pool": pool("max_pool"),
    "concat": joined,
    "pad": lambda n: (n.op("pad", [conv(n, "%x")], (1, 6, 6, 4), "before=[0,1,0,0], after=[0,1,0,0], value=2.5"), (1, 6, 6, 4)),
}


def after(n, v, s):
    """A product reads it."""
    return n.op("linear", [v, n.weight(rng.normal(size=(3, s[-1])) * 0.5), n.weight(rng.normal(size=3))], s[:-1] + (3,)), s[:-1] + (3,)


def act_nets():
    for where, make in POSITIONS.items():
        for what, act in activations():
            for end in (False, True):
                def build(n, make=make, act=act, end=end):
                    v, s = make(n)
                    v = act(n, v, s)
                    return after(n, v, s) if end else (v, s)
                yield "%s, %s%s" % (where, what, ", linear" if end else ""), build


# ---- odd ranges ----
# What the values of an input look like.
RANGES = {
    "mixed": (0, 1), "positive": (3, 1), "negative": (-3, 1), "far": (100, 0.5), "far below": (-1000, 2), "tiny": (0, 1e-6), "least": (0, 1e-25),
    "huge": (0, 1e6), "most": (0, 1e25), "tiny, positive": (3e-8, 1e-8), "constant": (2.5, 0), "zero": (0, 0), "one side": (0.5, 0.5),
}
FOLLOW = {
    "add": lambda n, a, b: n.op("add", [a, b], SHAPE), "sub": lambda n, a, b: n.op("sub", [a, b], SHAPE), "mul": lambda n, a, b: n.op("mul", [a, b], SHAPE),
    "min": lambda n, a, b: n.op("min", [a, b], SHAPE), "max": lambda n, a, b: n.op("max", [a, b], SHAPE), "self": lambda n, a, b: n.op("sub", [a, a], SHAPE),
}
ALONE = {
    "relu": "relu", "neg": "neg", "abs": "abs", "sigmoid": "sigmoid", "tanh": "tanh", "silu": "silu", "softmax": "softmax", "hard_swish": "hard_swish",
    "leaky_relu": "leaky_relu", "gelu": "gelu", "elu": "elu", "hard_sigmoid": "hard_sigmoid",
}


def shift(n, a, c):
    return n.op("add", [a, n.weight(np.float32(c) * np.ones(4))], SHAPE)


def spread(n, a, c):
    return n.op("mul", [a, n.weight(np.array([1, -2, 3, 0.5]) * c)], SHAPE)


def first(n, name, kind):
    """A layer whose results have the input's kind: the identity, near enough."""
    del kind
    return n.op("conv2d", [name, n.weight((np.eye(4) + 0.01 * rng.normal(size=(4, 4)))[:, None, None, :])], SHAPE)


def shaped(op, shape, attrs=""):
    return lambda n, a, c: (n.op(op, [a], shape, attrs), shape)


def same(f):
    return lambda n, a, c: (f(n, a, c), SHAPE)


ON_ONE = {
    "itself": same(lambda n, a, c: a),
    "minus its mean": same(lambda n, a, c: shift(n, a, -c[0])),
    "plus": same(lambda n, a, c: shift(n, a, 3 * c[0] + c[1])),
    "times": same(lambda n, a, c: spread(n, a, 1)),
    "avg_pool": shaped("avg_pool", (1, 2, 3, 4), "kernel=[2,2], stride=[2,2]"),
    "max_pool": shaped("max_pool", (1, 2, 3, 4), "kernel=[2,2], stride=[2,2]"),
    "global_avg_pool": shaped("global_avg_pool", (1, 1, 1, 4)),
    "global_max_pool": shaped("global_max_pool", (1, 1, 1, 4)),
    "reduce_mean": shaped("reduce_mean", (1, 4, 1, 4), "axes=[2]"),
    "reduce_sum": shaped("reduce_sum", (1, 4, 1, 4), "axes=[2]"),
    "reduce_max": shaped("reduce_max", (1, 4, 1, 4), "axes=[2]"),
    "resize": shaped("resize", (1, 8, 12, 4), "size=[8,12], mode=bilinear"),
    "resize nearest": shaped("resize", (1, 8, 12, 4), "size=[8,12]"),
    "pad 0": shaped("pad", (1, 6, 8, 4), "before=[0,1,1,0], after=[0,1,1,0]"),
    "pad 7": shaped("pad", (1, 6, 8, 4), "before=[0,1,1,0], after=[0,1,1,0], value=7.0"),
    "pad -7": shaped("pad", (1, 6, 8, 4), "before=[0,1,1,0], after=[0,1,1,0], value=-7.0"),
    "pad -1000": shaped("pad", (1, 6, 8, 4), "before=[0,1,1,0], after=[0,1,1,0], value=-1000.0"),
    "concat const": lambda n, a, c: (n.op("concat", [a, n.weight(np.full(SHAPE, 5.0))], (1, 4, 6, 8), "axis=3"), (1, 4, 6, 8)),
    "concat consts": lambda n, a, c: (n.op("concat", [a, n.weight(rng.normal(size=SHAPE) * 100)], (1, 4, 6, 8), "axis=3"), (1, 4, 6, 8)),
    "max per channel": same(lambda n, a, c: n.op("max", [a, n.weight(np.array([-1e9, c[0], c[0] + c[1], 1.0]))], SHAPE)),
    "min per channel": same(lambda n, a, c: n.op("min", [a, n.weight(np.array([1e30, c[0], c[0] - c[1], 0.0]))], SHAPE)),
    "max -inf": same(lambda n, a, c: n.op("max", [a, n.weight(np.array([-np.inf, c[0], 0.0, -np.inf]))], SHAPE)),
    "clamp around": same(lambda n, a, c: n.op("clamp", [a], SHAPE, "low=%r, high=%r" % (float(c[0] - c[1] / 2), float(c[0] + c[1])))),
}
for _name, _op in ALONE.items():
    ON_ONE[_name] = shaped(_op, SHAPE)


def range_nets():
    for kind, c in RANGES.items():
        x = "%in_" + kind.replace(" ", "_").replace(",", "")
        for what, make in ON_ONE.items():
            for end in (False, True):
                def build(n, x=x, kind=kind, c=c, make=make, end=end):
                    v, s = make(n, first(n, x, kind), c)
                    return after(n, v, s) if end else (v, s)
                yield "%s, %s%s" % (kind, what, ", linear" if end else ""), build
        for other in ("mixed", "negative", "far", "tiny"):
            y = "%in_" + other
            for what, make in FOLLOW.items():
                if what == "sub" and kind == other:   # two layers that nearly cancel: an error of half a percent each is all of the rest
                    continue
                def build(n, x=x, y=y, kind=kind, other=other, make=make):
                    return make(n, first(n, x, kind), first(n, y, other)), SHAPE
                yield "%s %s %s" % (kind, what, other), build


# ---- running ----
def run(*command):
    p = subprocess.run(command, capture_output=True, text=True)
    if p.returncode:
        sys.exit("%s\n%s" % (" ".join(command), p.stdout + p.stderr))
    return p.stderr


def outputs(path, samples, folder):
    run("mc-run", path, "--data=" + samples, "--limit=%d" % SAMPLES, "--output=" + folder + "/out.npz")
    z = np.load(folder + "/out.npz")
    return [z[k].astype(np.float64) for k in z.files]


def error(a, b):
    """Relative L2 distance; equal numbers count as equal wherever they are."""
    d = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, a - b)
    return np.linalg.norm(d) / max(np.linalg.norm(b[np.isfinite(b)]), 1e-37) if d.any() else 0.0


def measure(folder, level, names, net, worst):
    text_, sample = folder + "/net.mir", folder + "/calib.npz"
    net.write(text_)
    np.savez(folder + "/calib.npz", **net.inputs)
    want = outputs(text_, sample, folder)
    made = {}
    for how in ("none", "bf16", "int8"):
        extra = ["-calib=" + folder + "/calib.npz"] if how == "int8" else []
        run("mcc", "-march=" + level, "-quant=" + how, *extra, text_, "-o", folder + "/net.o")
        made[how] = outputs(folder + "/net.o", sample, folder)
    run("mcc", "-march=" + level, "-quant=int8", "-calib=" + folder + "/calib.npz", "-emit=mir", text_, "-o", folder + "/q.mir")
    checked = outputs(folder + "/q.mir", sample, folder)
    bad = 0
    for i, name in enumerate(names):
        coarse = name.startswith(("far", "constant, minus"))   # 8 bits of mantissa far from 0
        steps = TAILS if name.startswith("mul,") else 1 if name in RARE else BENDS if name in BENT else LIMIT["int8"]
        for what, got, ref, limit in (("f32", made["none"], want, LIMIT["f32"]), ("bf16", made["bf16"], want, 10 if coarse else LIMIT["bf16"]),
                                      ("int8", made["int8"], want, steps), ("int8, evaluator", made["int8"], checked, 1e-2 if coarse else 1e-3)):
            e = error(got[i], ref[i])
            worst[what] = max(worst.get(what, 0), e)
            if not e <= limit:
                print("%s: %s: relative error %.3g, of at most %.3g (%g)" % (name, what, e, limit, np.abs(ref[i]).max()))
                bad += 1
    return bad


def inputs(net, kind):
    if kind == "acts":
        for name in ("x", "z"):
            net.input(name, rng.normal(size=(24,) + SHAPE[1:]) * 2)
        net.shared = conv(net, "%x")
        v, s = after(net, net.shared, SHAPE)
        net.output(v, "shared", s)
        return ["shared"]
    for name, (mean, sd) in RANGES.items():
        x = np.clip(rng.normal(size=(24,) + SHAPE[1:]), -2, 2) * sd + mean
        net.input("in_" + name.replace(" ", "_").replace(",", ""), np.abs(x) if name in ("one side", "tiny, positive") else x)
    return []


def main():
    folder, level, kind = sys.argv[1:4]
    every, start = (int(v) for v in (sys.argv[4:] + ["1", "0"])[:2]) if len(sys.argv) > 4 else (1, 0)
    os.makedirs(folder, exist_ok=True)
    nets = list(act_nets() if kind == "acts" else range_nets())[start::every]
    worst, bad, size = {}, 0, 60
    for at in range(0, len(nets), size):
        net = Net()
        names = inputs(net, kind)
        for name, build in nets[at:at + size]:
            v, s = build(net)
            net.output(v, name, s)
            names.append(name)
        bad += measure(folder, level, names, net, worst)
    print("%d networks, %d findings; worst: %s" % (len(nets), bad, ", ".join("%s %.2g" % p for p in worst.items())))
    return 1 if bad else 0


sys.exit(main())
