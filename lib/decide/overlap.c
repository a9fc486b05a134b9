/* Small blocks whose epilogues run between the products of the next block: when. */
#include "mc/decide/gemm.h"

enum {
  SPARE = 3, /* registers that the epilogue works in */
  MAX_EARLY = 3,
  MIN_STEPS = 4,
  MIN_BLOCKS = 4
};

static int64_t trips(const mc_gemm *p, int d, int mr) {
  return d == p->rank - 2 ? (p->dim[d] + mr - 1) / mr : p->dim[d];
}

int mc_gemm_crowded(const mc_gemm *p, int mr, int nv) {
  int n = 2 * mr * nv + nv + p->e->spare + (p->e->ku > 1 ? mr : 0) + SPARE -
          mc_engine_regs(p->ask->target);
  return n > 0 ? n : 0;
}

bool mc_gemm_overlaps(const mc_gemm *p, int mr, int nv) {
  if (p->unit || p->stored || p->ask->small || !mc_engine_has(p->e, MC_ENGINE_OVERLAPS) ||
      p->nrun == 0)
    return false;
  int64_t blocks = (mc_gemm_vectors(p->n) + nv - 1) / nv;
  for (int d = p->nbatch; d < p->rank - 1; d++) blocks *= trips(p, d, mr);
  return blocks >= MIN_BLOCKS && mc_gemm_crowded(p, mr, nv) < mr &&
         mc_gemm_crowded(p, mr, nv) <= MAX_EARLY && mc_gemm_straight(p, mr) >= MIN_STEPS;
}

/* Where the windows of neighbouring rows overlap, steps further apart than the rows read the same
 * bytes: LLVM would keep those in registers from one use to the next, and run out of them. */
int64_t mc_gemm_apart(const mc_gemm *p, int mr) {
  int64_t row = p->a_stride[p->rank - 2], step = p->e->kr * mc_gemm_a_elem(p->e);
  return mr > 1 && row < p->steps * step ? row / step : p->steps;
}

int64_t mc_gemm_straight(const mc_gemm *p, int mr) {
  int64_t most = mc_gemm_apart(p, mr);
  return p->e->ku > 1 ? most / p->e->ku * p->e->ku : most;
}
