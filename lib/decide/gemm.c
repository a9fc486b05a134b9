/* conv2d and linear brought into the form of mc_gemm; what all products need, sizes and scratch. */
#include "prepare.h"
#include "mc/target/tuning.h"
#include <stdarg.h>
#include <string.h>

bool mc_gemm_refuse(const mc_gemm *p, const mc_node *n, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_report(p->diag, MC_ERROR, (n ? n : p->ask->group)->loc, fmt, ap);
  va_end(ap);
  return false;
}

/* ---- sizes ---- */

int64_t mc_gemm_vectors(int64_t n) { return (n + MC_GEMM_LANES - 1) / MC_GEMM_LANES; }

int64_t mc_gemm_elem(const mc_engine *e) { return (int64_t)mc_dtype_size(mc_engine_weights(e)); }

int64_t mc_gemm_a_elem(const mc_engine *e) {
  return e->sign == MC_SIGN_wide ? 2 * mc_gemm_elem(e) : mc_gemm_elem(e);
}

int64_t mc_gemm_b_elem(const mc_engine *e) { return mc_engine_widens_b(e) ? 4 : mc_gemm_elem(e); }

void mc_gemm_steps(mc_gemm *p) {
  p->kr = p->e->kr;
  if (p->e->tile && p->rlen)
    mc_tile_depth(p->e, p->rlen, &p->kr, &p->steps);
  else
    p->steps = (p->rlen + p->kr - 1) / p->kr;
}

int64_t mc_gemm_column_bytes(const mc_gemm *p) {
  return p->nrun * p->steps * p->kr * mc_gemm_elem(p->e);
}

int64_t mc_gemm_panel(const mc_gemm *p) {
  return mc_gemm_vectors(p->n) * MC_GEMM_LANES * mc_gemm_column_bytes(p);
}

int mc_gemm_acc_rows(const mc_gemm *p, int mr) { return (mr + p->e->rows - 1) / p->e->rows; }

/* ---- engine and operands ---- */

/* The names of those that could. */
static const char *engines(const mc_gemm *p) {
  const mc_engine *e,
      *tiles = mc_engine_find_tile(p->ask->target, mc_engine_kind(p->head->in[0]->type->dtype));
  const char *names = "";
  for (int i = 0; (e = mc_gemm_legal(p->ask->target, p->head, i)) != NULL; i++)
    names = mc_arena_printf(p->arena, "%s%s%s", names, *names ? ", " : "", e->name);
  return tiles ? mc_arena_printf(p->arena, "%s and perhaps %s", names, tiles->name) : names;
}

/* Engine and sign handling for A. */
static bool engine(mc_gemm *p) {
  const mc_type *a = p->head->in[0]->type;
  bool bytes = a->dtype == MC_u8 || a->dtype == MC_i8;
  char kind = mc_engine_kind(a->dtype);
  if (!kind)
    return mc_gemm_refuse(p, p->head, "'%s' on %s operands has no lowering",
                          mc_ops[p->head->op].text, mc_dtype_names[a->dtype]);
  p->e = mc_gemm_engine(p->ask->target, p->ask->group, p->head, kind);
  const char *asked = MC_ATTRS(p->ask->group, group)->engine;
  if (!p->e && asked && *asked)
    return mc_gemm_refuse(p, NULL, "'engine': %s cannot compute this '%s' on '%s', where %s can",
                          asked, mc_ops[p->head->op].text, p->ask->target->name, engines(p));
  if (!p->e)
    return mc_gemm_refuse(p, p->head, "no engine for '%s' on this target",
                          mc_ops[p->head->op].text);
  p->za = gemm_zero(a);
  p->a_signed = a->dtype == MC_i8;
  p->flip = bytes && (p->e->sign == MC_SIGN_u8 || p->e->sign == MC_SIGN_s8) &&
            (p->e->sign == MC_SIGN_s8) != p->a_signed;
  if (p->flip) {
    p->za += p->a_signed ? 128 : -128;
    p->a_signed = !p->a_signed;
  }
  return true;
}

static const mc_tensor *constant(const mc_gemm *p, int slot, const char *what) {
  if (p->head->nin <= slot) return NULL;
  const mc_tensor *t = mc_value_tensor(p->head->in[slot]);
  if (!t)
    mc_gemm_refuse(p, p->head, "'%s' with a %s that is not a constant has no lowering",
                   mc_ops[p->head->op].text, what);
  return t;
}

bool gemm_weights(mc_gemm *p) {
  const mc_tensor *w = constant(p, 1, "weight"), *b = w ? constant(p, 2, "bias") : NULL;
  if (!w || (p->head->nin > 2 && !b)) return false;
  if (w->dtype != mc_engine_weights(p->e))
    return mc_gemm_refuse(p, p->head, "'%s' with %s weights has no lowering",
                          mc_ops[p->head->op].text, mc_dtype_names[w->dtype]);
  p->w.data = w->data;
  p->bias = b ? b->data : NULL;
  return true;
}

static mc_strides strides_of_a(const mc_gemm *p) {
  return p->e->sign == MC_SIGN_wide ? mc_widen_strides(p->e, p->head)
                                    : mc_ask_operand(p->ask, p->head->in[0]);
}

void gemm_collapse(mc_gemm *p, mc_space *s, mc_strides *a, int first) {
  mc_space_collapse(s, first, a, s->rank - 1);
  p->rank = s->rank;
  memcpy(p->dim, s->dim, sizeof p->dim);
  memcpy(p->a_stride, a->stride, sizeof p->a_stride);
}

bool gemm_choose(mc_gemm *p) { return mc_gemm_block(p) && mc_gemm_divide(p); }

/* ---- conv2d ---- */

/* Neighbouring runs that continue one another become one, as long as the weights continue too. */
static void merge_runs(mc_gemm *p, const int64_t *woff) {
  int64_t bytes = p->rlen * mc_gemm_a_elem(p->e);
  for (int r = 1; r < p->nrun; r++)
    if (p->run[r] != p->run[r - 1] + bytes || woff[r] != woff[r - 1] + p->rlen) return;
  if (p->nrun < 2) return;
  p->rlen *= p->nrun;
  p->nrun = 1;
}

/* Row axes n, oh, ow; a run is what lies together in the input: a row of the window, or one tap. */
static void conv_runs(mc_gemm *p, const mc_strides *in) {
  const mc_attrs_conv2d *c = MC_ATTRS(p->head, conv2d);
  const mc_type *w = p->head->in[1]->type;
  int64_t kh = w->dim[1], kw = w->dim[2], ci = w->dim[3];
  bool rows = c->dilation[1] == 1 && in->stride[2] == ci * (int64_t)mc_dtype_size(in->dtype);
  p->nrun = (int)(rows ? kh : kh * kw);
  p->rlen = rows ? kw * ci : ci;
  p->run = MC_NEWN(p->arena, int64_t, p->nrun);
  int64_t *woff = MC_NEWN(p->arena, int64_t, p->nrun);
  for (int r = 0; r < p->nrun; r++) {
    int64_t row = rows ? r : r / kw, column = rows ? 0 : r % kw;
    p->run[r] = row * c->dilation[0] * in->stride[1] + column * c->dilation[1] * in->stride[2];
    woff[r] = r * p->rlen;
  }
  merge_runs(p, woff);
  p->w.woff = woff;
}

/* Cycles for a byte that is read again and again out of `bytes` of them: results and weights live
 * in L3 as well, and pages run out before bytes do. */
static double reread(const mc_target *t, double bytes) {
  return bytes <= (double)t->l1                            ? 0
         : bytes <= (double)t->l2                          ? mc_tune.byte_l2
         : bytes <= mc_tune.room_l3_images * (double)t->l3 ? mc_tune.byte_l3
                                                           : mc_tune.byte_dram;
}

/* Several images: columns outside of them read weights once and all images for each block of
 * columns; images outside read each image again from a nearer cache, and weights for each. */
static bool images_outside(const mc_gemm *p, double images) {
  enum { BLOCK = 3 * MC_GEMM_LANES };

  const mc_target *t = p->ask->target;
  double in = (double)mc_type_bytes(p->head->in[0]->type),
         w = (double)mc_type_bytes(p->head->in[1]->type),
         blocks = (double)((p->n + BLOCK - 1) / BLOCK);
  if (p->ask->by_images) return true;
  if (images < 2 || p->e->tile) return false;
  return (in / images * reread(t, in / images) * blocks + w * reread(t, w)) * images <
         in * reread(t, in) * blocks + w * reread(t, w);
}

void gemm_window(mc_gemm *p, int64_t groups, const float *clamp, int64_t a_elem) {
  const mc_type *w = p->head->in[1]->type;
  p->groups = groups;
  p->n = w->dim[0] / groups;
  p->a_group = w->dim[3] * a_elem;
  p->w.wn = w->dim[1] * w->dim[2] * w->dim[3];
  p->w.wk = 1;
  memcpy(p->clamp, clamp, sizeof p->clamp);
}

static bool conv(mc_gemm *p, mc_space *s) {
  const mc_attrs_conv2d *c = MC_ATTRS(p->head, conv2d);
  if (!gemm_weights(p)) return false;
  mc_strides a = strides_of_a(p);
  int64_t size = (int64_t)mc_dtype_size(a.dtype);
  conv_runs(p, &a);
  a.stride[1] *= c->stride[0];
  a.stride[2] *= c->stride[1];
  a.stride[3] = 0;
  gemm_window(p, c->groups, c->clamp, size);
  mc_gemm_side(p, p->head->in[1]->type->dim[3], a.slack);
  mc_gemm_steps(p);
  p->nbatch = images_outside(p, (double)s->dim[0]);
  gemm_collapse(p, s, &a, p->nbatch);
  mc_gemm_scan(p);
  mc_stored_choose(p);
  return gemm_choose(p);
}

/* ---- linear, matmul ---- */

/* x[..., k] against constant weights; the space has at least one row axis. */
static bool linear(mc_gemm *p, mc_space *s, mc_strides *a) {
  bool mm = p->head->op == MC_OP_matmul, rows = !mm || MC_ATTRS(p->head, matmul)->transpose_b;
  const mc_type *wt = p->head->in[1]->type;
  if (!gemm_weights(p)) return false;
  int64_t k = wt->dim[wt->rank - (rows ? 1 : 2)];
  p->groups = 1;
  p->n = wt->dim[wt->rank - (rows ? 2 : 1)];
  p->nrun = 1;
  p->run = MC_NEW(p->arena, int64_t);
  p->rlen = k;
  mc_gemm_steps(p);
  memcpy(p->clamp, mm ? MC_ATTRS(p->head, matmul)->clamp : MC_ATTRS(p->head, linear)->clamp,
         sizeof p->clamp);
  gemm_collapse(p, s, a, p->ask->by_images);
  p->w.wn = rows ? k : 1;
  p->w.wk = rows ? 1 : p->n;
  p->w.woff = MC_NEW(p->arena, int64_t);
  mc_gemm_scan(p);
  mc_stored_choose(p);
  return gemm_choose(p);
}

/* A over the space of the result. */
static bool linear_or_matmul(mc_gemm *p, mc_space *s) {
  mc_strides a = mc_strides_broadcast(strides_of_a(p), p->head->in[0]->type, s->rank, s->dim);
  a.stride[s->rank - 1] = 0;
  if (p->head->op == MC_OP_linear) return linear(p, s, &a);
  if (!gemm_matmul_types(p)) return false;
  return mc_matmul_constant(p->head) ? linear(p, s, &a) : gemm_matmul(p, s, &a);
}

/* ---- all ---- */

int mc_gemm_space(const mc_type *t, int64_t *dim) {
  int rank = t->rank < 2 ? 2 : t->rank;
  for (int d = 0; d < rank; d++) {
    int s = d - (rank - t->rank);
    dim[d] = s < 0 ? 1 : t->dim[s];
  }
  return rank;
}

bool mc_gemm_decide(mc_gemm *p, const mc_ask *a, int phase, mc_arena *arena, mc_diag *diag) {
  const mc_node *head = mc_region_head(a->group->region);
  *p = (mc_gemm){ .ask = a, .arena = arena, .diag = diag, .head = head };
  if (!engine(p)) return false;
  int64_t dim[MC_MAX_RANK];
  int rank = mc_gemm_space(head->out[0]->type, dim);
  mc_space *s = MC_NEW(arena, mc_space);
  mc_space_begin(s, a, head, rank, dim);
  switch (head->op) {
  case MC_OP_conv2d: return conv(p, s);
  case MC_OP_conv_transpose2d: return gemm_transposed(p, s, phase);
  case MC_OP_linear:
  case MC_OP_matmul: return linear_or_matmul(p, s);
  default:
    return mc_gemm_refuse(p, head, "'%s' does not head a 'gemm' group", mc_ops[head->op].text);
  }
}

int64_t mc_gemm_scratch(const mc_target *t, const mc_node *group, int tasks, int workers) {
  const mc_node *n = mc_region_head(group->region);
  if (n && n->op == MC_OP_conv_transpose2d) return mc_transposed_scratch(n);
  bool product = n && (n->op == MC_OP_conv2d || n->op == MC_OP_linear || n->op == MC_OP_matmul);
  char kind = product ? mc_engine_kind(n->in[0]->type->dtype) : 0;
  const mc_engine *e = kind ? mc_gemm_engine(t, group, n, kind) : NULL;
  if (product && n->op == MC_OP_matmul) return mc_matmul_scratch(e, n) * tasks;
  if (!e) return 0;
  int64_t packed = mc_stored_scratch(t, e, n, workers);
  return packed + (e->sign == MC_SIGN_wide ? mc_widen_scratch(e, n, tasks) : 0);
}
