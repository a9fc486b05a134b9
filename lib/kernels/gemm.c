/* gemm: conv2d, linear, matmul (and conv_transpose2d, convt.c) brought into the form of gemm.h. */
#include "gemm.h"
#include "stem.h"
#include "mc/target/tuning.h"
#include <string.h>

static const mc_tensor *constant(const kgemm *p, int slot, const char *what) {
  if (p->head->nin <= slot) return NULL;
  const mc_tensor *t = mc_value_tensor(p->head->in[slot]);
  if (!t)
    kl_error(p->g, p->head, "'%s' with a %s that is not a constant has no lowering",
             mc_ops[p->head->op].text, what);
  return t;
}

/* Weights must be f32 with f32, bf16 with bf16, i8 with 8-bit operands. */
static bool weights_fit(const kgemm *p, const mc_tensor *w) {
  if (w->dtype == mc_engine_weights(p->e)) return true;
  return kl_error(p->g, p->head, "'%s' with %s weights has no lowering", mc_ops[p->head->op].text,
                  mc_dtype_names[w->dtype]);
}

/* Neighbouring runs that continue one another become one, as long as the weights continue too. */
static void merge_runs(kgemm *p, int64_t *woff) {
  int64_t bytes = p->rlen * kgemm_a_elem(p->e);
  for (int r = 1; r < p->nrun; r++)
    if (p->run[r] != p->run[r - 1] + bytes || woff[r] != woff[r - 1] + p->rlen) return;
  if (p->nrun < 2) return;
  p->rlen *= p->nrun;
  p->nrun = 1;
}

/* Row axes n, oh, ow; a run is what lies together in the input: a row of the window, or one tap. */
static void conv_runs(kgemm *p, const kview *in, int64_t **woff) {
  const mc_attrs_conv2d *c = MC_ATTRS(p->head, conv2d);
  const mc_type *w = p->head->in[1]->type;
  int64_t kh = w->dim[1], kw = w->dim[2], ci = w->dim[3];
  bool rows = c->dilation[1] == 1 && in->stride[2] == ci * kl_elem(in);
  p->nrun = (int)(rows ? kh : kh * kw);
  p->rlen = rows ? kw * ci : ci;
  p->run = MC_NEWN(p->k->arena, int64_t, p->nrun);
  *woff = MC_NEWN(p->k->arena, int64_t, p->nrun);
  for (int r = 0; r < p->nrun; r++) {
    int64_t row = rows ? r : r / kw, column = rows ? 0 : r % kw;
    p->run[r] = row * c->dilation[0] * in->stride[1] + column * c->dilation[1] * in->stride[2];
    (*woff)[r] = r * p->rlen;
  }
  merge_runs(p, *woff);
}

static kview view_of_a(const kgemm *p) {
  return p->e->sign == MC_SIGN_wide ? k_widen_view(p) : kl_operand(p->g, p->head->in[0]);
}

/* Cycles for a byte that is read again and again out of `bytes` of them. A quarter of L3: results
 * and weights live there as well, and pages run out before bytes do. */
static double reread(const mc_target *t, double bytes) {
  return bytes <= (double)t->l1                            ? 0
         : bytes <= (double)t->l2                          ? mc_tune.byte_l2
         : bytes <= mc_tune.room_l3_images * (double)t->l3 ? mc_tune.byte_l3
                                                           : mc_tune.byte_dram;
}

/* Several images: columns outside of them read weights once and all images for each block of
 * columns; images outside read each image again from a nearer cache, and weights for each. */
static bool images_outside(const kgemm *p) {
  enum { BLOCK = 3 * KGEMM_LANES };

  const mc_target *t = p->k->target;
  double images = (double)p->x->dim[0], in = (double)mc_type_bytes(p->head->in[0]->type),
         w = (double)mc_type_bytes(p->head->in[1]->type),
         blocks = (double)((p->n + BLOCK - 1) / BLOCK);
  if (kl_by_images(p->g)) return true;
  if (images < 2 || p->e->tile) return false;
  return (in / images * reread(t, in / images) * blocks + w * reread(t, w)) * images <
         in * reread(t, in) * blocks + w * reread(t, w);
}

void kgemm_window(kgemm *p, int64_t groups, const float *clamp) {
  const mc_type *w = p->head->in[1]->type;
  p->a.stride[3] = 0;
  p->groups = groups;
  p->n = w->dim[0] / groups;
  p->a_group = w->dim[3] * kl_elem(&p->a);
  memcpy(p->clamp, clamp, sizeof p->clamp);
}

kweights kgemm_window_weights(const kgemm *p, const mc_tensor *w, const int64_t *woff) {
  const mc_type *t = p->head->in[1]->type;
  return (kweights){ w->data, t->dim[1] * t->dim[2] * t->dim[3], 1, woff };
}

static bool prepare_conv(kgemm *p) {
  const mc_attrs_conv2d *c = MC_ATTRS(p->head, conv2d);
  const mc_type *wt = p->head->in[1]->type;
  const mc_tensor *w = constant(p, 1, "weight"), *b = constant(p, 2, "bias");
  if (!w || (p->head->nin > 2 && !b) || !weights_fit(p, w)) return false;
  kview in = view_of_a(p);
  int64_t *woff;
  conv_runs(p, &in, &woff);
  p->a = in;
  p->a.base = kb_gepi(p->k, in.base, -c->pad[0] * in.stride[1] - c->pad[1] * in.stride[2]);
  p->a.stride[1] = in.stride[1] * c->stride[0];
  p->a.stride[2] = in.stride[2] * c->stride[1];
  kgemm_window(p, c->groups, c->clamp);
  kgemm_side(p, wt->dim[3], in.slack);
  kgemm_steps(p);
  p->nbatch = images_outside(p);
  kx_collapse_from(p->x, p->nbatch, (kview *[]){ &p->a }, 1, p->x->rank - 1);
  kweights kw = kgemm_window_weights(p, w, woff);
  ksparse_scan(p, &kw);
  kbits_choose(p);
  if (!kgemm_blocking(p, p->x->dim[p->x->rank - 2])) return false;
  kgemm_pack(p, &kw, 1, 0, b ? b->data : NULL);
  return true;
}

/* x[..., k] against weights with strides wn, wk; the space has at least one row axis. */
bool k_linear_like(kgemm *p) {
  bool mm = p->head->op == MC_OP_matmul, rows = !mm || MC_ATTRS(p->head, matmul)->transpose_b;
  const mc_type *wt = p->head->in[1]->type;
  const mc_tensor *w = constant(p, 1, "weight"), *b = constant(p, 2, "bias");
  if (!w || (p->head->nin > 2 && !b) || !weights_fit(p, w)) return false;
  int64_t k = wt->dim[wt->rank - (rows ? 1 : 2)];
  p->groups = 1;
  p->n = wt->dim[wt->rank - (rows ? 2 : 1)];
  p->nrun = 1;
  p->run = MC_NEW(p->k->arena, int64_t);
  p->rlen = k;
  kgemm_steps(p);
  memcpy(p->clamp, mm ? MC_ATTRS(p->head, matmul)->clamp : MC_ATTRS(p->head, linear)->clamp,
         sizeof p->clamp);
  kx_collapse(p->x, (kview *[]){ &p->a }, 1, p->x->rank - 1);
  int64_t *woff = MC_NEW(p->k->arena, int64_t);
  kweights kw = { w->data, rows ? k : 1, rows ? 1 : p->n, woff };
  ksparse_scan(p, &kw);
  kbits_choose(p);
  if (!kgemm_blocking(p, p->x->dim[p->x->rank - 2])) return false;
  kgemm_pack(p, &kw, 1, 0, b ? b->data : NULL);
  return true;
}

/* A over the space of the result; a leading axis of 1 where there would be no row axis. */
static bool prepare_linear(kgemm *p) {
  p->a = kl_broadcast(view_of_a(p), p->head->in[0]->type, p->x->rank, p->x->dim);
  p->a.stride[p->x->rank - 1] = 0;
  return p->head->op == MC_OP_matmul ? k_matmul(p) : k_linear_like(p);
}

/* The result's shape with at least one row axis in front of the columns. */
static int gemm_space(const mc_type *t, int64_t *dim) {
  int rank = t->rank < 2 ? 2 : t->rank;
  for (int d = 0; d < rank; d++) {
    int s = d - (rank - t->rank);
    dim[d] = s < 0 ? 1 : t->dim[s];
  }
  return rank;
}

bool k_emit_gemm(kgroup *g) {
  kb *k = g->k;
  bool done;
  if (kl_first(g)->op == MC_OP_conv2d && (kstem(g, &done) || kstem_pairs(g, &done))) return done;
  kgemm *p = MC_NEW(k->arena, kgemm);
  p->g = g;
  p->k = k;
  p->head = kl_first(g);
  p->x = MC_NEW(k->arena, kx);
  int64_t dim[MC_MAX_RANK];
  int rank = gemm_space(p->head->out[0]->type, dim);
  if (!kgemm_engine(p, p->head->in[0]->type)) return false;
  if (p->e->sign == MC_SIGN_wide && !g->ask) k_widen(p);
  if (!kx_init(p->x, g, p->head, rank, dim)) return false;
  bool ok;
  switch (p->head->op) {
  case MC_OP_conv2d:
    ok = prepare_conv(p);
    if (ok) kgemm_nest(p, NULL, NULL);
    break;
  case MC_OP_conv_transpose2d: ok = k_conv_transpose(p); break;
  case MC_OP_linear:
    ok = prepare_linear(p);
    if (ok) kgemm_nest(p, NULL, NULL);
    break;
  case MC_OP_matmul: ok = prepare_linear(p); break;
  default:
    return kl_error(g, p->head, "'%s' does not head a 'gemm' group", mc_ops[p->head->op].text);
  }
  if (ok) kl_fill_borders(g);
  return ok;
}

int64_t k_gemm_scratch(const mc_plan *p, int group) {
  const kgroup g = { .group = p->group[group], .region = p->group[group]->region };
  const mc_node *n = kl_first(&g);
  if (n && n->op == MC_OP_conv_transpose2d) return k_conv_transpose_scratch(n);
  if (n && n->op == MC_OP_matmul) return k_matmul_scratch(p, n) * kl_tasks(p, group);
  char kind = n && (n->op == MC_OP_conv2d || n->op == MC_OP_linear)
                  ? mc_engine_kind(n->in[0]->type->dtype)
                  : 0;
  const mc_engine *e = kind ? kgemm_pick(p->target, n, kind) : NULL;
  if (!e) return 0;
  int64_t packed = kbits_scratch(p->target, e, n, kl_workers(p, group));
  return packed + (e->sign == MC_SIGN_wide ? k_widen_scratch(e, n, kl_tasks(p, group)) : 0);
}
