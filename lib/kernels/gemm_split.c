/* Which loop of a product's nest is divided among threads: docs/kernels.md, "Threads". */
#include "tile.h"

typedef struct choice { int split; double cost; int tasks; } choice;

/* Time of the largest share in cycles: products, and bytes of A and of B that each core reads. share: the part of the trips that it has. */
static double cost_of(const kgemm *p, double share, bool all_a, bool all_b) {
  double rows = 1, k = (double)p->nrun * (double)p->rlen, e = (double)kgemm_elem(p->e), columns = (double)(p->groups * p->n), batches = 1;
  for (int d = 0; d < p->x->rank - 1; d++) *(d < p->nbatch ? &batches : &rows) *= (double)p->x->dim[d];
  double macs = batches * rows * columns * k, a = batches * rows * k * e, b = batches * columns * k * e;
  double rate = (double)kengine_lanes(p->e, p->k->target) * p->e->kr;
  return macs / rate * share + (a * (all_a ? 1 : share) + b * (all_b ? 1 : share)) / 10;
}
static void consider(choice *best, const kgemm *p, int split, int64_t trips, bool all_a, bool all_b) {
  int64_t tasks = p->g->tasks, most = (trips + tasks - 1) / tasks;
  if (trips < 2) return;
  double c = cost_of(p, (double)most / (double)trips, all_a, all_b);
  if (best->split >= -1 && c >= 0.98 * best->cost) return;
  *best = (choice){ split, c, (int)((trips + most - 1) / most) };
}
void kgemm_divide(kgemm *p, bool repacks) {
  int last = p->x->rank - 2;
  int64_t rows = p->x->dim[last], blocks = (rows + p->mr - 1) / p->mr, columns = (kgemm_vectors(p->n) + p->nv - 1) / p->nv;
  choice best = { -1, cost_of(p, 1, true, true), 1 };
  p->split = -1;
  if (p->g->tasks == 1) return;
  if (p->e->tile && !repacks && ktile_units(p) / p->g->tasks * ktile_unit(p) >= p->mt) consider(&best, p, KGEMM_TILES, ktile_units(p), false, true);
  for (int d = 0; d < (p->e->tile ? p->nbatch : last); d++)
    if (d < p->nbatch || !repacks) consider(&best, p, d, p->x->dim[d], false, d >= p->nbatch);
  /* Blocks of rows: the last one may move back over the one before, which must be the same task's. */
  if (!p->e->tile && !repacks && (rows % p->mr == 0 || blocks >= 2 * p->g->tasks)) consider(&best, p, last, blocks, false, true);
  consider(&best, p, KGEMM_GROUPS, p->groups, false, false);
  consider(&best, p, KGEMM_COLUMNS, columns, true, false);
  p->split = best.split;
}
