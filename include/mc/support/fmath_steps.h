/* The fp32 functions as sequences of steps, written once. support/fmath.c instantiates them with C
 * floats (the reference evaluator), code generation with LLVM values of any vector width: the same
 * steps in the same order give the same bits on every machine, because each step is one IEEE
 * operation (no FMA, no libm).
 *
 * No include guard. Before including, define the value types and the steps:
 *
 *   FV, IV, MV             a float, an i32 of the same bits, a condition (one per lane)
 *   FM(name)               the function's name
 *   FM_FN                  storage class (static inline, ...)
 *   FM_CX, FM_ARG          what is before the first parameter, argument, with its comma, or nothing
 *   F_K(c) I_K(c)          constants
 *   F_ADD F_SUB F_MUL      (a, b) as IEEE has it, rounded to nearest even; F_DIV too
 *   F_MIN F_MAX (a, b)     a < b ? a : b, a > b ? a : b (so a NaN in a gives b)
 *   F_LT F_LE F_EQ (a, b)  -> MV, false on NaN
 *   F_SEL(m, a, b)         m ? a : b
 *   F_BITS(a) I_BITS(i)    bit casts: -> IV, -> FV
 *   F_TO_I(a)              -> IV, toward zero, |a| < 2^31
 *   I_TO_F(i)              -> FV, rounded to nearest even
 *   I_ADD I_AND I_XOR      (i, j) modulo 2^32
 *   I_SHL I_SHR (i, n)     n a C constant; SHR keeps the sign
 *
 * Constants are never computed at run time. No expression below has two operands that are both
 * steps, so that the order in which C evaluates arguments cannot change the order in which
 * instructions are emitted. All names are undefined again at the end, FM_CX and FM_ARG too.
 *
 * Every function maps NaN to NaN (relu, clamp, hard_sigmoid excepted: to the lower bound); which
 * NaN is not specified. Errors: docs/reference/numerics.md. */

/* e^x = 2^n e^r, n = rne(x / ln 2), |r| <= ln 2 / 2 by Cody and Waite's two-part reduction (n *
 * 355/512 is exact), e^r = 1 + (r + r^2 q(r)). Results below 2^-126 are 0 (no subnormals), above
 * the largest float inf. */
FM_FN FV FM(exp_reduced)(FM_CX FV c) {
  FV t = F_MUL(c, F_K(1.44269502162933349609375f));
  t = F_ADD(t, F_K(12582912.0f)); /* 1.5 * 2^23: the low bits of t are now n */
  FV n = F_SUB(t, F_K(12582912.0f));
  FV r = F_SUB(c, F_MUL(n, F_K(0.693359375f)));
  r = F_ADD(r, F_MUL(n, F_K(2.12194440e-4f)));
  FV q = F_MUL(r, F_K(1.395049156e-03f));
  q = F_ADD(q, F_K(8.368889801e-03f));
  q = F_ADD(F_MUL(q, r), F_K(4.166620597e-02f));
  q = F_ADD(F_MUL(q, r), F_K(1.666651815e-01f));
  q = F_ADD(F_MUL(q, r), F_K(0.5f));
  FV z = F_MUL(r, r);
  z = F_MUL(z, q);
  FV y = F_ADD(r, z);
  y = F_ADD(y, F_K(1.0f));
  IV s = I_SHL(F_BITS(t), 23);
  IV b = F_BITS(y);
  return I_BITS(I_ADD(b, s)); /* times 2^n: y stays a normal number by the bounds on c */
}

FM_FN FV FM(exp)(FM_CX FV x) {
  FV c = F_MAX(x, F_K(-87.33654022216796875f));
  c = F_MIN(c, F_K(88.72283935546875f));
  FV y = FM(exp_reduced)(FM_ARG c);
  MV low = F_LT(x, F_K(-87.33654022216796875f));
  y = F_SEL(low, F_K(0.0f), y);
  MV high = F_LT(F_K(88.72283935546875f), x);
  y = F_SEL(high, F_K(__builtin_inff()), y);
  return F_SEL(F_EQ(x, x), y, x);
}

/* exp of x <= 0 or NaN, the same bits: nothing to be done about what is too large. */
FM_FN FV FM(exp_negative)(FM_CX FV x) {
  FV c = F_MAX(x, F_K(-87.33654022216796875f));
  FV y = FM(exp_reduced)(FM_ARG c);
  MV low = F_LT(x, F_K(-87.33654022216796875f));
  y = F_SEL(low, F_K(0.0f), y);
  return F_SEL(F_EQ(x, x), y, x);
}

/* log x = e ln 2 + log(1 + f), 1 + f in [sqrt 1/2, sqrt 2): f - f^2 / 2 + f^3 p(f). Subnormals are
 * scaled by 2^23 first. */
FM_FN FV FM(log)(FM_CX FV x) {
  MV tiny = F_LT(x, F_K(1.17549435e-38f));
  FV xs = F_MUL(x, F_K(8388608.0f));
  xs = F_SEL(tiny, xs, x);
  IV i = I_ADD(F_BITS(xs), I_K(-0x3f3504f3));
  FV e = I_TO_F(I_SHR(i, 23));
  FV corr = F_SEL(tiny, F_K(-23.0f), F_K(0.0f));
  e = F_ADD(e, corr);
  IV mi = I_AND(i, I_K(0x7fffff));
  mi = I_ADD(mi, I_K(0x3f3504f3));
  FV f = F_SUB(I_BITS(mi), F_K(1.0f));
  FV z = F_MUL(f, f);
  FV p = F_MUL(f, F_K(6.915146858e-02f));
  p = F_ADD(p, F_K(-1.178969592e-01f));
  p = F_ADD(F_MUL(p, f), F_K(1.187301651e-01f));
  p = F_ADD(F_MUL(p, f), F_K(-1.238436997e-01f));
  p = F_ADD(F_MUL(p, f), F_K(1.421865523e-01f));
  p = F_ADD(F_MUL(p, f), F_K(-1.666924953e-01f));
  p = F_ADD(F_MUL(p, f), F_K(2.000222653e-01f));
  p = F_ADD(F_MUL(p, f), F_K(-2.499998659e-01f));
  p = F_ADD(F_MUL(p, f), F_K(3.333331048e-01f));
  FV y = F_MUL(f, z);
  y = F_MUL(y, p);
  y = F_ADD(y, F_MUL(e, F_K(-2.12194440e-4f)));
  y = F_SUB(y, F_MUL(z, F_K(0.5f)));
  y = F_ADD(f, y);
  y = F_ADD(y, F_MUL(e, F_K(0.693359375f)));
  MV fin = F_LT(x, F_K(__builtin_inff()));
  y = F_SEL(fin, y, x); /* inf and NaN */
  MV zero = F_EQ(x, F_K(0.0f));
  y = F_SEL(zero, F_K(-__builtin_inff()), y);
  MV neg = F_LT(x, F_K(0.0f));
  return F_SEL(neg, F_K(__builtin_nanf("")), y);
}

FM_FN FV FM(neg)(FM_CX FV x) { return I_BITS(I_XOR(F_BITS(x), I_K(INT32_MIN))); }

FM_FN FV FM(abs)(FM_CX FV x) { return I_BITS(I_AND(F_BITS(x), I_K(0x7fffffff))); }

/* a >= 0 with the sign of x put on. */
FM_FN FV FM(signed)(FM_CX FV a, FV x) {
  IV s = I_AND(F_BITS(x), I_K(INT32_MIN));
  return I_BITS(I_XOR(F_BITS(a), s));
}

/* |x| < 0.55: x + x z p(z), z = x^2; else (1 - t) / (1 + t), t = e^(-2|x|). */
FM_FN FV FM(tanh)(FM_CX FV x) {
  FV a = FM(abs)(FM_ARG x);
  FV t = FM(exp)(FM_ARG F_MUL(a, F_K(-2.0f)));
  FV num = F_SUB(F_K(1.0f), t);
  FV den = F_ADD(F_K(1.0f), t);
  FV big = F_DIV(num, den);
  big = FM(signed)(FM_ARG big, x);
  FV z = F_MUL(x, x);
  FV p = F_MUL(z, F_K(-6.282472983e-03f));
  p = F_ADD(p, F_K(2.107775770e-02f));
  p = F_ADD(F_MUL(p, z), F_K(-5.385385826e-02f));
  p = F_ADD(F_MUL(p, z), F_K(1.333260238e-01f));
  p = F_ADD(F_MUL(p, z), F_K(-3.333331943e-01f));
  p = F_MUL(p, z);
  FV small = F_ADD(F_MUL(p, x), x);
  return F_SEL(F_LT(a, F_K(0.55f)), small, big);
}

FM_FN FV FM(sigmoid)(FM_CX FV x) {
  FV n = FM(neg)(FM_ARG x);
  FV e = FM(exp)(FM_ARG n);
  return F_DIV(F_K(1.0f), F_ADD(e, F_K(1.0f)));
}

/* |x| < 0.95: x + x p(x^2); else 1 - e^g(a), a = min(|x|, 4), g a fit of log(erfc a). */
FM_FN FV FM(erf)(FM_CX FV x) {
  FV a = FM(abs)(FM_ARG x);
  FV c = F_MIN(F_K(4.0f), a); /* NaN stays */
  FV g = F_MUL(c, F_K(1.971816528e-04f));
  g = F_ADD(g, F_K(-3.055606736e-03f));
  g = F_ADD(F_MUL(g, c), F_K(2.227708511e-02f));
  g = F_ADD(F_MUL(g, c), F_K(-1.040373519e-01f));
  g = F_ADD(F_MUL(g, c), F_K(-6.370597482e-01f));
  g = F_ADD(F_MUL(g, c), F_K(-1.127749562e+00f));
  g = F_ADD(F_MUL(g, c), F_K(-1.774955017e-04f));
  FV big = F_SUB(F_K(1.0f), FM(exp)(FM_ARG g));
  big = FM(signed)(FM_ARG big, x);
  FV z = F_MUL(x, x);
  FV p = F_MUL(z, F_K(8.215426351e-05f));
  p = F_ADD(p, F_K(-8.105965680e-04f));
  p = F_ADD(F_MUL(p, z), F_K(5.197797436e-03f));
  p = F_ADD(F_MUL(p, z), F_K(-2.685810439e-02f));
  p = F_ADD(F_MUL(p, z), F_K(1.128367260e-01f));
  p = F_ADD(F_MUL(p, z), F_K(-3.761263192e-01f));
  p = F_ADD(F_MUL(p, z), F_K(1.283791661e-01f));
  FV small = F_ADD(F_MUL(p, x), x);
  return F_SEL(F_LT(a, F_K(0.95f)), small, big);
}

FM_FN FV FM(gelu)(FM_CX FV x) {
  FV e = FM(erf)(FM_ARG F_MUL(x, F_K(0.707106769084930419921875f)));
  e = F_ADD(e, F_K(1.0f));
  FV h = F_MUL(x, F_K(0.5f));
  return F_MUL(h, e);
}

/* 0.5 x (1 + tanh u) = x / (1 + e^(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3). */
FM_FN FV FM(gelu_tanh)(FM_CX FV x) {
  FV z = F_MUL(x, x);
  FV t = F_MUL(z, F_K(-0.0713548162f));
  t = F_ADD(t, F_K(-1.59576912f));
  t = F_MUL(t, x);
  FV e = FM(exp)(FM_ARG t);
  return F_DIV(x, F_ADD(e, F_K(1.0f)));
}

/* x (0.5 + c p(c^2)), c = x between -l and l, where c p(c^2) is 0.5 to the last bit: beyond l the
 * result is x, below -l it is -0. p is no fit of utils/fit_fmath.py: a weighted one, moved until it
 * reaches 0.5; test/unit/fmath_test.c holds what it is good for. */
FM_FN FV FM(gelu_short)(FM_CX FV x) {
  FV c = F_MAX(x, F_K(-4.19039965f));
  c = F_MIN(c, F_K(4.19039965f));
  FV z = F_MUL(c, c);
  FV p = F_MUL(z, F_K(-7.885763709e-10f));
  p = F_ADD(p, F_K(7.113758471e-08f));
  p = F_ADD(F_MUL(p, z), F_K(-2.790681719e-06f));
  p = F_ADD(F_MUL(p, z), F_K(6.301654503e-05f));
  p = F_ADD(F_MUL(p, z), F_K(-9.167343960e-04f));
  p = F_ADD(F_MUL(p, z), F_K(9.135451168e-03f));
  p = F_ADD(F_MUL(p, z), F_K(-6.514387578e-02f));
  p = F_ADD(F_MUL(p, z), F_K(3.981400430e-01f));
  p = F_MUL(p, c);
  p = F_ADD(p, F_K(0.5f));
  return F_MUL(x, p);
}

FM_FN FV FM(silu)(FM_CX FV x) {
  FV n = FM(neg)(FM_ARG x);
  FV e = FM(exp)(FM_ARG n);
  return F_DIV(x, F_ADD(e, F_K(1.0f)));
}

FM_FN FV FM(elu)(FM_CX FV x, FV alpha) {
  FV e = FM(exp)(FM_ARG x);
  e = F_SUB(e, F_K(1.0f));
  e = F_MUL(e, alpha);
  return F_SEL(F_LE(F_K(0.0f), x), x, e);
}

FM_FN FV FM(leaky_relu)(FM_CX FV x, FV alpha) {
  FV s = F_MUL(x, alpha);
  return F_SEL(F_LE(F_K(0.0f), x), x, s);
}

FM_FN FV FM(relu)(FM_CX FV x) { return F_MAX(x, F_K(0.0f)); }

FM_FN FV FM(clamp)(FM_CX FV x, FV low, FV high) {
  FV y = F_MAX(x, low);
  return F_MIN(y, high);
}

FM_FN FV FM(hard_sigmoid)(FM_CX FV x, FV alpha, FV beta) {
  FV y = F_MUL(x, alpha);
  y = F_ADD(y, beta);
  y = F_MAX(y, F_K(0.0f));
  return F_MIN(y, F_K(1.0f));
}

/* x * (min(max(x + 3, 0), 6) * (1/6)): exactly x from x = 3 on. */
FM_FN FV FM(hard_swish)(FM_CX FV x) {
  FV y = F_ADD(x, F_K(3.0f));
  y = F_MAX(y, F_K(0.0f));
  y = F_MIN(y, F_K(6.0f));
  y = F_MUL(y, F_K(0.16666667163372039794921875f));
  return F_MUL(x, y);
}

/* e^(y log |x|), negative for x < 0 and odd y, NaN for x < 0 and y not an integer; 1 for y = 0 and
 * for x = 1. */
FM_FN FV FM(pow)(FM_CX FV x, FV y) {
  FV l = FM(log)(FM_ARG FM(abs)(FM_ARG x));
  FV r = FM(exp)(FM_ARG F_MUL(y, l));
  FV ya = FM(abs)(FM_ARG y);
  FV yc = F_MIN(ya, F_K(16777216.0f)); /* from 2^24 on every float is an even integer */
  IV yi = F_TO_I(yc);
  MV whole = F_EQ(I_TO_F(yi), yc);
  IV odd = I_SHL(yi, 31);
  odd = I_AND(odd, F_BITS(x));
  FV s = I_BITS(I_XOR(odd, F_BITS(r)));
  FV frac = F_SEL(F_LT(x, F_K(0.0f)), F_K(__builtin_nanf("")), r);
  r = F_SEL(whole, s, frac);
  r = F_SEL(F_EQ(y, F_K(0.0f)), F_K(1.0f), r);
  return F_SEL(F_EQ(x, F_K(1.0f)), F_K(1.0f), r);
}

#undef FV
#undef IV
#undef MV
#undef FM
#undef FM_FN
#undef FM_CX
#undef FM_ARG
#undef F_K
#undef I_K
#undef F_ADD
#undef F_SUB
#undef F_MUL
#undef F_DIV
#undef F_MIN
#undef F_MAX
#undef F_LT
#undef F_LE
#undef F_EQ
#undef F_SEL
#undef F_BITS
#undef I_BITS
#undef F_TO_I
#undef I_TO_F
#undef I_ADD
#undef I_AND
#undef I_XOR
#undef I_SHL
#undef I_SHR
