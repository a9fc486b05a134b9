/* Blocks of zero weights that a product could leave out. */
#include "mc/decide/gemm.h"
#include <string.h>

mc_zeros_view mc_gemm_zeros_view(const mc_gemm *p) {
  return (mc_zeros_view){
    p->w.data, mc_engine_weights(p->e), p->groups, p->n, p->nrun, p->rlen, p->w.wn, p->w.wk
  };
}

/* Runs lie one after the other in the weights. */
static bool plain(const mc_gemm *p) {
  for (int r = 0; r < p->nrun; r++)
    if (p->w.woff[r] != r * p->rlen || p->run[r] < 0 || p->run[r] > INT32_MAX - p->rlen * 4)
      return false;
  return p->nrun > 0;
}

void mc_gemm_scan(mc_gemm *p) {
  memset(&p->zeros, 0, sizeof p->zeros);
  p->unit = 0;
  if (p->side || p->ask->target->sparse == MC_SPARSE_OFF || !plain(p)) return;
  mc_zeros_view v = mc_gemm_zeros_view(p);
  p->zeros = mc_zeros_of(&v);
}

int64_t mc_gemm_divides(const mc_gemm *p) {
  if (p->e->tile || p->side || mc_engine_widens_b(p->e)) return -1;
  return p->e->in == 'I' ? 0 : p->rlen;
}
