/* Which loop of a product's nest is divided among threads: docs/internals/threads.md. */
#include "mc/decide/gemm.h"
#include "mc/target/tuning.h"
#include <string.h>

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

/* A loop that can be divided: what each task reads of A and B. */
typedef struct loop {
  int split;
  int64_t trips;
  bool all_a, all_b, rows; /* rows: by images, lines or rows of A */
} loop;

enum { LOOPS = MC_MAX_RANK + 4 };

static int loops_of(const mc_gemm *p, loop *l) {
  bool repacks = p->b.packed;
  int n = 0, last = p->rank - 2;
  int64_t rows = p->dim[last], blocks = (rows + p->mr - 1) / p->mr,
          columns = (mc_gemm_vectors(p->n) + p->nv - 1) / p->nv;
  if (p->e->tile && !repacks && mc_tile_units(p) / p->ask->tasks * mc_tile_unit(p) >= p->mt)
    l[n++] = (loop){ MC_SPLIT_TILES, mc_tile_units(p), false, true, true };
  for (int d = 0; d < (p->e->tile ? p->nbatch : last); d++)
    if (d < p->nbatch || !repacks) l[n++] = (loop){ d, p->dim[d], false, d >= p->nbatch, true };
  if (!p->e->tile && !repacks && mc_ask_blocks_divide(p->ask, rows, p->mr))
    l[n++] = (loop){ last, blocks, false, true, true };
  l[n++] = (loop){ MC_SPLIT_GROUPS, p->groups, false, false, false };
  l[n++] = (loop){ MC_SPLIT_COLUMNS, columns, true, false, false };
  return n;
}

const char *mc_gemm_loop_text(int split, mc_arena *a) {
  return split == MC_SPLIT_GROUPS    ? "groups"
         : split == MC_SPLIT_COLUMNS ? "columns"
         : split == MC_SPLIT_TILES   ? "tiles"
                                     : mc_arena_printf(a, "axis%d", split);
}

/* The `loop` attribute. */
static bool obey(mc_gemm *p, const loop *l, int n, const char *asked) {
  const char *names = "";
  for (int i = 0; i < n; i++) {
    const char *name = mc_gemm_loop_text(l[i].split, p->arena);
    if (l[i].trips < 2) continue;
    if (strcmp(name, asked) == 0) return p->split = l[i].split, true;
    names = mc_arena_printf(p->arena, "%s%s%s", names, *names ? ", " : "", name);
  }
  return mc_gemm_refuse(p, NULL, "'loop': %s of this product cannot be divided among %d tasks; %s",
                        asked, p->ask->tasks,
                        *names ? mc_arena_printf(p->arena, "those that can: %s", names)
                               : "no loop can");
}

bool mc_gemm_divide(mc_gemm *p) {
  loop l[LOOPS];
  const char *asked = MC_ATTRS(p->ask->group, group)->loop;
  p->split = p->ask->by_images ? 0 : -1;
  if (p->ask->tasks == 1 || p->ask->by_images) return true;
  int n = loops_of(p, l);
  if (asked && *asked && p->head->op != MC_OP_conv_transpose2d) return obey(p, l, n, asked);
  choice alone = { -1, cost_of(p, 1, true, true), 1 }, best = alone;
  for (int i = 0; i < n; i++)
    if (l[i].rows) consider(&best, p, l[i].split, l[i].trips, l[i].all_a, l[i].all_b);
  bool rows = best.split >= 0 && p->ask->divide == MC_DIVIDE_rows;
  if (!rows && mc_ask_by_columns(p->ask)) best = alone;
  for (int i = 0; i < n; i++)
    if (!rows && !l[i].rows) consider(&best, p, l[i].split, l[i].trips, l[i].all_a, l[i].all_b);
  p->split = best.split;
  return true;
}
