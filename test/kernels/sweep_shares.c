/* A parallel_for that finds races by construction: every share runs alone, from the memory as it
 * was before all of them, so it cannot see what the others did; the bytes that each has changed are
 * put together afterwards. A byte that two shares changed is counted. */
#include "sweep.h"
#include <stdlib.h>

void shares_add(shares *s, void *p, size_t n) {
  s->part[s->n].p = p;
  s->part[s->n++].n = n;
}

static size_t total(const shares *s) {
  size_t n = 0;
  for (int i = 0; i < s->n; i++) n += s->part[i].n;
  return n;
}

static void copy(const shares *s, unsigned char *to, const unsigned char *from) {
  for (int i = 0; i < s->n; i++) {
    if (to)
      memcpy(to, s->part[i].p, s->part[i].n), to += s->part[i].n;
    else
      memcpy(s->part[i].p, from, s->part[i].n), from += s->part[i].n;
  }
}

void shares_run(void *ctx, int ntasks, void (*task)(void *arg, int i), void *arg) {
  shares *s = ctx;
  size_t n = total(s);
  unsigned char *before = malloc(n), *sum = malloc(n), *now = malloc(n), *changed = calloc(n, 1);
  if (!before || !sum || !now || !changed) abort();
  copy(s, before, NULL);
  memcpy(sum, before, n);
  for (int i = ntasks; i-- > 0;) {
    copy(s, NULL, before);
    task(arg, i);
    copy(s, now, NULL);
    for (size_t b = 0; b < n; b++) {
      if (now[b] == before[b]) continue;
      s->overlaps += changed[b];
      changed[b] = 1;
      sum[b] = now[b];
    }
  }
  copy(s, NULL, sum);
  s->calls++;
  free(before);
  free(sum);
  free(now);
  free(changed);
}
