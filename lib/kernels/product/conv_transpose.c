/* conv_transpose2d as stride_h * stride_w convolutions of stride 1: result pixel (oy, ox) only
 * meets the taps with (oy + pad - ky * dilation) divisible by the stride, so the pixels of one
 * phase (oy mod stride_h, ox mod stride_w) share their taps. The input is copied into scratch with
 * a border wide enough for all phases. */
#include "gemm.h"
#include <string.h>

/* The copy's view; its base is input element 0. */
static kview padded_view(const kgemm *p, const mc_transposed_axis *y, const mc_transposed_axis *x) {
  kview v = view_at_base(mc_transposed_strides(p->head), NULL);
  v.base =
      build_offset(p->k, group_scratch(p->g), y->before * v.stride[1] + x->before * v.stride[2]);
  return v;
}

/* Row by row, borders and all; the first and last rows of all are a border's. */
static void padded_copy(kgemm *p, const mc_transposed_axis *y, const mc_transposed_axis *x) {
  kbuilder *k = p->k;
  const mc_type *t = p->head->in[0]->type;
  kview in = view_of(p->g, p->head->in[0]), v = padded_view(p, y, x);
  int64_t px = v.stride[2], row = v.stride[1];
  int byte = view_elem_bytes(&v) == 1 ? zero_point_of(t) : 0;
  kloop once, ln, ly, lx;
  bool whole = in.stride[2] == px;
  int split = split_nest(p->g, &once, 2, t->dim, 1);
  split_range(p->g, &ln, t->dim[0], 1, split == 0);
  kvalue image = build_offset(k, build_address(k, v.base, build_mul_const(k, ln.iv, v.stride[0])),
                              -x->before * px);
  split_range(p->g, &ly, 1, 1, split == 1);
  build_memset(k, build_offset(k, image, -y->before * row), byte, y->before * row);
  build_memset(k, build_offset(k, image, y->in * row), byte, y->after * row);
  build_end(k, &ly, NULL);
  split_range(p->g, &ly, t->dim[1], 1, split == 1);
  kvalue line = build_address(k, image, build_mul_const(k, ly.iv, row));
  build_memset(k, line, byte, x->before * px);
  build_memset(k, build_offset(k, line, (x->before + x->in) * px), byte, x->after * px);
  build_range(k, &lx, whole ? 1 : t->dim[2], 1, NULL, 0);
  kvalue iv[4] = { ln.iv, ly.iv, lx.iv, NULL };
  build_memcpy(k, view_address(k, &v, 4, iv, NULL), view_address(k, &in, 4, iv, NULL),
               whole ? t->dim[2] * px : px);
  build_end(k, &lx, NULL);
  build_end(k, &ly, NULL);
  build_end(k, &ln, NULL);
  build_end(k, &once, NULL);
}

/* Restrict the space and all views of x to every stride-th row and column from (oy, ox) on. */
static void phase_space(kepilogue *x, int64_t oy, int64_t ox, const mc_transposed_axis *ya,
                        const mc_transposed_axis *xa) {
  kview *list[2 * EPILOGUE_MAX_VIEWS];
  int n = epilogue_views(x, list);
  for (int i = 0; i < n; i++) {
    kview *v = list[i];
    v->base = build_offset(x->k, v->base, oy * v->stride[1] + ox * v->stride[2]);
    v->stride[1] *= ya->stride;
    v->stride[2] *= xa->stride;
  }
  x->dim[1] = (ya->out - oy + ya->stride - 1) / ya->stride;
  x->dim[2] = (xa->out - ox + xa->stride - 1) / xa->stride;
}

static bool emit_phase(kgemm *p, const kview *in, const mc_transposed_axis *y,
                       const mc_transposed_axis *x, const int64_t at[2]) {
  const mc_type *t = p->head->out[0]->type;
  if (!kgemm_epilogue(p, t->rank, t->dim)) return false;
  phase_space(p->x, at[0], at[1], y, x);
  p->a = *in;
  p->a.stride[3] = 0;
  kgemm_collapse(p, split_by_images(p->g));
  kgemm_pack(p);
  kgemm_nest(p, NULL, NULL);
  return true;
}

bool emit_conv_transpose(kgemm *p) {
  mc_transposed_axis y = mc_transposed_axis_of(p->head, 0), x = mc_transposed_axis_of(p->head, 1);
  int64_t(*at)[2] = mc_arena_alloc(p->k->arena, sizeof *at * (size_t)(y.stride * x.stride));
  int n = mc_transposed_phases(p->head, at);
  padded_copy(p, &y, &x);
  split_stage(p->g);
  kview in = padded_view(p, &y, &x);
  for (int i = 0; i < n; i++) {
    p->d = p->g->decision->product[i];
    if (!emit_phase(p, &in, &y, &x, at[i])) return false;
  }
  return true;
}
