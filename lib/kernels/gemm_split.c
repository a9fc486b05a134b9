/* Which loop of a product's nest is divided among threads: docs/internals/threads.md. */
#include "tile.h"
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
static double cost_of(const kgemm *p, double share, bool all_a, bool all_b) {
  double rows = 1, k = (double)p->nrun * (double)p->rlen, e = (double)kgemm_elem(p->e),
         columns = (double)(p->groups * p->n), batches = 1;
  for (int d = 0; d < p->x->rank - 1; d++)
    *(d < p->nbatch ? &batches : &rows) *= (double)p->x->dim[d];
  double macs = batches * rows * columns * k, a = batches * rows * k * e,
         b = batches * columns * k * e;
  double rate = (double)mc_engine_lanes(p->e, p->k->target) * p->e->kr;
  double out = batches * rows * columns * (double)mc_dtype_size(p->g->group->out[0]->type->dtype),
         mine = 1.0 / p->g->tasks;
  double input = (double)mc_type_bytes(p->head->in[0]->type),
         moved = all_a ? (input + out) * (1 - mine) : 0;
  double weights = p->g->weights > p->k->target->l3 ? mc_tune.byte_dram : mc_tune.byte_l3;
  return macs / rate * share + a * (all_a ? 1 : share) * mc_tune.byte_l3 +
         b * (all_b ? 1 : share) * weights + moved * mc_tune.thread_byte_cycles;
}

static void consider(choice *best, const kgemm *p, int split, int64_t trips, bool all_a,
                     bool all_b) {
  int64_t tasks = p->g->tasks, most = (trips + tasks - 1) / tasks;
  if (trips < 2) return;
  double c = cost_of(p, (double)most / (double)trips, all_a, all_b);
  if (best->split >= -1 && c >= mc_tune.thread_margin * best->cost) return;
  *best = (choice){ split, c, (int)((trips + most - 1) / most) };
}

void kgemm_divide(kgemm *p, bool repacks) {
  int last = p->x->rank - 2;
  int64_t rows = p->x->dim[last], blocks = (rows + p->mr - 1) / p->mr,
          columns = (kgemm_vectors(p->n) + p->nv - 1) / p->nv;
  choice alone = { -1, cost_of(p, 1, true, true), 1 }, best = alone;
  p->split = -1;
  if (kl_by_images(p->g)) p->split = 0;
  if (p->g->tasks == 1 || kl_by_images(p->g)) return;
  if (p->e->tile && !repacks && ktile_units(p) / p->g->tasks * ktile_unit(p) >= p->mt)
    consider(&best, p, KGEMM_TILES, ktile_units(p), false, true);
  for (int d = 0; d < (p->e->tile ? p->nbatch : last); d++)
    if (d < p->nbatch || !repacks) consider(&best, p, d, p->x->dim[d], false, d >= p->nbatch);
  if (!p->e->tile && !repacks && kl_blocks_divide(p->g, rows, p->mr))
    consider(&best, p, last, blocks, false, true);
  if (best.split >= 0 && p->g->plan->divide[p->g->index] == MC_DIVIDE_rows) {
    p->split = best.split;
    return;
  }
  if (kl_by_columns(p->g)) best = alone;
  consider(&best, p, KGEMM_GROUPS, p->groups, false, false);
  consider(&best, p, KGEMM_COLUMNS, columns, true, false);
  p->split = best.split;
}
