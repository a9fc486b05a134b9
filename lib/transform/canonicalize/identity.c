/* canonicalize: ops that do nothing, or do twice what once is enough. */
#include "rules.h"
#include <math.h>

bool split_constant(const mc_node *n, mc_value **x, mc_value **c) {
  for (int i = 0; i < 2; i++) {
    *x = n->in[i], *c = n->in[1 - i];
    if (mc_value_tensor(*c) && !mc_value_tensor(*x)) return true;
  }
  return false;
}

bool unclamped(const mc_node *add) {
  return isinf(MC_ATTRS(add, add)->clamp[0]) && isinf(MC_ATTRS(add, add)->clamp[1]);
}

static bool all_equal(const mc_ints *l, int64_t x) {
  for (int i = 0; i < l->n; i++)
    if (l->v[i] != x) return false;
  return true;
}

static bool permutes_nothing(const mc_ints *p) {
  for (int i = 0; i < p->n; i++)
    if (p->v[i] != i) return false;
  return true;
}

/* x op c == x for a neutral c; `right`: only as the second operand. */
static mc_value *neutral(const mc_node *n, float unit, bool right) {
  float c;
  if (constant_splat(n->in[1], &c) && c == unit) return n->in[0];
  return !right && constant_splat(n->in[0], &c) && c == unit ? n->in[1] : NULL;
}

/* Of a size that stays: every position is a sample. tf_half_pixel_for_nn lies between two. */
static bool samples_itself(const mc_attrs_resize *a) {
  bool own = (a->scale[0] == 0 || a->scale[0] == 1) && (a->scale[1] == 0 || a->scale[1] == 1);
  bool between = a->coord == mc_coord_tf_half_pixel_for_nn &&
                 (a->mode != mc_resize_nearest || a->round != mc_nearest_floor);
  return own && !between;
}

/* The operand that n equals, its type aside. */
static mc_value *same_as(const mc_node *n) {
  mc_value *x = n->nin ? n->in[0] : NULL;
  switch (n->op) {
  case MC_OP_add: return unclamped(n) ? neutral(n, 0, false) : NULL;
  case MC_OP_sub: return neutral(n, 0, true);
  case MC_OP_mul: return neutral(n, 1, false);
  case MC_OP_div:
  case MC_OP_pow: return neutral(n, 1, true);
  case MC_OP_cast:
  case MC_OP_reshape:
  case MC_OP_broadcast:
  case MC_OP_slice: return x; /* when the type stays */
  case MC_OP_resize: return samples_itself(MC_ATTRS(n, resize)) ? x : NULL;
  case MC_OP_pad:
    return all_equal(&MC_ATTRS(n, pad)->before, 0) && all_equal(&MC_ATTRS(n, pad)->after, 0) ? x
                                                                                             : NULL;
  case MC_OP_transpose: return permutes_nothing(&MC_ATTRS(n, transpose)->perm) ? x : NULL;
  case MC_OP_concat: return n->nin == 1 ? x : NULL;
  case MC_OP_split: return n->nout == 1 ? x : NULL;
  case MC_OP_global_avg_pool:
  case MC_OP_global_max_pool: return x;
  case MC_OP_clamp:
    return isinf(MC_ATTRS(n, clamp)->low) && isinf(MC_ATTRS(n, clamp)->high) &&
                   MC_ATTRS(n, clamp)->low < MC_ATTRS(n, clamp)->high
               ? x
               : NULL;
  case MC_OP_abs:
    return defined_by(x, MC_OP_abs) || defined_by(x, MC_OP_relu) || defined_by(x, MC_OP_sigmoid)
               ? x
               : NULL;
  case MC_OP_relu:
    return defined_by(x, MC_OP_relu) || defined_by(x, MC_OP_sigmoid) || defined_by(x, MC_OP_softmax)
               ? x
               : NULL;
  default: return NULL; /* every other op does something */
  }
}

static bool backwards(const mc_node *n) {
  const mc_ints *s = &MC_ATTRS(n, slice)->steps;
  for (int i = 0; i < s->n; i++)
    if (s->v[i] < 0) return true;
  return false;
}

bool rule_identity(mc_pass_context *cx, mc_node *n) {
  (void)cx; /* builds nothing */
  mc_value *x = n->nout == 1 || n->op == MC_OP_split ? same_as(n) : NULL;
  if (!x || x->type != n->out[0]->type || (n->op == MC_OP_slice && backwards(n))) return false;
  replace_node(n, x);
  return true;
}

/* ---- clamps ---- */
/* n as min(max(x, lo), hi). */
static bool as_clamp(const mc_node *n, mc_value **x, float *lo, float *hi) {
  mc_value *c;
  float v;
  *lo = -INFINITY, *hi = INFINITY;
  *x = n->nin ? n->in[0] : NULL;
  if (n->op == MC_OP_relu) return *lo = 0, true;
  if (n->op == MC_OP_clamp)
    return *lo = MC_ATTRS(n, clamp)->low, *hi = MC_ATTRS(n, clamp)->high, true;
  if ((n->op != MC_OP_min && n->op != MC_OP_max) || !split_constant(n, x, &c) ||
      !constant_splat(c, &v) || isnan(v))
    return false;
  *(n->op == MC_OP_min ? hi : lo) = v;
  return (*x)->type == n->out[0]->type;
}

static float limited(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }

/* Two clamps are one; max with 0 is relu. */
bool rule_clamps(mc_pass_context *cx, mc_node *n) {
  mc_value *x, *y;
  float lo, hi, lo2, hi2;
  if (!is_f32(n->out[0]) || !as_clamp(n, &x, &lo, &hi)) return false;
  bool merged = x->def && is_f32(x) && as_clamp(x->def, &y, &lo2, &hi2) && single_use(x);
  if (merged) {
    float l = limited(lo2, lo, hi), h = limited(hi2, lo, hi);
    lo = l, hi = h, x = y;
  }
  bool relu = lo == 0 && isinf(hi);
  if (!merged && (n->op == MC_OP_relu || (n->op == MC_OP_clamp && !relu))) return false;
  return relu ? become(cx, n, MC_OP_relu, &x, 1, NULL)
              : become(cx, n, MC_OP_clamp, &x, 1, &(mc_attrs_clamp){ .low = lo, .high = hi });
}

/* ---- concat ---- */
static int concat_axis(const mc_node *n) {
  return plain_axis(MC_ATTRS(n, concat)->axis, n->out[0]->type->rank);
}

static bool opens(const mc_node *n, const mc_value *x) {
  return defined_by(x, MC_OP_concat) && single_use(x) && concat_axis(x->def) == concat_axis(n) &&
         x->type->q.kind == MC_Q_NONE && x->def->in[0]->type->q.kind == MC_Q_NONE;
}

/* concat(a, concat(b, c)) = concat(a, b, c). */
bool rule_concat(mc_pass_context *cx, mc_node *n) {
  MC_VEC(mc_value *) in = { 0 };
  bool any = false;
  for (int i = 0; i < n->nin; i++) {
    const mc_node *inner = opens(n, n->in[i]) ? n->in[i]->def : NULL;
    for (int k = 0; inner && k < inner->nin; k++) MC_PUSH(cx->scratch, &in, inner->in[k]);
    if (!inner) MC_PUSH(cx->scratch, &in, n->in[i]);
    any |= inner != NULL;
  }
  return any && become(cx, n, MC_OP_concat, in.v, (int)in.n, n->attrs);
}
