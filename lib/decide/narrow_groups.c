/* Groups of a convolution that have fewer columns than a vector of 16: when several of them share
 * the lanes of one. */
#include "mc/decide/gemm.h"

enum { WORD = 4 }; /* bytes of A that a step takes in a lane */

/* Bytes from one group's channels to the next. */
static int64_t group_bytes(const mc_gemm *p) { return p->side_in * mc_gemm_a_elem(p->e); }

/* Bytes of A that `lanes` lanes from a multiple of `lanes` on read in a step. */
int64_t mc_side_reach(const mc_gemm *p, int lanes) {
  int64_t groups = lanes > p->side ? lanes / p->side : 1;
  return (groups - 1) * group_bytes(p) + WORD;
}

static int64_t power_of_two(int64_t n) {
  int64_t p = WORD;
  while (p < n) p *= 2;
  return p;
}

static bool serves(const mc_gemm *p, int lanes) {
  const mc_engine *e = p->e;
  int64_t odd =
      mc_engine_has(e, MC_ENGINE_PAIRS)
          ? p->side_in % 2
          : 0; /* a pair's second element would be the next group's, and 0 times it may be a NaN */
  return !e->tile && e->rows == 1 && e->kr * mc_gemm_a_elem(e) == WORD && !odd &&
         power_of_two(mc_side_reach(p, lanes)) <= (int64_t)lanes * WORD;
}

void mc_gemm_side(mc_gemm *p, int64_t in, bool slack) {
  if (!mc_nest_shares(p->groups, p->n)) return;
  p->side = (int)p->n;
  p->side_in = (int)in;
  if (!slack || !serves(p, mc_engine_lanes(p->e, p->ask->target))) {
    p->side = 0;
    return;
  }
  int64_t count = MC_GEMM_LANES / p->n;
  p->groups /= count;
  p->n = MC_GEMM_LANES;
  p->a_group *= count;
}
