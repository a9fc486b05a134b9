#!/usr/bin/python3
"""Single layers, compiled by two or more builds of mcc (or for two levels) and timed in alternation.

usage: layer.py [--fifo] [--cpu N] [--seconds S] [--work DIR] --mcc NAME=PATH[,-march=LEVEL] ... [LAYER ...]

LAYER is a word of this file's table, or a beginning of one (default: all).  Times are minima of a run in microseconds; a layer that is cheap beside the copy of its input
is there several times in its graph, and the time is divided."""
import argparse, pathlib, re, subprocess, sys

COPIES = 4


def depthwise(h, w, c, k=3, s=1, kind="u8", mult=1):
    oh, ow, z = (h + 2 * (k // 2) - k) // s + 1, (w + 2 * (k // 2) - k) // s + 1, 128 if kind == "u8" else 0
    body, outs = "", []
    for i in range(COPIES):
        body += f"""  %w{i} = const dense<{3 + i}> : i8<@s axis=0>[{c * mult},{k},{k},1]
  %a{i} = conv2d %x, %w{i} {{stride=[{s},{s}], pad=[{k // 2},{k // 2},{k // 2},{k // 2}], groups={c}}} : i32<@a axis=3>[1,{oh},{ow},{c * mult}]
  %r{i} = requantize %a{i} : {kind}<0.05:{0 if kind == "u8" else -128}>[1,{oh},{ow},{c * mult}]
"""
        outs.append(f"%r{i}")
    t = f"{kind}<0.05:{0 if kind == 'u8' else -128}>[1,{oh},{ow},{c * mult}]"
    return graph(f"%x: {kind}<0.02:{z}>[1,{h},{w},{c}]", [t] * COPIES, body, outs, {"s": [0.01] * (c * mult), "a": scales(0.02, 0.01, c * mult)}), oh * ow * c * mult * k * k, COPIES


def conv(h, w, ci, co, k=3, s=1, pad=None, kind="u8", groups=1, dilation=1):
    pad = dilation * (k // 2) if pad is None else pad
    span = dilation * (k - 1) + 1
    oh, ow, z = (h + 2 * pad - span) // s + 1, (w + 2 * pad - span) // s + 1, 128 if kind == "u8" else 0
    attrs = f"stride=[{s},{s}], pad=[{pad},{pad},{pad},{pad}]" + (f", groups={groups}" if groups > 1 else "") + (f", dilation=[{dilation},{dilation}]" if dilation > 1 else "")
    body, outs = "", []
    for i in range(COPIES):
        body += f"""  %w{i} = const dense<{3 + i}> : i8<@s axis=0>[{co},{k},{k},{ci // groups}]
  %a{i} = conv2d %x, %w{i} {{{attrs}}} : i32<@a axis=3>[1,{oh},{ow},{co}]
  %r{i} = requantize %a{i} : u8<0.05:0>[1,{oh},{ow},{co}]
"""
        outs.append(f"%r{i}")
    return graph(f"%x: {kind}<0.02:{z}>[1,{h},{w},{ci}]", [f"u8<0.05:0>[1,{oh},{ow},{co}]"] * COPIES, body, outs, {"s": [0.01] * co, "a": scales(0.02, 0.01, co)}), oh * ow * co * ci // groups * k * k, COPIES


def transposed(h, w, ci, co, k=4, s=2, pad=1, groups=1):
    oh, ow = (h - 1) * s - 2 * pad + k, (w - 1) * s - 2 * pad + k
    body = f"""  %w = const dense<3> : i8<@s axis=0>[{co},{k},{k},{ci // groups}]
  %a = conv_transpose2d %x, %w {{stride=[{s},{s}], pad=[{pad},{pad},{pad},{pad}], groups={groups}}} : i32<@a axis=3>[1,{oh},{ow},{co}]
  %r = requantize %a : u8<0.05:0>[1,{oh},{ow},{co}]
"""
    return graph(f"%x: u8<0.02:128>[1,{h},{w},{ci}]", [f"u8<0.05:0>[1,{oh},{ow},{co}]"], body, ["%r"], {"s": [0.01] * co, "a": scales(0.02, 0.01, co)}), h * w * ci * co // groups * k * k, 1


def linear(rows, k, n):
    body = f"""  %w = const dense<3> : i8<@s axis=0>[{n},{k}]
  %a = linear %x, %w : i32<@a axis=1>[{rows},{n}]
  %r = requantize %a : u8<0.05:0>[{rows},{n}]
"""
    return graph(f"%x: u8<0.02:128>[{rows},{k}]", [f"u8<0.05:0>[{rows},{n}]"], body, ["%r"], {"s": [0.01] * n, "a": scales(0.02, 0.01, n)}), rows * k * n, 1


def point(h, w, ci, co, s=1, kind="u8"):
    return conv(h, w, ci, co, 1, s, kind=kind)


def residual(h, w, ci, co):
    """1x1 convolutions whose results are added to another tensor, as at the end of a ResNet block: each to that of the one before."""
    t, copies = f"u8<0.06:100>[1,{h},{w},{co}]", 2 * COPIES
    body = f"  %r = max_pool %y {{kernel=[2,2], pad=[0,0,1,1]}} : {t}\n"
    for i in range(copies):
        body += f"""  %w{i} = const dense<{3 + i}> : i8<@s axis=0>[{co},1,1,{ci}]
  %a{i} = conv2d %x, %w{i} : i32<@a axis=3>[1,{h},{w},{co}]
  %q{i} = requantize %a{i} : u8<0.05:126>[1,{h},{w},{co}]
  %r{i} = add %q{i}, %r{i - 1 if i else ""} : {t}
"""
    return graph(f"%x: u8<0.02:0>[1,{h},{w},{ci}], %y: {t}", [t], body, [f"%r{copies - 1}"], {"s": [0.01] * co, "a": scales(0.02, 0.01, co)}), h * w * co * ci, copies


def op(text, inputs, out):
    """One op on graph inputs a, b, ...; no multiply-accumulates."""
    args = ", ".join(f"%{n}: {t}" for n, t in zip("abcd", inputs))
    return graph(args, [out], f"  %y = {text} : {out}\n", ["%y"], {}), 0, 1


def image(h, w, c):
    """What an NCHW image costs on its way in: a transpose and a quantize."""
    return graph(f"%x: f32[1,{c},{h},{w}]", [f"u8<0.02:128>[1,{h},{w},{c}]"],
                 f"  %t = transpose %x {{perm=[0,2,3,1]}} : f32[1,{h},{w},{c}]\n  %q = quantize %t : u8<0.02:128>[1,{h},{w},{c}]\n", ["%q"], {}), 0, 1


# 3x3 with stride 1, as they are in VGG-16, ResNet-18, ResNet-50 and resnet8.
C3 = [(224, 64, 64), (112, 64, 128), (112, 128, 128), (56, 64, 64), (56, 128, 256), (56, 256, 256), (28, 128, 128), (28, 256, 512), (28, 512, 512), (14, 256, 256), (14, 512, 512), (7, 512, 512), (32, 16, 16), (16, 32, 32), (8, 64, 64)]
LAYERS = {
    **{f"c3-{w}x{w}x{ci}" + (f"-{co}" if co != ci else ""): (lambda w=w, ci=ci, co=co: conv(w, w, ci, co)) for w, ci, co in C3},
    "dw-48x48x8": lambda: depthwise(48, 48, 8), "dw-48x48x16-s2": lambda: depthwise(48, 48, 16, s=2), "dw-24x24x32": lambda: depthwise(24, 24, 32), "dw-24x24x32-s2": lambda: depthwise(24, 24, 32, s=2),
    "dw-12x12x64": lambda: depthwise(12, 12, 64), "dw-6x6x128": lambda: depthwise(6, 6, 128), "dw-3x3x256": lambda: depthwise(3, 3, 256), "dw-25x5x64": lambda: depthwise(25, 5, 64),
    "dw-112x112x32": lambda: depthwise(112, 112, 32), "dw-112x112x64-s2": lambda: depthwise(112, 112, 64, s=2), "dw-56x56x128": lambda: depthwise(56, 56, 128), "dw-28x28x256": lambda: depthwise(28, 28, 256),
    "dw-14x14x512": lambda: depthwise(14, 14, 512), "dw-14x14x512-s2": lambda: depthwise(14, 14, 512, s=2), "dw-7x7x1024": lambda: depthwise(7, 7, 1024),
    "dw-112x112x96-s2": lambda: depthwise(112, 112, 96, s=2), "dw-56x56x144": lambda: depthwise(56, 56, 144), "dw-56x56x144-s2": lambda: depthwise(56, 56, 144, s=2), "dw-28x28x192": lambda: depthwise(28, 28, 192),
    "dw-7x7x960": lambda: depthwise(7, 7, 960), "dw-56x56x24": lambda: depthwise(56, 56, 24), "dw-28x28x72": lambda: depthwise(28, 28, 72), "dw-28x28x40": lambda: depthwise(28, 28, 40),
    "dw5-28x28x120": lambda: depthwise(28, 28, 120, 5), "dw5-14x14x192": lambda: depthwise(14, 14, 192, 5), "dw5-28x28x144-s2": lambda: depthwise(28, 28, 144, 5, 2), "dw7-14x14x384": lambda: depthwise(14, 14, 384, 7),
    "dw-14x14x4": lambda: depthwise(14, 14, 4), "dwmult-7x7x16x2": lambda: depthwise(7, 7, 16, mult=2),
    "dw-i8-14x14x512": lambda: depthwise(14, 14, 512, kind="i8"), "dwmult-28x28x32x2": lambda: depthwise(28, 28, 32, mult=2),
    "stem-96x96x3-8-s2": lambda: conv(96, 96, 3, 8, s=2), "stem-224x224x3-32-s2": lambda: conv(224, 224, 3, 32, s=2), "stem-32x32x3-16": lambda: conv(32, 32, 3, 16),
    "stem-224x224x3-64-k7s2": lambda: conv(224, 224, 3, 64, 7, 2), "stem-224x224x3-64": lambda: conv(224, 224, 3, 64), "stem-28x28x1-16": lambda: conv(28, 28, 1, 16),
    "conv-28x28x50-70": lambda: conv(28, 28, 50, 70), "conv-28x28x33-65": lambda: conv(28, 28, 33, 65), "conv-14x14x100-100": lambda: conv(14, 14, 100, 100), "conv-56x56x24-24": lambda: conv(56, 56, 24, 24),
    "conv-56x56x10-20": lambda: conv(56, 56, 10, 20), "conv-13x13x192-384": lambda: conv(13, 13, 192, 384), "conv-27x27x64-192-k5": lambda: conv(27, 27, 64, 192, 5), "conv-56x56x64-d2": lambda: conv(56, 56, 64, 64, dilation=2),
    "conv-33x33x256-d6": lambda: conv(33, 33, 256, 256, dilation=6), "conv-1x128x64-k9": lambda: conv(8, 128, 64, 64, 9),
    "1x1-28x28x50-70": lambda: conv(28, 28, 50, 70, 1), "1x1-14x14x112-672": lambda: conv(14, 14, 112, 672, 1), "1x1-28x28x40-240": lambda: conv(28, 28, 40, 240, 1), "1x1-28x28x240-40": lambda: conv(28, 28, 240, 40, 1),
    "1x1-56x56x17-33": lambda: conv(56, 56, 17, 33, 1), "1x1-56x56x8-3": lambda: conv(56, 56, 8, 3, 1), "1x1-56x56x256-1": lambda: conv(56, 56, 256, 1, 1),
    "grouped-56x56x128-32": lambda: conv(56, 56, 128, 128, groups=32), "grouped-28x28x256-32": lambda: conv(28, 28, 256, 256, groups=32), "grouped-14x14x512-32": lambda: conv(14, 14, 512, 512, groups=32),
    "grouped-27x27x96-256-k5-2": lambda: conv(27, 27, 96, 256, 5, groups=2), "grouped-1x1-28x28x240-3": lambda: conv(28, 28, 240, 240, 1, groups=3), "grouped-28x28x48-24": lambda: conv(28, 28, 48, 48, groups=24),
    "up-16x16x128-64": lambda: transposed(16, 16, 128, 64), "up2-28x28x64-32": lambda: transposed(28, 28, 64, 32, 2, 2, 0), "up3-14x14x96-48": lambda: transposed(14, 14, 96, 48, 3, 2, 1), "up-32x32x64-3": lambda: transposed(32, 32, 64, 3),
    "linear-1x4096-1000": lambda: linear(1, 4096, 1000), "linear-1x640-128": lambda: linear(1, 640, 128), "linear-16x1024-1024": lambda: linear(16, 1024, 1024), "linear-5x300-77": lambda: linear(5, 300, 77),
    "pw-56x56x64-256": lambda: point(56, 56, 64, 256), "pw-56x56x256-64": lambda: point(56, 56, 256, 64), "pw-28x28x128-512": lambda: point(28, 28, 128, 512),
    "pw-56x56x256-512-s2": lambda: point(56, 56, 256, 512, 2), "pw-14x14x1024-2048-s2": lambda: point(14, 14, 1024, 2048, 2), "pw-7x7x512-2048": lambda: point(7, 7, 512, 2048),
    "pw-7x7x2048-512": lambda: point(7, 7, 2048, 512), "pw-112x112x16-96": lambda: point(112, 112, 16, 96), "pw-56x56x24-144": lambda: point(56, 56, 24, 144), "pw-56x56x144-24": lambda: point(56, 56, 144, 24),
    "pw-112x112x32-16": lambda: point(112, 112, 32, 16), "pw-28x28x32-192": lambda: point(28, 28, 32, 192), "pw-14x14x96-576": lambda: point(14, 14, 96, 576), "pw-28x28x40-120": lambda: point(28, 28, 40, 120),
    "pw-i8-56x56x64-256": lambda: point(56, 56, 64, 256, kind="i8"), "pw-i8-56x56x144-24": lambda: point(56, 56, 144, 24, kind="i8"),
    "res-56x56x64-256": lambda: residual(56, 56, 64, 256), "res-28x28x128-512": lambda: residual(28, 28, 128, 512), "res-14x14x256-1024": lambda: residual(14, 14, 256, 1024),
    "res-7x7x512-2048": lambda: residual(7, 7, 512, 2048), "res-56x56x144-24": lambda: residual(56, 56, 144, 24), "res-14x14x384-64": lambda: residual(14, 14, 384, 64),
    "image-96x96x3": lambda: image(96, 96, 3), "image-224x224x3": lambda: image(224, 224, 3), "image-32x32x3": lambda: image(32, 32, 3),
    "transpose-f32-768x128": lambda: op("transpose %a {perm=[0,2,1]}", ["f32[1,768,128]"], "f32[1,128,768]"), "transpose-f32-nhwc-56x56x64": lambda: op("transpose %a {perm=[0,3,1,2]}", ["f32[1,56,56,64]"], "f32[1,64,56,56]"),
    "transpose-u8-nchw-64x56x56": lambda: op("transpose %a {perm=[0,2,3,1]}", ["u8<0.02:3>[1,64,56,56]"], "u8<0.02:3>[1,56,56,64]"),
    "transpose-heads-128x12x64": lambda: op("transpose %a {perm=[0,2,1,3]}", ["u8<0.02:3>[1,128,12,64]"], "u8<0.02:3>[1,12,128,64]"),
    "transpose-u8-128x768": lambda: op("transpose %a {perm=[0,2,1]}", ["u8<0.02:3>[1,128,768]"], "u8<0.02:3>[1,768,128]"),
    "add-56x56x64": lambda: op("add %a, %b", ["u8<0.02:3>[1,56,56,64]", "u8<0.03:9>[1,56,56,64]"], "u8<0.04:10>[1,56,56,64]"),
    "quantize-128x768": lambda: op("quantize %a", ["f32[128,768]"], "u8<0.04:10>[128,768]"), "dequantize-128x768": lambda: op("dequantize %a", ["u8<0.04:10>[128,768]"], "f32[128,768]"),
    "quantize-4x768": lambda: op("quantize %a", ["f32[4,768]"], "u8<0.04:10>[4,768]"),
    "maxpool-112x112x64": lambda: op("max_pool %a {kernel=[3,3], stride=[2,2], pad=[1,1,1,1]}", ["u8<0.02:3>[1,112,112,64]"], "u8<0.02:3>[1,56,56,64]"),
    "maxpool2-56x56x64": lambda: op("max_pool %a {kernel=[2,2], stride=[2,2]}", ["u8<0.02:3>[1,56,56,64]"], "u8<0.02:3>[1,28,28,64]"),
    "avgpool-28x28x64": lambda: op("avg_pool %a {kernel=[3,3], stride=[1,1], pad=[1,1,1,1]}", ["u8<0.02:3>[1,28,28,64]"], "u8<0.02:3>[1,28,28,64]"),
    "gap-7x7x1024": lambda: op("global_avg_pool %a", ["u8<0.02:3>[1,7,7,1024]"], "u8<0.02:3>[1,1,1,1024]"), "gap-7x7x2048": lambda: op("global_avg_pool %a", ["u8<0.02:3>[1,7,7,2048]"], "u8<0.02:3>[1,1,1,2048]"),
    "table-28x28x120": lambda: op("hard_swish %a", ["u8<0.02:3>[1,28,28,120]"], "u8<0.02:5>[1,28,28,120]"), "gelu-u8-128x3072": lambda: op("gelu %a", ["u8<0.02:100>[128,3072]"], "u8<0.02:5>[128,3072]"),
    "softmax-1536x128": lambda: op("softmax %a", ["f32[1536,128]"], "f32[1536,128]"), "norm-128x768": lambda: op("layer_norm %a, %b, %c", ["f32[128,768]", "f32[768]", "f32[768]"], "f32[128,768]"),
    "gelu-f32-128x3072": lambda: op("gelu %a", ["f32[128,3072]"], "f32[128,3072]"), "sigmoid-f32-128x3072": lambda: op("sigmoid %a", ["f32[128,3072]"], "f32[128,3072]"),
    "resize-28x28x64": lambda: op("resize %a {size=[56,56]}", ["u8<0.02:3>[1,28,28,64]"], "u8<0.02:3>[1,56,56,64]"),
    "bilinear-28x28x64": lambda: op("resize %a {size=[56,56], mode=bilinear}", ["u8<0.02:3>[1,28,28,64]"], "u8<0.02:3>[1,56,56,64]"),
    "concat-28x28": lambda: op("concat %a, %b {axis=3}", ["u8<0.02:3>[1,28,28,64]", "u8<0.02:3>[1,28,28,96]"], "u8<0.02:3>[1,28,28,160]"),
}


def scales(a, b, n):
    import struct
    f = lambda v: struct.unpack("f", struct.pack("f", v))[0]
    return [f(f(a) * f(b))] * n


def graph(params, outs, body, results, tensors):
    import base64, struct
    text = f"mir 1\ngraph @g({params}) -> {', '.join(outs)} {{\n{body}  return {', '.join(results)}\n}}\n"
    if tensors:
        text += "data {\n" + "".join(f'  @{n} : f32[{len(v)}] = "{base64.b64encode(struct.pack(f"{len(v)}f", *v)).decode()}"\n' for n, v in tensors.items()) + "}\n"
    return text


def run(*command):
    p = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if p.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {p.stdout[-2000:]}{p.stderr[-2000:]}")
    return p.stdout


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    p.add_argument("--fifo", action="store_true")
    p.add_argument("--cpu", type=int, default=0)
    p.add_argument("--seconds", type=float, default=0.3)
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/layer"))
    p.add_argument("--mcc", action="append", required=True)
    p.add_argument("layers", nargs="*")
    o = p.parse_args()
    o.work.mkdir(parents=True, exist_ok=True)
    pair = o.work / "pair"
    source = pathlib.Path(__file__).parent / "pair.c"
    if not pair.exists() or pair.stat().st_mtime < source.stat().st_mtime:
        run("cc", "-O2", source, "-o", pair, "-ldl")
    builds = [(m.split("=", 1)[0], m.split("=", 1)[1].split(",")) for m in o.mcc]
    print("| layer | " + " | ".join(f"{n}, us" for n, _ in builds) + " | " + " | ".join(f"{n}, GMAC/s" for n, _ in builds) + " | ratio |\n|" + "---|" * (2 * len(builds) + 2))
    for name in [n for n in LAYERS if not o.layers or any(n.startswith(l) for l in o.layers)]:
        text, macs, copies = LAYERS[name]()
        mir = o.work / f"{name}.mir"
        mir.write_text(text)
        libraries = []
        for build, (mcc, *flags) in builds:
            stem = o.work / f"{name}.{build}"
            run(mcc, "-O3", "-quiet", "-name=net", *(flags or ["-march=native"]), mir, "-o", f"{stem}.o")
            run("cc", "-shared", "-Wl,-z,noexecstack", f"{stem}.o", "-o", f"{stem}.so")
            libraries.append(pathlib.Path(f"{stem}.so").resolve())
        times = [float(t.split()[0]) / copies for t in re.split("  ", run(pair, *(["-fifo"] if o.fifo else []), "-cpu", o.cpu, "-seconds", o.seconds * len(builds), *libraries).strip())]
        rate = [f"{macs / t / 1e3:.1f}" if macs else "" for t in times]
        print(f"| {name} | " + " | ".join(f"{t:.2f}" for t in times) + " | " + " | ".join(rate) + f" | {times[0] / times[-1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
