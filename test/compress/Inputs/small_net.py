"""A small network with seeded weights, and samples for it: small_net.py NET.mir SAMPLES.npz [COUNT] [KIND]

Kinds: plain; nan (a sample holds NaN); same (all samples are one); short (samples of another shape); batch_norm."""
import sys
import numpy as np

net, samples = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 64
kind = sys.argv[4] if len(sys.argv) > 4 else "plain"
rng = np.random.default_rng(3)


def dense(x):
    return "[" + ", ".join(map(dense, x)) + "]" if x.ndim else "%.9g" % x


def const(name, *shape):
    x = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 4)
    text = ",".join(map(str, shape))
    return f"  %{name} = const dense<{dense(x.astype(np.float32))}> : f32[{text}]\n"


def norm(x, c, shape):
    parts = [f"  %bn_{k} = const dense<{dense(rng.uniform(0.5, 1.5, c).astype(np.float32))}> : f32[{c}]\n" for k in "gbmv"]
    return "".join(parts) + f"  %bn = batch_norm {x}, %bn_g, %bn_b, %bn_m, %bn_v : {shape}\n"


first = "%bn" if kind == "batch_norm" else "%c1"
text = f"""mir 1
graph @net(%x: f32[1,12,12,3]) -> f32[1,10] {{
{const("w1", 16, 3, 3, 3)}{const("b1", 16)}  %c1 = conv2d %x, %w1, %b1 {{pad=[1,1,1,1]}} : f32[1,12,12,16]
{norm("%c1", 16, "f32[1,12,12,16]") if kind == "batch_norm" else ""}  %r1 = relu {first} : f32[1,12,12,16]
{const("w2", 16, 3, 3, 16)}  %c2 = conv2d %r1, %w2 {{pad=[1,1,1,1], clamp=[0.0,inf]}} : f32[1,12,12,16]
{const("w3", 16, 3, 3, 16)}{const("b3", 16)}  %c3 = conv2d %c2, %w3, %b3 {{pad=[1,1,1,1]}} : f32[1,12,12,16]
  %s = add %r1, %c3 : f32[1,12,12,16]
{const("w4", 32, 3, 3, 8)}  %c4 = conv2d %s, %w4 {{stride=[2,2], pad=[0,0,1,1], groups=2, clamp=[0.0,inf]}} : f32[1,6,6,32]
{const("w5", 32, 3, 3, 1)}  %c5 = conv2d %c4, %w5 {{pad=[1,1,1,1], groups=32}} : f32[1,6,6,32]
{const("w6", 32, 1, 1, 32)}  %c6 = conv2d %c5, %w6 {{clamp=[0.0,6.0]}} : f32[1,6,6,32]
{const("w7", 8, 2, 2, 32)}  %c7 = conv_transpose2d %c6, %w7 {{stride=[2,2]}} : f32[1,12,12,8]
  %g = global_avg_pool %c7 : f32[1,1,1,8]
  %f = reshape %g {{shape=[1,8]}} : f32[1,8]
{const("w8", 24, 8)}  %l = linear %f, %w8 {{clamp=[0.0,inf]}} : f32[1,24]
{const("w9", 10, 24)}{const("b9", 10)}  %y = linear %l, %w9, %b9 : f32[1,10]
  return %y
}}
"""
open(net, "w").write(text)
# smooth images: few directions vary much
x = rng.normal(size=(count, 4, 4, 3)).repeat(3, 1).repeat(3, 2) + 0.1 * rng.normal(size=(count, 12, 12, 3))
if kind == "nan":
    x[count // 2, 1, 1, 1] = np.nan
elif kind == "same":
    x[:] = x[0]
elif kind == "short":
    x = x[:, :6]
np.savez(samples, x=x.astype(np.float32))
