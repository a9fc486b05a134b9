#!/usr/bin/env python3
"""Fit the polynomials of include/mc/support/fmath_steps.h (docs/reference/numerics.md, "Functions").

Minimax fits by iteratively reweighted least squares (Lawson) in double precision; prints coefficients rounded to fp32,
lowest degree first, and the largest error of the fit. The rounding of each step comes on top: test/unit/fmath.c measures the whole."""
import math
import numpy as np


def lawson(f, weight, degree, lo, hi, n=4000, rounds=200):
    """Coefficients c of sum c[i] x^i that keep max |weight * (f - p)| small on [lo, hi]."""
    x = (lo + hi) / 2 - (hi - lo) / 2 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    y, w = f(x), weight(x)
    a = np.vander(x / max(abs(lo), abs(hi)), degree + 1, increasing=True)
    lam = np.full(n, 1.0 / n)
    best, best_err = None, math.inf
    for _ in range(rounds):
        s = np.sqrt(lam) * w
        c = np.linalg.lstsq(a * s[:, None], y * s, rcond=None)[0]
        e = np.abs(w * (y - a @ c))
        if e.max() < best_err:
            best, best_err = c, e.max()
        lam = lam * (e + 1e-300)
        lam /= lam.sum()
    return best / max(abs(lo), abs(hi)) ** np.arange(degree + 1), best_err


def show(name, c, err):
    print(name, "fit error 2^%.2f" % math.log2(err))
    for v in c:
        print("   %.9ef" % np.float32(v))


def series(fn, x, small, taylor):
    """fn(x), but a Taylor series where fn cancels."""
    return np.where(np.abs(x) < small, taylor(x), fn(np.where(np.abs(x) < small, small, x)))


erf = np.vectorize(math.erf)
erfc = np.vectorize(math.erfc)
h = math.log(2) / 2 * 1.0001
show("exp: (exp(r) - 1 - r) / r^2, |r| <= ln2/2",
     *lawson(lambda r: series(lambda t: (np.expm1(t) - t) / t**2, r, 0.02,
                              lambda t: 1/2 + t/6 + t**2/24 + t**3/120 + t**4/720 + t**5/5040 + t**6/40320), lambda r: r**2, 4, -h, h))
lo, hi = math.sqrt(0.5) - 1, math.sqrt(2) - 1
show("log: (log(1 + f) - f + f^2/2) / f^3, 1 + f in [sqrt 0.5, sqrt 2]",
     *lawson(lambda f: series(lambda t: (np.log1p(t) - t + t**2/2) / t**3, f, 0.02,
                              lambda t: sum((-1)**k * t**k / (k + 3) for k in range(12))), lambda f: f**2, 8, lo, hi))
show("tanh: (tanh(x) / x - 1) / x^2 in x^2, |x| <= 0.55",
     *lawson(lambda z: series(lambda t: (np.tanh(np.sqrt(t)) / np.sqrt(t) - 1) / t, z, 1e-3,
                              lambda t: -1/3 + 2*t/15 - 17*t**2/315 + 62*t**3/2835), lambda z: z, 4, 0.0, 0.55**2))
show("erf: erf(x) / x - 1 in x^2, |x| <= 0.95",
     *lawson(lambda z: series(lambda t: erf(np.sqrt(t)) / np.sqrt(t) - 1, z, 1e-4,
                              lambda t: 2/math.sqrt(math.pi) * (1 - t/3 + t**2/10 - t**3/42) - 1), lambda z: 1 + 0 * z, 6, 0.0, 0.95**2))
show("erf tail: log(erfc(a)), a in [0.9, 4]",
     *lawson(lambda a: np.log(erfc(a)), lambda a: erfc(a), 6, 0.9, 4.0))
