/* lowrank-svd: split weights into two factors of low rank where that saves MACs.
 *
 *   %y = linear %x, %w, %b : f32[1,256]                      // %w [256,512]
 * becomes, with rank 40,
 *   %h = linear %x, %w.v : f32[1,40]                         // [40,512]  sqrt(S) V^T
 *   %y = linear %h, %w.u, %b : f32[1,256]                    // [256,40]  U sqrt(S)
 *
 * 1x1 conv2d alike. A kh x kw conv2d becomes a kh x 1 followed by a 1 x kw: the matrix [(c_out, kw), (kh, c_in)] is split (Tai et al., "Convolutional neural networks with low-rank
 * regularization", ICLR 2016, section 3.1). The truncated SVD is the best approximation of its rank in the Frobenius norm (Eckart-Young). LAPACK's dgesdd computes it; signs are fixed so that results do not depend on the
 * library's choice. Depthwise and grouped convolutions are left alone. Contract: LOSSY, without a bound on the outputs. */
#include "compress.h"
#include "mc/ir/build.h"
#include "mc/pass/layers.h"
#include "mc/support/glob.h"
#include <lapacke.h>
#include <math.h>
#include <string.h>

typedef struct layer {
  mc_node *node;
  int64_t rows, cols, full;       /* the matrix and its full rank min(rows, cols) */
  double *u, *s, *v;              /* u [rows, full], s [full], v [full, cols] */
  double per_rank, base;          /* MACs of the pair per unit of rank, MACs today */
  int64_t rank;
} layer;
typedef struct splitter { mc_pass_context *cx; const mc_opts_lowrank_svd *o; layer *l; int n; double fixed_macs; } splitter;

/* ---- the matrix of a layer ---- */

static bool is_conv(const layer *l) { return l->node->op == MC_OP_conv2d; }

/* Element (r, c): linear w[r][c]; conv2d [o, kh, kw, i] with r = (o, kw), c = (kh, i). */
static void fill_matrix(const layer *l, double *m) {
  const mc_tensor *t = mc_value_tensor(l->node->in[1]);
  const float *w = t->data;
  if (!is_conv(l)) {
    for (int64_t i = 0; i < l->rows * l->cols; i++) m[i] = (double)w[i];
    return;
  }
  int64_t kh = t->dim[1], kw = t->dim[2], ci = t->dim[3];
  for (int64_t o = 0; o < t->dim[0]; o++)
    for (int64_t y = 0; y < kh; y++)
      for (int64_t x = 0; x < kw; x++)
        for (int64_t c = 0; c < ci; c++) m[(o * kw + x) * l->cols + y * ci + c] = (double)w[((o * kh + y) * kw + x) * ci + c];
}

/* The largest element of each left vector is made positive. */
static void fix_signs(layer *l) {
  for (int64_t k = 0; k < l->full; k++) {
    double big = 0;
    for (int64_t r = 0; r < l->rows; r++)
      if (fabs(l->u[r * l->full + k]) > fabs(big)) big = l->u[r * l->full + k];
    if (big >= 0) continue;
    for (int64_t r = 0; r < l->rows; r++) l->u[r * l->full + k] = -l->u[r * l->full + k];
    for (int64_t c = 0; c < l->cols; c++) l->v[k * l->cols + c] = -l->v[k * l->cols + c];
  }
}

static bool decompose(splitter *s, layer *l) {
  mc_arena *a = s->cx->scratch;
  double *m = MC_NEWN(a, double, l->rows * l->cols);
  fill_matrix(l, m);
  l->u = MC_NEWN(a, double, l->rows * l->full);
  l->s = MC_NEWN(a, double, l->full);
  l->v = MC_NEWN(a, double, l->full * l->cols);
  int rc = LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'S', (lapack_int)l->rows, (lapack_int)l->cols, m, (lapack_int)l->cols, l->s, l->u, (lapack_int)l->full, l->v, (lapack_int)l->cols);
  if (rc) return mc_error(s->cx->diag, l->node->loc, "the singular value decomposition of this layer did not converge");
  fix_signs(l);
  return true;
}

/* ---- choosing ranks ---- */

static int64_t aligned(const splitter *s, const layer *l, double rank) {
  int64_t a = s->o->align, r = (int64_t)ceil(rank - 1e-9);
  r = (r + a - 1) / a * a;
  return r < 1 ? 1 : r > l->full ? l->full : r;
}

static int64_t rank_for_energy(const splitter *s, const layer *l, double energy) {
  double all = 0, sum = 0;
  for (int64_t k = 0; k < l->full; k++) all += l->s[k] * l->s[k];
  int64_t k = 0;
  while (k < l->full && sum < energy * all) sum += l->s[k] * l->s[k], k++;
  return aligned(s, l, (double)k);
}

static double pair_macs(const layer *l, int64_t rank) {
  double p = l->per_rank * (double)rank;
  return p < l->base ? p : l->base;
}

/* The rank that is worth its MACs at a price per MAC, in shares of the layer's squared singular values: lost share + price * MACs is least; full: it stays whole. */
static int64_t rank_for_price(const splitter *s, const layer *l, double price) {
  double all = 0, kept = 0;
  for (int64_t k = 0; k < l->full; k++) all += l->s[k] * l->s[k];
  int64_t k = 0;
  while (k < l->full && l->s[k] * l->s[k] >= price * l->per_rank * all) kept += l->s[k] * l->s[k], k++;
  int64_t r = aligned(s, l, (double)k);
  return (1 - kept / (all > 0 ? all : 1)) + price * l->per_rank * (double)r < price * l->base ? r : l->full;
}

static double total_at(const splitter *s, double price) {
  double sum = s->fixed_macs;
  for (int i = 0; i < s->n; i++) sum += pair_macs(&s->l[i], rank_for_price(s, &s->l[i], price));
  return sum;
}

/* The lowest price at which the MACs fit the budget; false: none does. Lost shares lie in [0, 1], so prices beyond 1 / MACs buy nothing. */
static bool price_for_macs(const splitter *s, double budget, double *price) {
  double lo = 0, hi = 2;
  if (total_at(s, hi) > budget) return false;
  for (int i = 0; i < 100; i++) {
    double mid = i < 50 ? sqrt((lo > 0 ? lo : 1e-30) * hi) : (lo + hi) / 2;
    if (total_at(s, mid) > budget) lo = mid;
    else hi = mid;
  }
  *price = hi;
  return true;
}

static bool choose_ranks(splitter *s) {
  const mc_opts_lowrank_svd *o = s->o;
  double share = o->macs > 0 ? o->macs : 0.5, all = s->fixed_macs, price = 0;
  for (int i = 0; i < s->n; i++) all += s->l[i].base;
  bool budget = o->ratio <= 0 && o->energy <= 0;
  if (budget && !price_for_macs(s, share * all, &price))
    return mc_error(s->cx->diag, s->cx->loc, "lowrank-svd: macs=%g cannot be reached: with rank 1 everywhere, %.0f %% remain", share, 100 * total_at(s, 2) / all);
  for (int i = 0; i < s->n; i++) {
    layer *l = &s->l[i];
    l->rank = o->ratio > 0 ? aligned(s, l, o->ratio * (double)l->full) : budget ? rank_for_price(s, l, price) : rank_for_energy(s, l, o->energy);
  }
  return true;
}

/* ---- splitting ---- */

static mc_tensor *factor(splitter *s, const layer *l, const char *suffix, int rank, const int64_t *dim, float **data) {
  mc_module *m = s->cx->module;
  const mc_tensor *w = mc_value_tensor(l->node->in[1]);
  const char *stem = w->name ? w->name : l->node->source ? l->node->source : "w";
  void *p;
  mc_tensor *t = mc_tensor_create(m, mc_arena_printf(m->arena, "%s.%s", stem, suffix), MC_f32, rank, dim, &p);
  *data = p;
  return t;
}

/* First factor: rows k < rank of sqrt(s) v: [rank, k] or [rank, kh, 1, c_in]; the column order is that of the matrix already. */
static mc_tensor *first_factor(splitter *s, const layer *l) {
  const mc_tensor *w = mc_value_tensor(l->node->in[1]);
  int64_t conv[4] = { l->rank, w->dim[1], 1, w->dim[3] }, lin[2] = { l->rank, l->cols };
  float *d;
  mc_tensor *t = factor(s, l, "v", is_conv(l) ? 4 : 2, is_conv(l) ? conv : lin, &d);
  for (int64_t k = 0; k < l->rank; k++)
    for (int64_t c = 0; c < l->cols; c++) d[k * l->cols + c] = (float)(sqrt(l->s[k]) * l->v[k * l->cols + c]);
  return t;
}

/* Second factor u sqrt(s): [rows, rank] or [c_out, 1, kw, rank]; row (o, kw) of the matrix is exactly that order. */
static mc_tensor *second_factor(splitter *s, const layer *l) {
  const mc_tensor *w = mc_value_tensor(l->node->in[1]);
  int64_t conv[4] = { w->dim[0], 1, w->dim[2], l->rank }, lin[2] = { l->rows, l->rank };
  float *d;
  mc_tensor *t = factor(s, l, "u", is_conv(l) ? 4 : 2, is_conv(l) ? conv : lin, &d);
  for (int64_t r = 0; r < l->rows; r++)
    for (int64_t k = 0; k < l->rank; k++) d[r * l->rank + k] = (float)(sqrt(l->s[k]) * l->u[r * l->full + k]);
  return t;
}

static bool split(splitter *s, layer *l) {
  mc_node *n = l->node;
  mc_builder b = { .graph = n->graph, .before = n, .diag = s->cx->diag, .loc = n->loc, .source = n->source };
  mc_value *v = mc_build_tensor(&b, first_factor(s, l), NULL), *u = mc_build_tensor(&b, second_factor(s, l), NULL), *h, *y;
  if (!v || !u) return false;
  mc_value *second[3] = { NULL, u, n->nin > 2 ? n->in[2] : NULL };
  if (is_conv(l)) {
    const mc_attrs_conv2d *o = MC_ATTRS(n, conv2d);
    mc_attrs_conv2d a = *o, c = *o;
    a.stride[1] = a.dilation[1] = 1, a.pad[1] = a.pad[3] = 0, a.clamp[0] = -INFINITY, a.clamp[1] = INFINITY;
    c.stride[0] = c.dilation[0] = 1, c.pad[0] = c.pad[2] = 0;
    h = mc_build1(&b, MC_OP_conv2d, (mc_value *[]){ n->in[0], v }, 2, &a);
    second[0] = h;
    y = h ? mc_build1(&b, MC_OP_conv2d, second, n->nin, &c) : NULL;
  } else {
    h = mc_build1(&b, MC_OP_linear, (mc_value *[]){ n->in[0], v }, 2, NULL);
    second[0] = h;
    y = h ? mc_build1(&b, MC_OP_linear, second, n->nin, n->attrs) : NULL;
  }
  if (!y) return false;
  mc_value_replace(n->out[0], y);
  mc_node *w = n->in[1]->def;
  mc_node_remove(n);
  if (!w->out[0]->uses) mc_node_remove(w);
  MC_STAT_ADD(s->cx, lowrank_svd, split, 1);
  return true;
}

/* ---- the pass ---- */

static bool eligible(const splitter *s, const mc_node *n) {
  if (n->op != MC_OP_linear && n->op != MC_OP_conv2d) return false;
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  if (!w || w->dtype != MC_f32 || n->out[0]->type->dtype != MC_f32 || (n->op == MC_OP_conv2d && MC_ATTRS(n, conv2d)->groups != 1)) return false;
  return !mc_glob_list(s->o->skip, n->source) && !mc_glob_list(s->o->skip, n->out[0]->name);
}

static layer describe(mc_node *n) {
  const mc_type *w = n->in[1]->type, *y = n->out[0]->type, *x = n->in[0]->type;
  layer l = { .node = n, .rows = w->dim[0], .cols = w->dim[1] };
  double points = (double)(mc_type_elems(y) / y->dim[y->rank - 1]);
  if (n->op == MC_OP_conv2d) {
    l.rows = w->dim[0] * w->dim[2];
    l.cols = w->dim[1] * w->dim[3];
    double between = (double)(y->dim[0] * y->dim[1] * x->dim[2]); /* rows are strided already, columns not yet */
    l.per_rank = between * (double)l.cols + points * (double)l.rows;
    l.base = points * (double)(w->dim[0] * w->dim[1] * w->dim[2] * w->dim[3]);
  } else {
    l.per_rank = points * (double)(l.rows + l.cols);
    l.base = points * (double)(l.rows * l.cols);
  }
  l.full = l.rows < l.cols ? l.rows : l.cols;
  return l;
}

static bool check_options(splitter *s) {
  const mc_opts_lowrank_svd *o = s->o;
  mc_diag *d = s->cx->diag;
  if (!(o->ratio >= 0 && o->ratio <= 1)) return mc_error(d, s->cx->loc, "lowrank-svd: ratio must be between 0 and 1");
  if (!(o->energy >= 0 && o->energy <= 1)) return mc_error(d, s->cx->loc, "lowrank-svd: energy must be between 0 and 1");
  if (!(o->macs >= 0 && o->macs <= 1)) return mc_error(d, s->cx->loc, "lowrank-svd: macs must be between 0 and 1");
  if ((o->ratio > 0) + (o->energy > 0) + (o->macs > 0) > 1) return mc_error(d, s->cx->loc, "lowrank-svd: ratio, energy and macs exclude each other");
  return (o->align >= 1 && o->align <= 1024) || mc_error(d, s->cx->loc, "lowrank-svd: align must be between 1 and 1024");
}

bool mc_pass_lowrank_svd(mc_pass_context *cx, const mc_opts_lowrank_svd *o, bool *changed) {
  splitter s = { .cx = cx, .o = o };
  if (!check_options(&s)) return false;
  mc_layers_warn_unmatched(cx, "lowrank-svd", "skip", o->skip, MC_T_ACCUM);
  int count = 0, done = 0;
  MC_FOR_NODES(n, cx->graph) count += eligible(&s, n);
  s.l = MC_NEWN(cx->scratch, layer, count + 1);
  mc_channels *ch = mc_channels_of(cx->graph, cx->scratch);
  s.fixed_macs = mc_channels_macs(cx->graph, ch, NULL);
  MC_FOR_NODES(n, cx->graph) {
    if (!eligible(&s, n)) continue;
    layer *l = &s.l[s.n++];
    *l = describe(n);
    s.fixed_macs -= l->base;
    if (!decompose(&s, l)) return false;
    if (cx->progress) cx->progress(cx->progress_ctx, "lowrank-svd", ++done, count);
  }
  if (!choose_ranks(&s)) return false;
  for (int i = 0; i < s.n; i++) {
    if (s.l[i].per_rank * (double)s.l[i].rank >= s.l[i].base) continue;
    if (!split(&s, &s.l[i])) return false;
    *changed = true;
  }
  return true;
}
