/* Dividing a group's work among threads: docs/internals/threads.md. */
#include "lower.h"
#include "mc/target/tuning.h"

bool kl_by_images(const kgroup *g) { return g->plan->images && g->plan->images[g->index] != 0; }

/* n * task / ntasks at the top of the function, so that no loop computes it again. */
static V boundary(const kgroup *g, int64_t n, int plus) {
  kb *k = g->k;
  BB cur = LLVMGetInsertBlock(k->b), entry = LLVMGetEntryBasicBlock(k->fn);
  V first = LLVMGetFirstInstruction(entry);
  if (n > 1) g->code->tasks[g->code->n] = g->tasks; /* now it pays to call all shares */
  if (first) LLVMPositionBuilderBefore(k->b, first);
  V task = kb_addi(k, LLVMGetParam(k->fn, 2), plus);
  V at = LLVMBuildUDiv(k->b, kb_muli(k, task, n), LLVMGetParam(k->fn, 3), "");
  LLVMPositionBuilderAtEnd(k->b, cur);
  return at;
}

bool kl_divided(const kgroup *g) { return g->code->tasks[g->code->n] > 1; }

void kl_share(const kgroup *g, int64_t n, V *lo, V *hi) {
  *lo = g->tasks == 1 ? kb_i64(g->k, 0) : boundary(g, n, 0);
  *hi = g->tasks == 1 ? kb_i64(g->k, n) : boundary(g, n, 1);
}

void kl_range_part(const kgroup *g, kb_loop *l, int64_t from, int64_t to, int64_t n, int64_t step,
                   bool split) {
  kb *k = g->k;
  V lo = kb_i64(k, from), hi = kb_i64(k, to);
  if (split && g->tasks > 1) {
    V a, b;
    kl_share(g, n, &a, &b);
    lo = from ? kb_smax(k, a, lo) : a;
    hi = to < n ? kb_smin(k, b, hi) : b;
  }
  kb_for(k, l, kb_muli(k, lo, step), kb_muli(k, hi, step), step, NULL, 0);
}

void kl_range(const kgroup *g, kb_loop *l, int64_t n, int64_t step, bool split) {
  if (!split || g->tasks == 1) {
    kb_range(g->k, l, n, step, NULL, 0);
    return;
  }
  V lo, hi;
  kl_share(g, (n + step - 1) / step, &lo, &hi);
  kb_for(g->k, l, kb_muli(g->k, lo, step), kb_muli(g->k, hi, step), step, NULL, 0);
}

bool kl_by_columns(const kgroup *g) { return mc_ask_by_columns(&g->decision->ask); }

int kl_divide(const kgroup *g, int n, const int64_t *trips) {
  int best = -1;
  if (kl_by_images(g)) return 0;
  if (kl_by_columns(g) && trips[n - 1] > 1) return n - 1;
  double gain = 1;
  for (int i = 0; i < n && g->tasks > 1; i++) {
    double here = (double)trips[i] / (double)((trips[i] + g->tasks - 1) / g->tasks);
    if (here <= (best < 0 ? gain : mc_tune.thread_even * gain)) continue;
    best = i;
    gain = here;
  }
  return best;
}

V kl_blocks(const kgroup *g, kb_loop *l, int64_t n, int64_t step, bool split) {
  kb *k = g->k;
  bool parts = split && g->tasks > 1 && n / g->tasks >= step;
  V lo, hi = kb_i64(k, n);
  if (parts) {
    kl_share(g, n, &lo, &hi);
    kb_for(k, l, lo, hi, step, NULL, 0);
  } else {
    kl_range(g, l, n, step, split);
  }
  return parts || n % step ? kb_smin(k, l->iv, kb_addi(k, hi, -step)) : l->iv;
}

bool kl_blocks_divide(const kgroup *g, int64_t n, int64_t step) {
  return mc_ask_blocks_divide(&g->decision->ask, n, step);
}

int kl_divide_nest(const kgroup *g, kb_loop *once, int rank, const int64_t *dim, int lanes) {
  int64_t trips[MC_MAX_RANK];
  for (int d = 0; d < rank; d++) trips[d] = d == rank - 1 ? (dim[d] + lanes - 1) / lanes : dim[d];
  int split = kl_divide(g, rank, trips);
  kl_range(g, once, 1, 1, split < 0);
  return split;
}
