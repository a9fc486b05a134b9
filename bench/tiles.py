#!/usr/bin/python3
"""What AMX layers should reach: a static model, for machines without AMX. Not a measurement.

usage: tiles.py [--mcc=build/release/bin/mcc] [--json] [TEXT]          only layers whose name holds TEXT

Every layer is compiled alone for Sapphire Rapids (u8 in, u8 out). From the code of its loop over blocks come the tile instructions; what is left goes through llvm-mca,
whose model of the vector ports is good and whose model of tiles is not. Then, in cycles of one block:

  products   max(8, rows of A) for each tdpbusd                     loads   0.42 cycles a tile row from L1, 0.95 from L2, 6.2 from L3 (the first pass over weights)
  epilogue   llvm-mca on the rest, or its count of vector ports     time    the longest of the three, and 0.15 of the other two (what overlap leaves)

The figures of tiles were measured on a Sapphire Rapids core with prototypes: 2200 GMAC/s from registers, which is 1024 a cycle at 2.15 GHz; 1 KB from L1 in 3.1 ns, from L2 in 7, from L3 in 46,
a tile stored in 6.2."""
import json, pathlib, re, shutil, subprocess, sys, tempfile

MCA = shutil.which("llvm-mca-19") or shutil.which("llvm-mca", path="/usr/lib/llvm-19/bin") or "llvm-mca"
GHZ, L1, L2 = 2.15, 48 << 10, 2 << 20
# name: (height, width, channels in, channels out, kernel, stride), padding = kernel / 2
LAYERS = {
    "resnet8 32x32 3x3 16": (32, 32, 16, 16, 3, 1), "resnet8 16x16 3x3 32": (16, 16, 32, 32, 3, 1), "resnet8 8x8 3x3 64": (8, 8, 64, 64, 3, 1),
    "ds-cnn 25x5 1x1 64": (25, 5, 64, 64, 1, 1), "vww 12x12 1x1 64": (12, 12, 64, 64, 1, 1), "vww 6x6 1x1 128": (6, 6, 128, 128, 1, 1),
    "mobilenet 112x112 1x1 32-64": (112, 112, 32, 64, 1, 1), "mobilenet 56x56 1x1 128": (56, 56, 128, 128, 1, 1), "mobilenet 28x28 1x1 256": (28, 28, 256, 256, 1, 1),
    "mobilenet 14x14 1x1 512": (14, 14, 512, 512, 1, 1), "mobilenet 7x7 1x1 1024": (7, 7, 1024, 1024, 1, 1), "mobilenet-v2 56x56 1x1 24-144": (56, 56, 24, 144, 1, 1),
    "mobilenet-v2 14x14 1x1 576-96": (14, 14, 576, 96, 1, 1),
    "resnet 224x224 7x7 3-64": (224, 224, 3, 64, 7, 2), "resnet 56x56 3x3 64": (56, 56, 64, 64, 3, 1), "resnet 28x28 3x3 128": (28, 28, 128, 128, 3, 1),
    "resnet 14x14 3x3 256": (14, 14, 256, 256, 3, 1), "resnet 7x7 3x3 512": (7, 7, 512, 512, 3, 1), "resnet 56x56 1x1 64-256": (56, 56, 64, 256, 1, 1),
    "resnet 56x56 1x1 256-64": (56, 56, 256, 64, 1, 1), "resnet 28x28 1x1 128-512": (28, 28, 128, 512, 1, 1), "resnet 14x14 1x1 256-1024": (14, 14, 256, 1024, 1, 1),
    "resnet 14x14 1x1 1024-256": (14, 14, 1024, 256, 1, 1), "vgg 224x224 3x3 64": (224, 224, 64, 64, 3, 1), "vgg 112x112 3x3 128": (112, 112, 128, 128, 3, 1),
    "vgg 28x28 3x3 512": (28, 28, 512, 512, 3, 1), "bert 128 768-768": (1, 128, 768, 768, 1, 1), "bert 128 768-3072": (1, 128, 768, 3072, 1, 1), "bert 128 3072-768": (1, 128, 3072, 768, 1, 1),
}
TILE = re.compile(r"\s(tdp\w+|tileload\w*|tilestored|tilezero|ldtilecfg|tilerelease)\b")


def network(h, w, ci, co, k, s):
    """The layer behind a copy of its input (the graph's input is not in the arena)."""
    p, oh, ow = k // 2, (h + 2 * (k // 2) - k) // s + 1, (w + 2 * (k // 2) - k) // s + 1
    return f"""mir 1

graph @net(%x: u8<0.02:7>[1,{h},{w},{ci}]) -> u8<0.05:3>[1,{oh},{ow},{co}] {{
  %w = const dense<3> : i8<0.005:0>[{co},{k},{k},{ci}]
  %a = conv2d %x, %w {{stride=[{s},{s}], pad=[{p},{p},{p},{p}]}} : i32<0.0001:0>[1,{oh},{ow},{co}]
  %q = requantize %a : u8<0.05:3>[1,{oh},{ow},{co}]
  return %q
}}
""", oh * ow


def compile_layer(mcc, text, folder):
    src, asm = folder / "net.mir", folder / "net.s"
    src.write_text(text)
    run = subprocess.run([mcc, "-O3", "-march=sapphirerapids", "-remarks", "-emit=asm", src, "-o", asm], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    m = re.search(r"engine amx, blocks of (\d+) x (\d+) tiles of (\d+) rows(?: of all lines)?, (\w+) outside, K = (\d+) x (\d+)", run.stderr)
    return (asm.read_text(), [int(m[i]) for i in (1, 2, 3, 5, 6)] + [m[4]]) if m else (None, None)


def block_loop(asm):
    """The lines of the loop over blocks: the longest loop with tile instructions."""
    lines, best = asm.splitlines(), []
    at = {m[1]: i for i, l in enumerate(lines) if (m := re.match(r"(\.LBB\w+):", l))}
    for i, l in enumerate(lines):
        m = re.match(r"\s+j\w+\s+(\.LBB\w+)", l)
        if m and m[1] in at and at[m[1]] < i and i - at[m[1]] > len(best) and any("tdp" in x for x in lines[at[m[1]]:i]):
            best = lines[at[m[1]]:i + 1]
    return best


def vector_cycles(lines):
    """What is not a tile instruction, labels and jumps aside: by llvm-mca (as Ice Lake: LLVM 19 gives Sapphire Rapids one port for fp32 in zmm registers, it has two), or by what the two ports for zmm registers have to do (narrowing moves go twice through one), whichever is more."""
    body = [l for l in lines if not TILE.search(l) and not re.match(r"\s*(\.|#|j\w+\s)|\.L", l)]
    out = subprocess.run([MCA, "-mtriple=x86_64", "-mcpu=icelake-server", "-iterations=50"], input="\n".join(body) + "\n", capture_output=True, text=True)
    m = re.search(r"Total Cycles:\s+(\d+)", out.stdout)
    ports = sum((2 if re.search(r"vpmov[su]*[dw][bw]\s", l) else 0 if re.search(r"\svmov", l) else 1) for l in body if "zmm" in l)
    return max(int(m[1]) / 50, ports / 2) if m else sys.exit(out.stderr)


def load_cost(size):
    return 0.42 if size <= 0.75 * L1 else 0.95 if size <= 0.6 * L2 else 6.2


def model(name, mcc, folder):
    h, w, ci, co, k, s = LAYERS[name]
    text, rows = network(h, w, ci, co, k, s)
    asm, note = compile_layer(mcc, text, folder)
    if not asm:
        return None
    mt, nt, tr, nrun, rlen, order = note
    steps = -(-rlen // 64)
    kr = -(-(-(-rlen // steps)) // 4) * 4
    total, kb = steps * nrun, nrun * steps * kr
    panel, weights, a = kb * 16 * nt, kb * 16 * -(-co // 16), h * w * ci
    blocks = -(-rows // (mt * tr)) * -(-co // (16 * nt))
    inside = order == "rows"   # columns are the inner loop
    la = load_cost(mt * tr * kb + panel) if inside else load_cost(a + panel)
    lb = load_cost(weights if inside else panel)
    first = 6.2 if weights > L2 / 8 else 0.95
    product = total * mt * nt * max(8, tr)
    part = lambda b: total * (mt * tr * la + nt * kr / 4 * b) + mt * nt * tr * 1.25   # and bias in, sums out
    epilogue = vector_cycles(block_loop(asm))
    time = lambda b: max(product, part(b), epilogue) + 0.15 * (product + part(b) + epilogue - max(product, part(b), epilogue))
    once = -(-co // (16 * nt))   # blocks that see their weights for the first time
    cycles = once * time(first) + (blocks - once) * time(lb) + 300
    parts = {"products": product, "loads": part(lb), "epilogue": epilogue}
    return {"layer": name, "block": f"{mt}x{nt}x{tr}", "order": order, **{n: round(v) for n, v in parts.items()}, "bound": max(parts, key=parts.get),
            "gmacs": round(rows * co * k * k * ci / cycles * GHZ), "us": round(cycles / GHZ / 1e3, 2)}


def main():
    mcc, text, as_json = "build/release/bin/mcc", "", False
    for arg in sys.argv[1:]:
        if arg.startswith("--mcc="):
            mcc = arg[6:]
        elif arg == "--json":
            as_json = True
        elif arg.startswith("-"):
            sys.exit(__doc__)
        else:
            text = arg
    with tempfile.TemporaryDirectory() as folder:
        rows = [r for n in LAYERS if text in n and (r := model(n, mcc, pathlib.Path(folder)))]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print("model, not measured; cycles of one block of mt x nt tiles x rows, one core at 2.15 GHz")
    print(f"{'layer':32} {'block':8} {'outside':8} {'products':>8} {'loads':>6} {'epilogue':>8} {'bound':9} {'GMAC/s':>6} {'us':>8}")
    for r in rows:
        print(f"{r['layer']:32} {r['block']:8} {r['order']:8} {r['products']:8} {r['loads']:6} {r['epilogue']:8} {r['bound']:9} {r['gmacs']:6} {r['us']:8}")


main()
