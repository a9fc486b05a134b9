/* conv_transpose2d as stride_h * stride_w convolutions of stride 1: result pixel (oy, ox) only
 * meets the taps with (oy + pad - ky * dilation) divisible by the stride, so the pixels of one
 * phase (oy mod stride_h, ox mod stride_w) share their taps. The input is copied into scratch with
 * a border wide enough for all phases. */
#include "gemm.h"
#include <string.h>

typedef struct axis {
  int64_t in, out, kernel, stride, dilation, pad, before, after;
} axis;

static int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/* Border that the gather form needs: input index (o + pad - k * dilation) / stride over all o, k.
 */
static axis axis_of(const mc_node *n, int d) {
  const mc_attrs_conv_transpose2d *c = MC_ATTRS(n, conv_transpose2d);
  axis a = { n->in[0]->type->dim[1 + d],
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

int64_t k_conv_transpose_scratch(const mc_node *n) {
  axis y = axis_of(n, 0), x = axis_of(n, 1);
  const mc_type *t = n->in[0]->type;
  return t->dim[0] * (y.before + y.in + y.after) * (x.before + x.in + x.after) * t->dim[3] *
             (int64_t)mc_dtype_size(t->dtype) +
         MC_PLAN_SLACK;
}

/* The copy's view; its base is input element 0. */
static kview padded_view(const kgemm *p, const axis *y, const axis *x) {
  const mc_type *t = p->head->in[0]->type;
  kview v = { .dtype = t->dtype, .rank = 4, .slack = true };
  int64_t es = kl_elem(&v);
  v.stride[3] = es;
  v.stride[2] = t->dim[3] * es;
  v.stride[1] = (x->before + x->in + x->after) * v.stride[2];
  v.stride[0] = (y->before + y->in + y->after) * v.stride[1];
  v.base = kb_gepi(p->k, kl_scratch(p->g), y->before * v.stride[1] + x->before * v.stride[2]);
  return v;
}

/* Row by row, borders and all; the first and last rows of all are a border's. */
static void padded_copy(kgemm *p, const axis *y, const axis *x) {
  kb *k = p->k;
  const mc_type *t = p->head->in[0]->type;
  kview in = kl_view(p->g, p->head->in[0]), v = padded_view(p, y, x);
  int64_t px = v.stride[2], row = v.stride[1];
  int byte = kl_elem(&v) == 1 ? kl_zero_point(t) : 0;
  kb_loop once, ln, ly, lx;
  bool whole = in.stride[2] == px;
  int split = kl_divide_nest(p->g, &once, 2, t->dim, 1);
  kl_range(p->g, &ln, t->dim[0], 1, split == 0);
  V image = kb_gepi(k, kb_gep(k, v.base, kb_muli(k, ln.iv, v.stride[0])), -x->before * px);
  kl_range(p->g, &ly, 1, 1, split == 1);
  kb_memset(k, kb_gepi(k, image, -y->before * row), byte, y->before * row);
  kb_memset(k, kb_gepi(k, image, y->in * row), byte, y->after * row);
  kb_end(k, &ly, NULL);
  kl_range(p->g, &ly, t->dim[1], 1, split == 1);
  V line = kb_gep(k, image, kb_muli(k, ly.iv, row));
  kb_memset(k, line, byte, x->before * px);
  kb_memset(k, kb_gepi(k, line, (x->before + x->in) * px), byte, x->after * px);
  kb_range(k, &lx, whole ? 1 : t->dim[2], 1, NULL, 0);
  V iv[4] = { ln.iv, ly.iv, lx.iv, NULL };
  kb_memcpy(k, kl_at(k, &v, 4, iv, NULL), kl_at(k, &in, 4, iv, NULL), whole ? t->dim[2] * px : px);
  kb_end(k, &lx, NULL);
  kb_end(k, &ly, NULL);
  kb_end(k, &ln, NULL);
  kb_end(k, &once, NULL);
}

/* Taps of phase `o` along one axis: k and the input offset relative to o' = (position - o) /
 * stride. */
static int taps(const axis *a, int64_t o, int64_t *tap, int64_t *offset) {
  int n = 0;
  for (int64_t k = 0; k < a->kernel; k++) {
    int64_t at = o + a->pad - k * a->dilation;
    if (floor_div(at, a->stride) * a->stride != at) continue;
    tap[n] = k;
    offset[n++] = floor_div(at, a->stride);
  }
  return n;
}

/* Restrict the space and all views of x to every stride-th row and column from (oy, ox) on. */
static void phase_space(kx *x, int64_t oy, int64_t ox, const axis *ya, const axis *xa) {
  kview *list[2 * KX_MAX_VIEWS];
  int n = kx_views(x, list);
  for (int i = 0; i < n; i++) {
    kview *v = list[i];
    v->base = kb_gepi(x->k, v->base, oy * v->stride[1] + ox * v->stride[2]);
    v->stride[1] *= ya->stride;
    v->stride[2] *= xa->stride;
  }
  x->dim[1] = (ya->out - oy + ya->stride - 1) / ya->stride;
  x->dim[2] = (xa->out - ox + xa->stride - 1) / xa->stride;
}

static void phase_runs(kgemm *p, const kview *in, const axis *y, const axis *x, int64_t oy,
                       int64_t ox, int64_t **woff) {
  mc_arena *a = p->k->arena;
  int64_t *ty = MC_NEWN(a, int64_t, y->kernel), *fy = MC_NEWN(a, int64_t, y->kernel),
          *tx = MC_NEWN(a, int64_t, x->kernel), *fx = MC_NEWN(a, int64_t, x->kernel);
  int ny = taps(y, oy, ty, fy), nx = taps(x, ox, tx, fx);
  int64_t ci = p->head->in[1]->type->dim[3];
  p->nrun = 0;
  p->rlen = ci;
  p->run = MC_NEWN(a, int64_t, ny *nx + 1);
  *woff = MC_NEWN(a, int64_t, ny *nx + 1);
  for (int i = 0; i < ny; i++)
    for (int j = 0; j < nx; j++) {
      p->run[p->nrun] = fy[i] * in->stride[1] + fx[j] * in->stride[2];
      (*woff)[p->nrun++] = (ty[i] * x->kernel + tx[j]) * ci;
    }
}

static bool emit_phase(kgemm *p, const kview *in, const mc_tensor *w, const mc_tensor *b,
                       const axis *y, const axis *x, int64_t oy, int64_t ox) {
  const mc_attrs_conv_transpose2d *c = MC_ATTRS(p->head, conv_transpose2d);
  const mc_type *t = p->head->out[0]->type;
  if (!kx_init(p->x, p->g, p->head, t->rank, t->dim)) return false;
  phase_space(p->x, oy, ox, y, x);
  int64_t *woff;
  phase_runs(p, in, y, x, oy, ox, &woff);
  p->a = *in;
  kgemm_window(p, c->groups, c->clamp);
  kgemm_steps(p);
  kx_collapse(p->x, (kview *[]){ &p->a }, 1, p->x->rank - 1);
  if (!kgemm_blocking(p, p->x->dim[p->x->rank - 2])) return false;
  kweights kw = kgemm_window_weights(p, w, woff);
  kgemm_pack(p, &kw, 1, 0, b ? b->data : NULL);
  kgemm_nest(p, NULL, NULL);
  return true;
}

bool k_conv_transpose(kgemm *p) {
  const mc_tensor *w = mc_value_tensor(p->head->in[1]),
                  *b = p->head->nin > 2 ? mc_value_tensor(p->head->in[2]) : NULL;
  if (!w || (p->head->nin > 2 && !b))
    return kl_error(p->g, p->head,
                    "'conv_transpose2d' whose weight or bias is not a constant has no lowering");
  if (w->dtype != mc_engine_weights(p->e))
    return kl_error(p->g, p->head, "'conv_transpose2d' with %s weights has no lowering",
                    mc_dtype_names[w->dtype]);
  axis y = axis_of(p->head, 0), x = axis_of(p->head, 1);
  padded_copy(p, &y, &x);
  kl_step(p->g);
  kview in = padded_view(p, &y, &x);
  for (int64_t oy = 0; oy < y.stride && oy < y.out; oy++)
    for (int64_t ox = 0; ox < x.stride && ox < x.out; ox++)
      if (!emit_phase(p, &in, w, b, &y, &x, oy, ox)) return false;
  return true;
}
