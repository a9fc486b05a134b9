/* gemm: what is decided about a product, emitted in the form of gemm.h. */
#include "gemm.h"
#include "first_conv.h"
#include <assert.h>

void kgemm_collapse(kgemm *p, int first) {
  epilogue_collapse_from(p->x, first, (kview *[]){ &p->a }, 1, p->x->rank - 1);
  assert(p->x->rank == p->d.rank && "the decision saw another space");
}

bool kgemm_epilogue(kgemm *p, int rank, const int64_t *dim) {
  if (!epilogue_init(p->x, p->g, p->head, rank, dim)) return false;
  p->x->adds |= p->d.e->tile && epilogue_is_short(p->x);
  return true;
}

static kview view_of_a(const kgemm *p) {
  return p->d.e->sign == MC_SIGN_wide ? widen_view(p) : view_of_operand(p->g, p->head->in[0]);
}

static void conv(kgemm *p) {
  const mc_attrs_conv2d *c = MC_ATTRS(p->head, conv2d);
  kview in = view_of_a(p);
  p->a = in;
  p->a.base = build_offset(p->k, in.base, -c->pad[0] * in.stride[1] - c->pad[1] * in.stride[2]);
  p->a.stride[1] = in.stride[1] * c->stride[0];
  p->a.stride[2] = in.stride[2] * c->stride[1];
  p->a.stride[3] = 0;
  kgemm_collapse(p, p->d.nbatch);
  kgemm_pack(p);
  kgemm_nest(p, NULL, NULL);
}

void emit_linear_like(kgemm *p) {
  kgemm_collapse(p, split_by_images(p->g));
  kgemm_pack(p);
  kgemm_nest(p, NULL, NULL);
}

static bool linear_or_matmul(kgemm *p) {
  p->a = view_broadcast(view_of_a(p), p->head->in[0]->type, p->x->rank, p->x->dim);
  p->a.stride[p->x->rank - 1] = 0;
  if (p->head->op == MC_OP_matmul) return emit_matmul(p);
  emit_linear_like(p);
  return true;
}

static bool products(kgroup *g) {
  kgemm *p = MC_NEW(g->k->arena, kgemm);
  p->d = g->decision->product[0];
  p->g = g;
  p->k = g->k;
  p->head = group_first(g);
  p->x = MC_NEW(g->k->arena, kepilogue);
  int64_t dim[MC_MAX_RANK];
  int rank = mc_gemm_space(p->head->out[0]->type, dim);
  if (p->d.e->sign == MC_SIGN_wide) widen_operands(p);
  if (p->head->op == MC_OP_conv_transpose2d) return emit_conv_transpose(p);
  if (!kgemm_epilogue(p, rank, dim)) return false;
  if (p->head->op != MC_OP_conv2d) return linear_or_matmul(p);
  conv(p);
  return true;
}

bool family_emit_gemm(kgroup *g) {
  switch (g->decision->form) {
  case MC_KERNEL_FORM_first_conv: return emit_first_conv(g);
  case MC_KERNEL_FORM_first_conv_pairs: return emit_first_conv_pairs(g);
  default: break;
  }
  if (!products(g)) return false;
  fill_borders(g);
  return true;
}
