/* conv2d, linear, matmul (and conv_transpose2d, transposed.c) brought into the form of mc_gemm. */
#include "mc/decide/gemm.h"
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

static int32_t zero_point(const mc_type *t) { return t->q.kind == MC_Q_TENSOR ? t->q.zero : 0; }

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
  p->za = zero_point(a);
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

/* Weights and bias: constants, f32 with f32, bf16 with bf16, i8 with 8-bit operands. */
static bool weights(mc_gemm *p) {
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

/* Merge what can be merged of the row axes from `first` on; the space is then the product's. */
static void collapse(mc_gemm *p, mc_space *s, mc_strides *a, int first) {
  mc_space_collapse(s, first, a, s->rank - 1);
  p->rank = s->rank;
  memcpy(p->dim, s->dim, sizeof p->dim);
  memcpy(p->a_stride, a->stride, sizeof p->a_stride);
}

static bool choose(mc_gemm *p) {
  if (!mc_gemm_block(p)) return false;
  mc_gemm_divide(p);
  return true;
}

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

/* What conv2d and conv_transpose2d have in common: columns, groups, the clamp, from the head's
 * weights [out][rows][columns][in / group]. */
static void window(mc_gemm *p, int64_t groups, const float *clamp, int64_t a_elem) {
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
  if (!weights(p)) return false;
  mc_strides a = strides_of_a(p);
  int64_t size = (int64_t)mc_dtype_size(a.dtype);
  conv_runs(p, &a);
  a.stride[1] *= c->stride[0];
  a.stride[2] *= c->stride[1];
  a.stride[3] = 0;
  window(p, c->groups, c->clamp, size);
  mc_gemm_side(p, p->head->in[1]->type->dim[3], a.slack);
  mc_gemm_steps(p);
  p->nbatch = images_outside(p, (double)s->dim[0]);
  collapse(p, s, &a, p->nbatch);
  mc_gemm_scan(p);
  mc_bits_choose(p);
  return choose(p);
}

/* ---- linear, matmul ---- */

/* x[..., k] against constant weights; the space has at least one row axis. */
static bool linear(mc_gemm *p, mc_space *s, mc_strides *a) {
  bool mm = p->head->op == MC_OP_matmul, rows = !mm || MC_ATTRS(p->head, matmul)->transpose_b;
  const mc_type *wt = p->head->in[1]->type;
  if (!weights(p)) return false;
  int64_t k = wt->dim[wt->rank - (rows ? 1 : 2)];
  p->groups = 1;
  p->n = wt->dim[wt->rank - (rows ? 2 : 1)];
  p->nrun = 1;
  p->run = MC_NEW(p->arena, int64_t);
  p->rlen = k;
  mc_gemm_steps(p);
  memcpy(p->clamp, mm ? MC_ATTRS(p->head, matmul)->clamp : MC_ATTRS(p->head, linear)->clamp,
         sizeof p->clamp);
  collapse(p, s, a, p->ask->by_images);
  p->w.wn = rows ? k : 1;
  p->w.wk = rows ? 1 : p->n;
  p->w.woff = MC_NEW(p->arena, int64_t);
  mc_gemm_scan(p);
  mc_bits_choose(p);
  return choose(p);
}

static bool matmul_types(const mc_gemm *p) {
  mc_dtype b = p->head->in[1]->type->dtype;
  bool ok = mc_engine_is_real(p->e) ? b == mc_engine_weights(p->e) : b == MC_u8 || b == MC_i8;
  return ok || mc_gemm_refuse(p, p->head, "'matmul' of %s and %s has no lowering",
                              mc_dtype_names[p->head->in[0]->type->dtype], mc_dtype_names[b]);
}

static bool whole_b(const mc_node *n, int64_t k, int64_t cols) {
  return mc_type_elems(n->in[1]->type) == k * cols;
}

bool mc_matmul_constant(const mc_node *n) {
  const mc_type *b = n->in[1]->type;
  return mc_value_tensor(n->in[1]) && zero_point(b) == 0 && b->dtype != MC_u8 &&
         whole_b(n, b->dim[b->rank - 1], b->dim[b->rank - 2]);
}

static int64_t round_up(int64_t v, int64_t to) { return (v + to - 1) / to * to; }

void mc_matmul_parts(const mc_node *n, const mc_engine *e, int64_t part[3]) {
  const mc_type *b = n->in[1]->type, *y = n->out[0]->type;
  bool t = MC_ATTRS(n, matmul)->transpose_b;
  int64_t k = b->dim[b->rank - (t ? 1 : 2)], cols = b->dim[b->rank - (t ? 2 : 1)],
          width = mc_gemm_vectors(cols) * MC_GEMM_LANES;
  int kr = e->kr;
  int64_t steps = (k + kr - 1) / kr;
  if (e->tile) mc_tile_depth(e, k, &kr, &steps);
  part[0] = round_up(width * kr * steps * mc_gemm_elem(e), 64);
  part[1] = width * 4;
  part[2] = round_up(mc_type_elems(y) / cols * 4, 64);
}

int64_t mc_matmul_scratch(const mc_engine *e, const mc_node *n) {
  int64_t part[3];
  if (mc_matmul_constant(n) || !e) return 0;
  mc_matmul_parts(n, e, part);
  return round_up(part[0] + part[1] + part[2], 64);
}

/* B is computed at run time. */
static bool matmul(mc_gemm *p, mc_space *s, mc_strides *a) {
  const mc_type *bt = p->head->in[1]->type;
  bool t = MC_ATTRS(p->head, matmul)->transpose_b;
  mc_strides b = mc_ask_operand(p->ask, p->head->in[1]);
  int ak = bt->rank - (t ? 1 : 2), an = bt->rank - (t ? 2 : 1);
  p->b = (mc_gemm_b){ .packed = true,
                      .k = bt->dim[ak],
                      .n = bt->dim[an],
                      .sk = b.stride[ak],
                      .sn = b.stride[an],
                      .es = (int64_t)mc_dtype_size(b.dtype),
                      .flip = bt->dtype == MC_u8,
                      .zb = zero_point(bt) - (bt->dtype == MC_u8 ? 128 : 0),
                      .view = mc_strides_broadcast(b, bt, s->rank, s->dim) };
  p->nbatch = whole_b(p->head, p->b.k, p->b.n) ? 0 : s->rank - 2;
  p->groups = 1;
  p->n = p->b.n;
  p->nrun = 1;
  p->run = MC_NEW(p->arena, int64_t);
  p->rlen = p->b.k;
  mc_gemm_steps(p);
  memcpy(p->clamp, MC_ATTRS(p->head, matmul)->clamp, sizeof p->clamp);
  collapse(p, s, a, p->nbatch ? s->rank : p->ask->by_images);
  return choose(p);
}

/* A over the space of the result. */
static bool linear_or_matmul(mc_gemm *p, mc_space *s) {
  mc_strides a = mc_strides_broadcast(strides_of_a(p), p->head->in[0]->type, s->rank, s->dim);
  a.stride[s->rank - 1] = 0;
  if (p->head->op == MC_OP_linear) return linear(p, s, &a);
  if (!matmul_types(p)) return false;
  return mc_matmul_constant(p->head) ? linear(p, s, &a) : matmul(p, s, &a);
}

/* ---- conv_transpose2d ---- */

static int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/* Border that the gather form needs: input index (o + pad - k * dilation) / stride over all o, k.
 */
mc_transposed_axis mc_transposed_axis_of(const mc_node *n, int d) {
  const mc_attrs_conv_transpose2d *c = MC_ATTRS(n, conv_transpose2d);
  mc_transposed_axis a = { n->in[0]->type->dim[1 + d],
                           n->out[0]->type->dim[1 + d],
                           n->in[1]->type->dim[1 + d],
                           c->stride[d],
                           c->dilation[d],
                           c->pad[d],
                           0,
                           0 };
  int64_t lo = floor_div(a.pad - (a.kernel - 1) * a.dilation, a.stride),
          hi = floor_div(a.out - 1 + a.pad, a.stride) + 1;
  if (lo < 0) a.before = -lo;
  if (hi > a.in - 1) a.after = hi - (a.in - 1);
  return a;
}

int64_t mc_transposed_scratch(const mc_node *n) {
  mc_transposed_axis y = mc_transposed_axis_of(n, 0), x = mc_transposed_axis_of(n, 1);
  const mc_type *t = n->in[0]->type;
  return t->dim[0] * (y.before + y.in + y.after) * (x.before + x.in + x.after) * t->dim[3] *
             (int64_t)mc_dtype_size(t->dtype) +
         MC_PLAN_SLACK;
}

mc_strides mc_transposed_strides(const mc_node *n) {
  mc_transposed_axis y = mc_transposed_axis_of(n, 0), x = mc_transposed_axis_of(n, 1);
  const mc_type *t = n->in[0]->type;
  mc_strides v = { .dtype = t->dtype, .rank = 4, .slack = true };
  v.stride[3] = (int64_t)mc_dtype_size(t->dtype);
  v.stride[2] = t->dim[3] * v.stride[3];
  v.stride[1] = (x.before + x.in + x.after) * v.stride[2];
  v.stride[0] = (y.before + y.in + y.after) * v.stride[1];
  return v;
}

int mc_transposed_phases(const mc_node *n, int64_t (*at)[2]) {
  mc_transposed_axis y = mc_transposed_axis_of(n, 0), x = mc_transposed_axis_of(n, 1);
  int count = 0;
  for (int64_t oy = 0; oy < y.stride && oy < y.out; oy++)
    for (int64_t ox = 0; ox < x.stride && ox < x.out; ox++, count++)
      if (at) at[count][0] = oy, at[count][1] = ox;
  return count;
}

/* Taps of phase `o` along one axis: k and the input offset relative to o' = (position - o) /
 * stride. */
static int taps(const mc_transposed_axis *a, int64_t o, int64_t *tap, int64_t *offset) {
  int n = 0;
  for (int64_t k = 0; k < a->kernel; k++) {
    int64_t at = o + a->pad - k * a->dilation;
    if (floor_div(at, a->stride) * a->stride != at) continue;
    tap[n] = k;
    offset[n++] = floor_div(at, a->stride);
  }
  return n;
}

static void phase_runs(mc_gemm *p, const mc_strides *in, const mc_transposed_axis *y,
                       const mc_transposed_axis *x, const int64_t at[2]) {
  mc_arena *a = p->arena;
  int64_t *ty = MC_NEWN(a, int64_t, y->kernel), *fy = MC_NEWN(a, int64_t, y->kernel),
          *tx = MC_NEWN(a, int64_t, x->kernel), *fx = MC_NEWN(a, int64_t, x->kernel);
  int ny = taps(y, at[0], ty, fy), nx = taps(x, at[1], tx, fx);
  int64_t ci = p->head->in[1]->type->dim[3];
  p->nrun = 0;
  p->rlen = ci;
  p->run = MC_NEWN(a, int64_t, ny *nx + 1);
  int64_t *woff = MC_NEWN(a, int64_t, ny *nx + 1);
  for (int i = 0; i < ny; i++)
    for (int j = 0; j < nx; j++) {
      p->run[p->nrun] = fy[i] * in->stride[1] + fx[j] * in->stride[2];
      woff[p->nrun++] = (ty[i] * x->kernel + tx[j]) * ci;
    }
  p->w.woff = woff;
}

/* Every stride-th row and column from the phase's place on. */
static void phase_space(mc_space *s, const mc_transposed_axis *y, const mc_transposed_axis *x,
                        const int64_t at[2]) {
  for (int i = 0; i < s->nview; i++) {
    s->view[i].stride[1] *= y->stride;
    s->view[i].stride[2] *= x->stride;
  }
  s->dim[1] = (y->out - at[0] + y->stride - 1) / y->stride;
  s->dim[2] = (x->out - at[1] + x->stride - 1) / x->stride;
}

static bool transposed(mc_gemm *p, mc_space *s, int phase) {
  const mc_attrs_conv_transpose2d *c = MC_ATTRS(p->head, conv_transpose2d);
  mc_transposed_axis y = mc_transposed_axis_of(p->head, 0), x = mc_transposed_axis_of(p->head, 1);
  const mc_tensor *w = mc_value_tensor(p->head->in[1]),
                  *b = p->head->nin > 2 ? mc_value_tensor(p->head->in[2]) : NULL;
  if (!w || (p->head->nin > 2 && !b))
    return mc_gemm_refuse(
        p, p->head, "'conv_transpose2d' whose weight or bias is not a constant has no lowering");
  if (!weights(p)) return false;
  int64_t(*at)[2] = mc_arena_alloc(p->arena, sizeof *at * (size_t)(y.stride * x.stride));
  mc_transposed_phases(p->head, at);
  mc_strides a = mc_transposed_strides(p->head);
  phase_space(s, &y, &x, at[phase]);
  phase_runs(p, &a, &y, &x, at[phase]);
  window(p, c->groups, c->clamp, (int64_t)mc_dtype_size(a.dtype));
  a.stride[3] = 0;
  mc_gemm_steps(p);
  collapse(p, s, &a, p->ask->by_images);
  return choose(p);
}

/* ---- all ---- */

/* The result's shape with at least one row axis before the columns. */
static int product_space(const mc_type *t, int64_t *dim) {
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
  int rank = product_space(head->out[0]->type, dim);
  mc_space *s = MC_NEW(arena, mc_space);
  mc_space_begin(s, a, head, rank, dim);
  switch (head->op) {
  case MC_OP_conv2d: return conv(p, s);
  case MC_OP_conv_transpose2d: return transposed(p, s, phase);
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
  int64_t packed = mc_bits_scratch(t, e, n, workers);
  return packed + (e->sign == MC_SIGN_wide ? mc_widen_scratch(e, n, tasks) : 0);
}
