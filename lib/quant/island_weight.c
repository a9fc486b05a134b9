/* Weights of products: dequantized constants as i8 with zero point 0, in one part or in two. */
#include "islands.h"
#include <string.h>

/* ---- reading ---- */

static int element(const mc_tensor *t, int64_t i) {
  if (t->dtype == MC_i16) return ((const int16_t *)t->data)[i];
  return t->dtype == MC_i8 ? ((const int8_t *)t->data)[i] : ((const uint8_t *)t->data)[i];
}

/* As it is stored already. */
static bool ready(const weight *w) {
  const mc_type *t = w->whole ? w->whole->type : NULL;
  return t && t->dtype == MC_i8 && (t->q.kind == MC_Q_AXIS ? t->q.axis == 0 : t->q.zero == 0);
}

/* i16: differences of 8-bit integers to zero points of their own. */
static bool stored(const mc_value *v, weight *w) {
  const mc_tensor *t = mc_value_tensor(v);
  if (!t || !mc_type_is_quant(v->type) ||
      (t->dtype != MC_i8 && t->dtype != MC_u8 && t->dtype != MC_i16))
    return false;
  *w = (weight){ .whole = v, .shape = v->type, .name = t->name, .type = v->type };
  return true;
}

/* The elements, unless they are there. False when one does not fit 9 bits. */
static bool load(islands *s, weight *w) {
  if (w->d) return true;
  const mc_tensor *t = mc_value_tensor(w->whole);
  const mc_quant *q = &w->type->q;
  int64_t n = mc_tensor_elems(t), inner = 1;
  bool many = q->kind == MC_Q_AXIS;
  w->d = MC_NEWN(s->cx->scratch, int16_t, n);
  for (int64_t i = 0; i < n; i++) {
    int d = element(t, i) - (many ? 0 : q->zero);
    if (d < -255 || d > 255) return false;
    w->d[i] = (int16_t)d;
  }
  if (!many) return true;
  for (int i = q->axis + 1; i < t->rank; i++) inner *= t->dim[i];
  w->index = MC_NEWN(s->cx->scratch, int32_t, n);
  for (int64_t i = 0; i < n; i++) w->index[i] = (int32_t)(i / inner % t->dim[q->axis]);
  return true;
}

static void permute(islands *s, weight *w, const mc_node *n) {
  const mc_type *to = n->out[0]->type;
  const int64_t *perm = MC_ATTRS(n, transpose)->perm.v;
  int64_t elems = mc_type_elems(to), stride[MC_MAX_RANK], step[MC_MAX_RANK],
          at[MC_MAX_RANK] = { 0 }, from = 0;
  int16_t *d = MC_NEWN(s->cx->scratch, int16_t, elems);
  int32_t *index = w->index ? MC_NEWN(s->cx->scratch, int32_t, elems) : NULL;
  for (int64_t i = to->rank, k = 1; i-- > 0;) stride[i] = k, k *= w->shape->dim[i];
  for (int i = 0; i < to->rank; i++) step[i] = stride[perm[i]];
  for (int64_t i = 0; i < elems; i++) {
    d[i] = w->d[from];
    if (index) index[i] = w->index[from];
    for (int a = to->rank; a-- > 0;) {
      from += step[a];
      if (++at[a] < to->dim[a]) break;
      from -= step[a] * to->dim[a];
      at[a] = 0;
    }
  }
  w->d = d;
  w->index = index;
}

static bool find(islands *s, const mc_value *v, weight *w) {
  const mc_node *n = v->def;
  if (!n) return false;
  if (n->op == MC_OP_dequantize) return stored(n->in[0], w);
  if ((n->op != MC_OP_reshape && n->op != MC_OP_transpose) || !find(s, n->in[0], w) || !load(s, w))
    return false;
  if (n->op == MC_OP_transpose) permute(s, w, n);
  w->shape = v->type;
  w->whole = NULL;
  return true;
}

bool islands_weight(islands *s, const mc_value *v, weight *w) {
  return find(s, v, w) && (ready(w) || load(s, w));
}

bool islands_weight_fits(const weight *w) {
  for (int64_t i = 0, n = w->d ? mc_type_elems(w->shape) : 0; i < n; i++)
    if (w->d[i] < -128 || w->d[i] > 127) return false;
  return true;
}

/* ---- building ---- */

/* The scale's index of each channel; false when they do not go with axis 0. */
static bool channel_scales(const weight *w, int32_t *out) {
  int64_t n = mc_type_elems(w->shape), per = n / w->shape->dim[0];
  for (int64_t i = 0; i < n; i++) {
    int32_t c = w->index ? w->index[i] : 0;
    if (i % per == 0)
      out[i / per] = c;
    else if (out[i / per] != c)
      return false;
  }
  return true;
}

static mc_quant quant_of(islands *s, const weight *w, const int32_t *of, const char *stem) {
  int64_t n = w->shape->dim[0];
  bool one = true;
  for (int64_t c = 1; c < n; c++) one &= of[c] == of[0];
  if (one) return (mc_quant){ .kind = MC_Q_TENSOR, .scale = mc_type_scale(w->type, of[0]) };
  void *data;
  const char *name = mc_arena_printf(s->cx->scratch, "%s.scale", stem);
  mc_quant q = { .kind = MC_Q_AXIS,
                 .scales = mc_tensor_create(s->cx->module, name, MC_f32, 1, &n, &data) };
  for (int64_t c = 0; c < n; c++) ((float *)data)[c] = mc_type_scale(w->type, of[c]);
  return q;
}

static void fill(const weight *w, bool halves, int8_t *to) {
  int64_t n = mc_type_elems(w->shape), k = w->shape->dim[w->shape->rank - 1];
  for (int64_t i = 0; i < n; i++) {
    int d = w->d[i], part = d / 2;
    if (!halves)
      to[i] = (int8_t)d;
    else
      to[i / k * 2 * k + i % k] = (int8_t)part, to[i / k * 2 * k + k + i % k] = (int8_t)(d - part);
  }
}

mc_value *islands_build_weight(islands *s, mc_node *n, const weight *w, bool halves) {
  if (ready(w)) return (mc_value *)(uintptr_t)w->whole;
  int32_t *of = MC_NEWN(s->cx->scratch, int32_t, w->shape->dim[0]);
  if (!channel_scales(w, of)) return NULL;
  mc_type t = { .dtype = MC_i8, .rank = w->shape->rank };
  memcpy(t.dim, w->shape->dim, sizeof t.dim);
  if (halves) t.dim[t.rank - 1] *= 2;
  const char *stem =
      w->name ? w->name : mc_arena_printf(s->cx->scratch, "%s%u.w", mc_ops[n->op].text, n->id);
  t.q = quant_of(s, w, of, stem);
  void *data;
  mc_tensor *q = mc_tensor_create(s->cx->module, mc_arena_printf(s->cx->scratch, "%s.q", stem),
                                  MC_i8, t.rank, t.dim, &data);
  fill(w, halves, data);
  mc_builder b = { .graph = s->cx->graph, .before = n, .diag = s->cx->diag, .loc = n->loc };
  mc_value *v = mc_build_tensor(&b, q, mc_type_intern(s->cx->module, &t));
  s->failed |= !v;
  return v;
}
