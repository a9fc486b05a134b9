/* Dispatch, and the checks that every op needs. */
#include "infer.h"
#include <math.h>
#include <string.h>

static bool (*const infer_op[MC_NUM_OPS])(mc_infer *) = {
#define MC_OP(id, lo, hi, outs, traits, doc) [MC_OP_##id] = mc_infer_##id,
#include "mc/ir/ops.def"
};

bool mc_infer_error(mc_infer *f, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_strbuf b = { 0 };
  mc_sb_vprintf(&b, fmt, ap);
  va_end(ap);
  mc_error(f->diag, f->node->loc, "%s: %s", mc_ops[f->node->op].text, mc_sb_str(&b));
  mc_sb_free(&b);
  return false;
}

static bool check_counts(mc_infer *f) {
  const mc_node *n = f->node;
  const mc_op_info *o = &mc_ops[n->op];
  if (n->nin < o->in_min || (o->in_max >= 0 && n->nin > o->in_max)) {
    if (o->in_max < 0)
      return mc_infer_error(f, "takes at least %d operand%s, got %d", o->in_min,
                            o->in_min == 1 ? "" : "s", n->nin);
    if (o->in_min != o->in_max)
      return mc_infer_error(f, "takes %d to %d operands, got %d", o->in_min, o->in_max, n->nin);
    return mc_infer_error(f, "takes %d operand%s, got %d", o->in_min, o->in_min == 1 ? "" : "s",
                          n->nin);
  }
  if (o->outs >= 0 && n->nout != o->outs)
    return mc_infer_error(f, "has %d result%s, not %d", o->outs, o->outs == 1 ? "" : "s", n->nout);
  for (int i = 0; i < n->nin; i++)
    if (!n->in[i] || !n->in[i]->type)
      return mc_infer_error(f, "%s has no type", mc_inf_operand(f, i));
  return true;
}

bool mc_infer_node(mc_module *m, const mc_node *n, const mc_type *want, mc_type *out, mc_diag *d) {
  mc_infer f = { .module = m, .node = n, .diag = d, .want = want, .out = out };
  if (!check_counts(&f)) return false;
  if (n->nout > 0) memset(out, 0, sizeof *out * (size_t)n->nout);
  if (!infer_op[n->op](&f)) return false;
  for (int i = 0; i < n->nout; i++) {
    const char *wrong = mc_type_check(&out[i]);
    if (wrong) return mc_infer_error(&f, "the result would have an illegal type: %s", wrong);
  }
  return true;
}

static bool infer_again(mc_graph *g, mc_node *n, mc_diag *d) {
  if (n->region && !mc_infer_graph(n->region, d)) return false;
  mc_arena *a = mc_arena_create();
  mc_type *out = MC_NEWN(a, mc_type, n->nout);
  bool ok = mc_infer_node(g->module, n, n->nout > 0 ? n->out[0]->type : NULL, out, d);
  for (int i = 0; ok && i < n->nout; i++) n->out[i]->type = mc_type_intern(g->module, &out[i]);
  mc_arena_destroy(a);
  return ok;
}

bool mc_infer_graph(mc_graph *g, mc_diag *d) {
  MC_FOR_NODES (n, g)
    if (!infer_again(g, n, d)) return false;
  return true;
}

/* ---- texts ---- */

const char *mc_inf_operand(const mc_infer *f, int i) {
  const mc_op_doc *ins = mc_ops[f->node->op].ins, *in = ins;
  if (!ins->name) return mc_arena_printf(f->diag->arena, "operand %d", i);
  for (int k = 0; k < i && in[1].name; k++) in++;
  return mc_arena_printf(f->diag->arena, "operand %d (%s)", i, in->name);
}

const char *mc_inf_type_text(const mc_infer *f, const mc_type *t) {
  mc_strbuf b = { 0 };
  mc_type_print(&b, t);
  const char *s = mc_arena_strdup(f->diag->arena, mc_sb_str(&b));
  mc_sb_free(&b);
  return s;
}

const char *mc_inf_elem_text(const mc_infer *f, const mc_type *t) {
  char *s = mc_arena_strdup(f->diag->arena, mc_inf_type_text(f, t));
  *strrchr(s, '[') = 0;
  return s;
}

const char *mc_inf_dims_text(const mc_infer *f, const mc_type *t) {
  return strrchr(mc_inf_type_text(f, t), '[');
}

/* ---- checks ---- */

static bool same_scales(const mc_tensor *a, const mc_tensor *b) {
  return a == b || (a->dim[0] == b->dim[0] && !memcmp(a->data, b->data, a->size));
}

bool mc_inf_same_elem(const mc_type *a, const mc_type *b) {
  if (a->dtype != b->dtype || a->q.kind != b->q.kind) return false;
  if (a->q.kind == MC_Q_TENSOR) return a->q.scale == b->q.scale && a->q.zero == b->q.zero;
  return a->q.kind == MC_Q_NONE ||
         (a->q.axis == b->q.axis && same_scales(a->q.scales, b->q.scales));
}

void mc_inf_set_dims(mc_type *out, int rank, const int64_t *dim) {
  out->rank = rank;
  if (rank > 0) memcpy(out->dim, dim, sizeof *dim * (size_t)rank);
}

bool mc_inf_need_rank(mc_infer *f, int i, int rank) {
  const mc_type *t = mc_inf_in(f, i);
  return t->rank == rank || mc_infer_error(f, "%s must have %d dimensions, got %s",
                                           mc_inf_operand(f, i), rank, mc_inf_type_text(f, t));
}

bool mc_inf_need_f32(mc_infer *f, int i) {
  const mc_type *t = mc_inf_in(f, i);
  return mc_inf_is_plain(t, MC_f32) ||
         mc_infer_error(f, "%s must be f32, got %s", mc_inf_operand(f, i), mc_inf_elem_text(f, t));
}

bool mc_inf_need_real(mc_infer *f, int i) {
  const mc_type *t = mc_inf_in(f, i);
  return mc_inf_is_real(t) || mc_infer_error(f, "%s must be f32 or bf16, got %s",
                                             mc_inf_operand(f, i), mc_inf_elem_text(f, t));
}

bool mc_inf_need_shape(mc_infer *f, int i, int rank, const int64_t *dim, const char *why) {
  const mc_type *t = mc_inf_in(f, i);
  mc_type need = { 0 };
  mc_inf_set_dims(&need, rank, dim);
  if (mc_type_same_shape(t, &need)) return true;
  return mc_infer_error(f, "%s must have shape %s (%s), got %s", mc_inf_operand(f, i),
                        mc_inf_dims_text(f, &need), why, mc_inf_dims_text(f, t));
}

bool mc_inf_not_per_axis(mc_infer *f, int i) {
  const mc_type *t = mc_inf_in(f, i);
  return t->q.kind != MC_Q_AXIS ||
         mc_infer_error(f, "%s must not have a quantization per axis, got %s", mc_inf_operand(f, i),
                        mc_inf_elem_text(f, t));
}

bool mc_inf_attr_range(mc_infer *f, const char *name, const int64_t *v, int n, int64_t lo) {
  for (int i = 0; i < n; i++) {
    if (v[i] < lo)
      return mc_infer_error(f, "attribute '%s' must be at least %lld, got %lld", name,
                            (long long)lo, (long long)v[i]);
    if (v[i] > INT32_MAX)
      return mc_infer_error(f, "attribute '%s' is too large: %lld", name, (long long)v[i]);
  }
  return true;
}

bool mc_inf_axis(mc_infer *f, const char *name, int64_t axis, int rank, int *out) {
  if (axis < -rank || axis >= rank)
    return mc_infer_error(f, "attribute '%s' is %lld, but the operand has %d dimension%s", name,
                          (long long)axis, rank, rank == 1 ? "" : "s");
  *out = (int)(axis < 0 ? axis + rank : axis);
  return true;
}

bool mc_inf_attr_length(mc_infer *f, const char *name, const mc_ints *l, int n) {
  return l->n == n ||
         mc_infer_error(f, "attribute '%s' expects %d integer%s (one per dimension), got %d", name,
                        n, n == 1 ? "" : "s", l->n);
}

bool mc_inf_clamp(mc_infer *f, const float clamp[2], const mc_type *out) {
  if (isnan(clamp[0]) || isnan(clamp[1]) || clamp[0] > clamp[1])
    return mc_infer_error(f, "attribute 'clamp' needs low <= high");
  bool used = !(isinf(clamp[0]) && clamp[0] < 0 && isinf(clamp[1]) && clamp[1] > 0);
  if (used && !mc_inf_is_real(out))
    return mc_infer_error(f,
                          "attribute 'clamp' applies to f32 and bf16 results only, this one is %s",
                          mc_inf_elem_text(f, out));
  return true;
}

bool mc_inf_finite(mc_infer *f, const char *name, float x) {
  return isfinite(x) || mc_infer_error(f, "attribute '%s' must be finite", name);
}

bool mc_inf_q8_result(mc_infer *f, mc_type *out) {
  const mc_type *w = f->want;
  if (!w || w->q.kind == MC_Q_NONE)
    return mc_infer_error(f, "the result's quantization must be given");
  if (!mc_inf_is_q8(w))
    return mc_infer_error(f, "the result must be u8 or i8 with one scale, got %s",
                          mc_inf_elem_text(f, w));
  for (int i = 0; i < f->node->nin; i++) {
    const mc_type *t = mc_inf_in(f, i);
    float m = t->q.kind == MC_Q_TENSOR ? t->q.scale / w->q.scale : 1;
    if (!isfinite(m) || m <= 0)
      return mc_infer_error(f,
                            "the scale of %s over the result's is not a finite fp32 number above 0",
                            mc_inf_operand(f, i));
  }
  mc_inf_set_elem(out, w);
  return true;
}

bool mc_inf_broadcast(mc_infer *f, const mc_type *a, const mc_type *b, int skip_last,
                      mc_type *out) {
  int ra = a->rank - skip_last, rb = b->rank - skip_last, r = ra > rb ? ra : rb;
  out->rank = r;
  for (int i = 1; i <= r; i++) {
    int64_t x = i <= ra ? a->dim[ra - i] : 1, y = i <= rb ? b->dim[rb - i] : 1;
    if (x != y && x != 1 && y != 1)
      return mc_infer_error(f, "shapes %s and %s do not broadcast: %lld against %lld",
                            mc_inf_dims_text(f, a), mc_inf_dims_text(f, b), (long long)x,
                            (long long)y);
    out->dim[r - i] = x == 1 ? y : x;
  }
  return true;
}
