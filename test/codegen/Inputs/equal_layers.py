"""Writes a quantized network of layers with equal shapes whose weights, biases, scales, zero points and clamps differ: convolutions with and without a residual addition."""
import random, sys

r = random.Random(7)


def dense(shape, lo, hi):
    return "[" + ",".join(dense(shape[1:], lo, hi) for _ in range(shape[0])) + "]" if shape else str(r.randint(lo, hi))


def const(name, shape, scale, lo=-127, hi=127, kind="i8"):
    return f"  %{name} = const dense<{dense(shape, lo, hi)}> : {kind}<{scale!r}:0>[{','.join(map(str, shape))}]\n"


def layer(i, x, sx, zx):
    """One convolution of C channels on [1,S,S,C] and what it returns: its text, name, scale, zero point."""
    sw, s, z = (3 + i) / 2048, (17 + 2 * i) / 512, 100 + 9 * i   # products of scales are exact
    text = const(f"w{i}", [C, 3, 3, C], sw) + const(f"b{i}", [C], sx * sw, -900, 900, "i32")
    text += f"  %s{i} = conv2d %{x}, %w{i}, %b{i} {{pad=[1,1,1,1]}} : i32<{sx * sw!r}:0>[1,{S},{S},{C}]\n"
    text += f"  %q{i} = requantize %s{i} : u8<{s!r}:{z}>[1,{S},{S},{C}]\n"
    return text, f"q{i}", s, z


C, S, n = 16, 7, int(sys.argv[1])
body, x, sx, zx = "", "x", 1 / 64, 128
for i in range(n):
    text, q, s, z = layer(i, x, sx, zx)
    body += text
    if i % 2:   # a residual addition after every second one
        s2, z2 = s + 3 / 512, 120 - i
        body += f"  %r{i} = add %{q}, %{x} : u8<{s2!r}:{z2}>[1,{S},{S},{C}]\n"
        q, s, z = f"r{i}", s2, z2
    x, sx, zx = q, s, z
out = f"u8<{sx!r}:{zx}>[1,{S},{S},{C}]"
print(f"mir 1\n\ngraph @net(%x: u8<0.015625:128>[1,{S},{S},{C}]) -> {out} {{\n{body}  return %{x}\n}}")
