/* canonicalize: activations written out in elementary ops. A product is looked at as a set of
 * factors and one number, so that the order of the multiplications does not matter. */
#include "rules.h"
#include <math.h>

enum { MAX_FACTORS = 6 };

typedef struct product {
  mc_value *f[MAX_FACTORS];
  int n;
  double scale;
} product;

static bool factors(mc_value *v, product *p, int depth);

static bool push(mc_value *v, product *p, int times) {
  for (; times > 0; times--) {
    if (p->n == MAX_FACTORS) return false;
    p->f[p->n++] = v;
  }
  return true;
}

static bool power_factors(mc_value *v, product *p) {
  float e;
  if (constant_splat(v->def->in[1], &e) && (e == 2 || e == 3))
    return push(v->def->in[0], p, (int)e);
  return push(v, p, 1);
}

/* v as scale * f[0] * f[1] * ... */
static bool factors(mc_value *v, product *p, int depth) {
  float c;
  if (constant_splat(v, &c)) return p->scale *= c, true;
  if (!v->def || !is_f32(v) || depth > 5) return push(v, p, 1);
  if (v->def->op == MC_OP_mul)
    return factors(v->def->in[0], p, depth + 1) && factors(v->def->in[1], p, depth + 1);
  return v->def->op == MC_OP_pow ? power_factors(v, p) : push(v, p, 1);
}

static bool product_of(mc_value *v, product *p) {
  *p = (product){ .scale = 1 };
  return factors(v, p, 0);
}

static bool close_to(double a, double b) { return fabs(a - b) <= 1e-3 * fabs(b); }

/* v = scale * x * x * ... (`times` factors). */
static bool is_power(mc_value *v, const mc_value *x, int times, double scale) {
  product p;
  if (!product_of(v, &p) || p.n != times || !close_to(p.scale, scale)) return false;
  for (int i = 0; i < times; i++)
    if (p.f[i] != x) return false;
  return true;
}

/* v = y + c: y, or NULL. */
static mc_value *minus_constant(const mc_value *v, double c) {
  mc_value *y, *k;
  return defined_by(v, MC_OP_add) && unclamped(v->def) && split_constant(v->def, &y, &k) &&
                 constant_near(k, c)
             ? y
             : NULL;
}

/* ---- gelu ---- */
static bool is_erf_term(const mc_value *v, const mc_value *x) {
  mc_value *y = minus_constant(v, 1);
  return y && defined_by(y, MC_OP_erf) && is_power(y->def->in[0], x, 1, 0.70710678118654752);
}

/* x + 0.044715 x^3 */
static bool is_cubic(const mc_value *v, const mc_value *x) {
  if (!defined_by(v, MC_OP_add)) return false;
  for (int i = 0; i < 2; i++)
    if (v->def->in[i] == x && is_power(v->def->in[1 - i], x, 3, 0.044715)) return true;
  return false;
}

/* 1 + 0.044715 x^2 */
static bool is_quadratic(const mc_value *v, const mc_value *x) {
  mc_value *y = minus_constant(v, 1);
  return y && is_power(y, x, 2, 0.044715);
}

static bool is_tanh_argument(mc_value *v, const mc_value *x) {
  product p;
  if (!product_of(v, &p) || !close_to(p.scale, 0.79788456080286536)) return false;
  if (p.n == 1) return is_cubic(p.f[0], x);
  return p.n == 2 &&
         ((p.f[0] == x && is_quadratic(p.f[1], x)) || (p.f[1] == x && is_quadratic(p.f[0], x)));
}

static bool is_tanh_term(const mc_value *v, const mc_value *x) {
  mc_value *y = minus_constant(v, 1);
  return y && defined_by(y, MC_OP_tanh) && is_tanh_argument(y->def->in[0], x);
}

/* ---- hard activations ---- */
/* min(max(y + 3, 0), 6): y, or NULL. */
static mc_value *relu6_of_plus3(const mc_value *v) {
  if (!defined_by(v, MC_OP_clamp) || MC_ATTRS(v->def, clamp)->low != 0 ||
      MC_ATTRS(v->def, clamp)->high != 6)
    return NULL;
  return minus_constant(v->def->in[0], 3);
}

static bool is_hard_sigmoid(const mc_value *v, const mc_value *x) {
  if (!defined_by(v, MC_OP_hard_sigmoid) || v->def->in[0] != x) return false;
  const mc_attrs_hard_sigmoid *a = MC_ATTRS(v->def, hard_sigmoid);
  return close_to(a->alpha, 1.0 / 6) && close_to(a->beta, 0.5);
}

/* ---- products ---- */
static bool one_factor(mc_pass_context *cx, mc_node *n, const product *p) {
  mc_value *x = relu6_of_plus3(p->f[0]);
  if (!x || !close_to(p->scale, 1.0 / 6) || x->type != n->out[0]->type) return false;
  return become(cx, n, MC_OP_hard_sigmoid, &x, 1,
                &(mc_attrs_hard_sigmoid){ .alpha = 1.0f / 6, .beta = 0.5f });
}

/* x times a function of x, `v`. */
static bool two_factors(mc_pass_context *cx, mc_node *n, mc_value *x, const mc_value *v,
                        double scale) {
  if (x->type != n->out[0]->type) return false;
  if (scale == 1 && defined_by(v, MC_OP_sigmoid) && v->def->in[0] == x)
    return become(cx, n, MC_OP_silu, &x, 1, NULL);
  if (scale == 1 && is_hard_sigmoid(v, x)) return become(cx, n, MC_OP_hard_swish, &x, 1, NULL);
  if (close_to(scale, 1.0 / 6) && relu6_of_plus3(v) == x)
    return become(cx, n, MC_OP_hard_swish, &x, 1, NULL);
  if (!close_to(scale, 0.5)) return false;
  if (is_erf_term(v, x)) return become(cx, n, MC_OP_gelu, &x, 1, NULL);
  return is_tanh_term(v, x) &&
         become(cx, n, MC_OP_gelu, &x, 1, &(mc_attrs_gelu){ .approximate = mc_approx_tanh });
}

bool rule_product(mc_pass_context *cx, mc_node *n) {
  product p;
  if (!is_f32(n->out[0]) || !product_of(n->out[0], &p)) return false;
  if (p.n == 1) return one_factor(cx, n, &p);
  return p.n == 2 && (two_factors(cx, n, p.f[0], p.f[1], p.scale) ||
                      two_factors(cx, n, p.f[1], p.f[0], p.scale));
}

/* 1 / (1 + exp(-x)) -> sigmoid, x / (1 + exp(-x)) -> silu. */
bool rule_quotient(mc_pass_context *cx, mc_node *n) {
  mc_value *e = is_f32(n->out[0]) ? minus_constant(n->in[1], 1) : NULL;
  if (!e || !defined_by(e, MC_OP_exp) || !defined_by(e->def->in[0], MC_OP_neg)) return false;
  mc_value *x = e->def->in[0]->def->in[0];
  if (x->type != n->out[0]->type) return false;
  if (constant_near(n->in[0], 1)) return become(cx, n, MC_OP_sigmoid, &x, 1, NULL);
  return n->in[0] == x && become(cx, n, MC_OP_silu, &x, 1, NULL);
}
