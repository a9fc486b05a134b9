/* matmul: constant second operands are weights; others are packed at run time. */
#include "prepare.h"
#include <string.h>

bool gemm_matmul_types(const mc_gemm *p) {
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
  return mc_value_tensor(n->in[1]) && gemm_zero(b) == 0 && b->dtype != MC_u8 &&
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
bool gemm_matmul(mc_gemm *p, mc_space *s, mc_strides *a) {
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
                      .zb = gemm_zero(bt) - (bt->dtype == MC_u8 ? 128 : 0),
                      .view = mc_strides_broadcast(b, bt, s->rank, s->dim) };
  p->nbatch = whole_b(p->head, p->b.k, p->b.n) ? 0 : s->rank - 2;
  p->groups = 1;
  p->n = p->b.n;
  p->nrun = 1;
  p->run = MC_NEW(p->arena, int64_t);
  p->rlen = p->b.k;
  mc_gemm_steps(p);
  memcpy(p->clamp, MC_ATTRS(p->head, matmul)->clamp, sizeof p->clamp);
  gemm_collapse(p, s, a, p->nbatch ? s->rank : p->ask->by_images);
  return gemm_choose(p);
}
