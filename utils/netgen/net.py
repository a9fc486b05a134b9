"""A network in the making: values with their shapes, constants, inputs with their samples, and the text."""
import base64

import numpy as np

MOST = 3000        # elements of a value
MACS = 150_000     # products of one op


def ints(values):
    return "[" + ",".join(map(str, values)) + "]"


def number(v):
    v = float(np.float32(v))
    return repr(v) if np.isfinite(v) else "inf" if v > 0 else "-inf" if v < 0 else "nan"


def text_of(a):
    if a.ndim == 0:
        return "%d" % a if a.dtype.kind in "iub" else "%.6g" % a
    return "[" + ", ".join(map(text_of, a)) + "]"


class Net:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.lines, self.n = [], 0
        self.values, self.used = [], set()        # (name, shape) of f32 values; names that something reads
        self.inputs, self.samples = [], {}        # (name, type text); name -> array, samples along the first axis
        self.consts, self.data = {}, []           # shape -> names; lines of the data section
        self.extra = []                           # results of other types: (name, type text)
        self.unit = 1.0                           # magnitude of the inputs' values

    # ---- chance ----
    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, p):
        return self.rng.random() < p

    def between(self, lo, hi):
        return int(self.rng.integers(lo, hi + 1))

    def channels(self):
        """Odd ones, 2 mod 4, primes, and those that vectors like."""
        if self.chance(0.4):
            return self.pick(4, 8, 16, 16, 24, 32)
        return self.pick(1, 2, 3, 5, 6, 7, 9, 10, 13, 14, 17, 18, 19, 22, 23, 26, 30, 31, 33, 34, 38, 42, 46, 47, 50, 58, 61, 62, 64, 66, 70)

    # ---- names ----
    def name(self, stem="v"):
        self.n += 1
        return f"%{stem}{self.n}"

    def type(self, shape, element="f32"):
        return element + ints(shape)

    def line(self, result, text, types):
        self.lines.append(f"  {result} = {text} : {types}")
        return result

    # ---- values ----
    def input(self, stem, shape, element="f32", make=None):
        name = f"%{stem}"
        count = max(4, 2 * (shape[0] if shape else 1))
        data = (make or self.normal)((count,) + tuple(shape[1:]))
        self.samples[stem] = data
        self.inputs.append((name, self.type(shape, element)))
        if element == "f32":
            self.values.append((name, tuple(shape)))
        return name

    def normal(self, shape):
        return (self.rng.standard_normal(shape) * self.unit).astype(np.float32)

    def const(self, shape, scale, element="f32", share=0.15):
        """Normal numbers of that scale, or an array as it is; now and then one that is there already."""
        if isinstance(scale, np.ndarray):
            data = scale
        else:
            same = self.consts.get(tuple(shape))
            if same and self.chance(share):
                return self.pick(*same)
            data = (self.rng.standard_normal(shape) * scale).astype(np.float32)
        name = self.name("w")
        self.line(name, f"const dense<{text_of(data)}>", self.type(shape, element))
        if element == "f32" and not isinstance(scale, np.ndarray):
            self.consts.setdefault(tuple(shape), []).append(name)
        return name

    def scalar(self, v, shape=()):
        """The number for all elements."""
        return self.line(self.name("w"), f"const dense<{number(v)}>", self.type(shape))

    def op(self, text, *shapes, reads=()):
        names = [self.name() for _ in shapes]
        self.line(", ".join(names), text, ", ".join(self.type(s) for s in shapes))
        self.used.update(reads)
        self.values += [(n, tuple(s)) for n, s in zip(names, shapes)]
        return self.values[-1]

    def some(self, want=lambda s: True):
        """A value, a recent one more likely; None where there is none."""
        pool = [v for v in self.values if want(v[1])]
        return pool[max(0, len(pool) - 1 - int(self.rng.exponential(2.0)))] if pool else None

    def tensor(self, stem, data, element):
        """A line of the data section; its name."""
        name = f"@{stem}{len(self.data)}"
        self.data.append(f'  {name} : {self.type(data.shape, element)} = "{base64.b64encode(data.tobytes()).decode()}"')
        return name

    def bound(self):
        """A clamp: around zero, above it, below it, one-sided, a single number."""
        lo, hi = self.pick((0, np.inf), (0, 6), (0, 1), (-1, 2), (-1, 1), (0.25, np.inf), (0.5, 2), (-np.inf, -0.25), (-2, -0.5), (-np.inf, 0), (1.5, 5), (0.5, 0.5), (-np.inf, 0.75))
        return lo * self.unit if lo else lo, hi * self.unit if hi else hi

    def clamp(self, odds=0.15):
        """A clamp attribute for products and sums, or nothing."""
        if not self.chance(odds):
            return ""
        lo, hi = self.bound()
        return f"clamp=[{number(lo)},{number(hi)}]"

    # ---- text ----
    def write(self, path, results):
        kinds = ", ".join(t for _, t in results)
        head = ", ".join(f"{n}: {t}" for n, t in self.inputs)
        with open(path, "w") as f:
            f.write(f"mir 1\ngraph @net({head}) -> {kinds} {{\n" + "\n".join(self.lines))
            f.write(f"\n  return {', '.join(n for n, _ in results)}\n}}\n")
            if self.data:
                f.write("data {\n" + "\n".join(self.data) + "\n}\n")


def elements(shape):
    return int(np.prod(shape, dtype=np.int64))


def fits(shape):
    return elements(shape) <= MOST
