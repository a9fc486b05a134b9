"""A network on stdout whose weights are of rank 2 in every sense: each kernel is the sum of two outer products over outputs, rows,
columns and channels; each matrix of two over the parts of its outputs (4 x 8) and inputs (4 x 4) that a tensor train takes."""
import random

rng = random.Random(7)


def vec(n):
    return [rng.uniform(-1, 1) for _ in range(n)]


def dense(x):
    return "[" + ", ".join(map(dense, x)) + "]" if isinstance(x, list) else "%.9g" % x


def kernel(o, kh, kw, ci, groups=1):
    w = []
    for _ in range(groups):
        t = [(vec(o // groups), vec(kh), vec(kw), vec(ci)) for _ in range(2)]
        w += [[[[sum(a[i] * b[y] * c[x] * d[k] for a, b, c, d in t) for k in range(ci)] for x in range(kw)] for y in range(kh)]
              for i in range(o // groups)]
    return dense(w)


def matrix():
    t = [(vec(4), vec(8), vec(4), vec(4)) for _ in range(2)]
    return dense([[sum(a[i // 8] * b[i % 8] * c[k // 4] * d[k % 4] for a, b, c, d in t) for k in range(16)] for i in range(32)])


print(f"""mir 1
graph @net(%x: f32[2,9,12,6]) -> f32[2,32] {{
  %w1 = const dense<{kernel(8, 3, 3, 6)}> : f32[8,3,3,6]
  %b1 = const dense<{dense(vec(8))}> : f32[8]
  %c1 = conv2d %x, %w1, %b1 {{stride=[2,1], pad=[1,0,2,1], dilation=[1,2], clamp=[-2.0,2.0]}} : f32[2,5,9,8]
  %w2 = const dense<{kernel(12, 3, 5, 4, 2)}> : f32[12,3,5,4]
  %c2 = conv2d %c1, %w2 {{stride=[1,2], pad=[1,2,1,2], groups=2}} : f32[2,5,5,12]
  %w3 = const dense<{kernel(16, 1, 1, 12)}> : f32[16,1,1,12]
  %c3 = conv2d %c2, %w3 {{stride=[2,2]}} : f32[2,3,3,16]
  %g = global_avg_pool %c3 : f32[2,1,1,16]
  %f = reshape %g {{shape=[2,16]}} : f32[2,16]
  %w4 = const dense<{matrix()}> : f32[32,16]
  %b4 = const dense<{dense(vec(32))}> : f32[32]
  %y = linear %f, %w4, %b4 {{clamp=[-1.0,inf]}} : f32[2,32]
  return %y
}}""")
