/* Which loop of a product's nest is divided among threads: docs/internals/threads.md. */
#include "mc/decide/gemm.h"
#include "mc/target/tuning.h"

typedef struct choice {
  int split;
  double cost;
  int tasks;
} choice;

/* Time of the largest share in cycles: products, and bytes that each core reads (weights from
 * memory where all of them together do not fit L3). share: the part of the trips that it has.
 * Groups divide rows wherever they can, so rows of A are where the core that wants them has written
 * them; with other divisions the other tasks' part of A comes from other cores, and so does the
 * result for whoever reads it next. */
static double cost_of(const mc_gemm *p, double share, bool all_a, bool all_b) {
  double rows = 1, k = (double)p->nrun * (double)p->rlen, e = (double)mc_gemm_elem(p->e),
         columns = (double)(p->groups * p->n), batches = 1;
  for (int d = 0; d < p->rank - 1; d++) *(d < p->nbatch ? &batches : &rows) *= (double)p->dim[d];
  double macs = batches * rows * columns * k, a = batches * rows * k * e,
         b = batches * columns * k * e;
  double rate = (double)mc_engine_lanes(p->e, p->ask->target) * p->e->kr;
  double out = batches * rows * columns * (double)mc_dtype_size(p->ask->group->out[0]->type->dtype),
         mine = 1.0 / p->ask->tasks;
  double input = (double)mc_type_bytes(p->head->in[0]->type),
         moved = all_a ? (input + out) * (1 - mine) : 0;
  double weights = p->ask->weights > p->ask->target->l3 ? mc_tune.byte_dram : mc_tune.byte_l3;
  return macs / rate * share + a * (all_a ? 1 : share) * mc_tune.byte_l3 +
         b * (all_b ? 1 : share) * weights + moved * mc_tune.thread_byte_cycles;
}

static void consider(choice *best, const mc_gemm *p, int split, int64_t trips, bool all_a,
                     bool all_b) {
  int64_t tasks = p->ask->tasks, most = (trips + tasks - 1) / tasks;
  if (trips < 2) return;
  double c = cost_of(p, (double)most / (double)trips, all_a, all_b);
  if (best->split >= -1 && c >= mc_tune.thread_margin * best->cost) return;
  *best = (choice){ split, c, (int)((trips + most - 1) / most) };
}

void mc_gemm_divide(mc_gemm *p) {
  bool repacks = p->b.packed;
  int last = p->rank - 2;
  int64_t rows = p->dim[last], blocks = (rows + p->mr - 1) / p->mr,
          columns = (mc_gemm_vectors(p->n) + p->nv - 1) / p->nv;
  choice alone = { -1, cost_of(p, 1, true, true), 1 }, best = alone;
  p->split = -1;
  if (p->ask->by_images) p->split = 0;
  if (p->ask->tasks == 1 || p->ask->by_images) return;
  if (p->e->tile && !repacks && mc_tile_units(p) / p->ask->tasks * mc_tile_unit(p) >= p->mt)
    consider(&best, p, MC_SPLIT_TILES, mc_tile_units(p), false, true);
  for (int d = 0; d < (p->e->tile ? p->nbatch : last); d++)
    if (d < p->nbatch || !repacks) consider(&best, p, d, p->dim[d], false, d >= p->nbatch);
  if (!p->e->tile && !repacks && mc_ask_blocks_divide(p->ask, rows, p->mr))
    consider(&best, p, last, blocks, false, true);
  if (best.split >= 0 && p->ask->divide == MC_DIVIDE_rows) {
    p->split = best.split;
    return;
  }
  if (mc_ask_by_columns(p->ask)) best = alone;
  consider(&best, p, MC_SPLIT_GROUPS, p->groups, false, false);
  consider(&best, p, MC_SPLIT_COLUMNS, columns, true, false);
  p->split = best.split;
}
