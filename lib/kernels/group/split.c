/* Dividing a group's work among threads: docs/internals/threads.md. */
#include "lower.h"
#include "mc/target/tuning.h"

bool split_by_images(const kgroup *g) { return g->plan->images && g->plan->images[g->index] != 0; }

/* n * task / ntasks at the top of the function, so that no loop computes it again. */
static kvalue boundary(const kgroup *g, int64_t n, int plus) {
  kbuilder *k = g->k;
  kbasic_block cur = LLVMGetInsertBlock(k->b), entry = LLVMGetEntryBasicBlock(k->fn);
  kvalue first = LLVMGetFirstInstruction(entry);
  if (n > 1) g->code->tasks[g->code->n] = g->tasks; /* now it pays to call all shares */
  if (first) LLVMPositionBuilderBefore(k->b, first);
  kvalue task = build_add_const(k, LLVMGetParam(k->fn, 2), plus);
  kvalue at = LLVMBuildUDiv(k->b, build_mul_const(k, task, n), LLVMGetParam(k->fn, 3), "");
  LLVMPositionBuilderAtEnd(k->b, cur);
  return at;
}

bool split_done(const kgroup *g) { return g->code->tasks[g->code->n] > 1; }

void split_share(const kgroup *g, int64_t n, kvalue *lo, kvalue *hi) {
  *lo = g->tasks == 1 ? build_i64(g->k, 0) : boundary(g, n, 0);
  *hi = g->tasks == 1 ? build_i64(g->k, n) : boundary(g, n, 1);
}

void split_range_part(const kgroup *g, kloop *l, int64_t from, int64_t to, int64_t n, int64_t step,
                      bool split) {
  kbuilder *k = g->k;
  kvalue lo = build_i64(k, from), hi = build_i64(k, to);
  if (split && g->tasks > 1) {
    kvalue a, b;
    split_share(g, n, &a, &b);
    lo = from ? build_smax(k, a, lo) : a;
    hi = to < n ? build_smin(k, b, hi) : b;
  }
  build_for(k, l, build_mul_const(k, lo, step), build_mul_const(k, hi, step), step, NULL, 0);
}

void split_range(const kgroup *g, kloop *l, int64_t n, int64_t step, bool split) {
  if (!split || g->tasks == 1) {
    build_range(g->k, l, n, step, NULL, 0);
    return;
  }
  kvalue lo, hi;
  split_share(g, (n + step - 1) / step, &lo, &hi);
  build_for(g->k, l, build_mul_const(g->k, lo, step), build_mul_const(g->k, hi, step), step, NULL,
            0);
}

bool split_by_columns(const kgroup *g) { return mc_ask_by_columns(&g->decision->ask); }

int split_choose(const kgroup *g, int n, const int64_t *trips) {
  int best = -1;
  if (split_by_images(g)) return 0;
  if (split_by_columns(g) && trips[n - 1] > 1) return n - 1;
  double gain = 1;
  for (int i = 0; i < n && g->tasks > 1; i++) {
    double here = (double)trips[i] / (double)((trips[i] + g->tasks - 1) / g->tasks);
    if (here <= (best < 0 ? gain : mc_tune.thread_even * gain)) continue;
    best = i;
    gain = here;
  }
  return best;
}

kvalue split_blocks(const kgroup *g, kloop *l, int64_t n, int64_t step, bool split) {
  kbuilder *k = g->k;
  bool parts = split && g->tasks > 1 && n / g->tasks >= step;
  kvalue lo, hi = build_i64(k, n);
  if (parts) {
    split_share(g, n, &lo, &hi);
    build_for(k, l, lo, hi, step, NULL, 0);
  } else {
    split_range(g, l, n, step, split);
  }
  return parts || n % step ? build_smin(k, l->iv, build_add_const(k, hi, -step)) : l->iv;
}

bool split_blocks_divide(const kgroup *g, int64_t n, int64_t step) {
  return mc_ask_blocks_divide(&g->decision->ask, n, step);
}

int split_nest(const kgroup *g, kloop *once, int rank, const int64_t *dim, int lanes) {
  int64_t trips[MC_MAX_RANK];
  for (int d = 0; d < rank; d++) trips[d] = d == rank - 1 ? (dim[d] + lanes - 1) / lanes : dim[d];
  int split = split_choose(g, rank, trips);
  split_range(g, once, 1, 1, split < 0);
  return split;
}
