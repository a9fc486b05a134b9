/* What bringing an op into the form of mc_gemm shares (gemm.c, matmul.c, transposed.c). */
#ifndef DECIDE_PREPARE_H
#define DECIDE_PREPARE_H
#include "mc/decide/gemm.h"

static inline int32_t gemm_zero(const mc_type *t) {
  return t->q.kind == MC_Q_TENSOR ? t->q.zero : 0;
}

/* Weights and bias: constants, f32 with f32, bf16 with bf16, i8 with 8-bit operands. False after
 * reporting. */
bool gemm_weights(mc_gemm *p);
/* What conv2d and conv_transpose2d have in common: columns, groups, the clamp, from the head's
 * weights [out][rows][columns][in / group]. */
void gemm_window(mc_gemm *p, int64_t groups, const float *clamp, int64_t a_elem);
/* Merge what can be merged of the row axes from `first` on; the space is then the product's. */
void gemm_collapse(mc_gemm *p, mc_space *s, mc_strides *a, int first);
/* The problem is known: the block, and the loop that is divided. False after reporting. */
bool gemm_choose(mc_gemm *p);

bool gemm_matmul_types(const mc_gemm *p); /* False after reporting. */
bool gemm_matmul(mc_gemm *p, mc_space *s, mc_strides *a);
bool gemm_transposed(mc_gemm *p, mc_space *s, int phase);
#endif
