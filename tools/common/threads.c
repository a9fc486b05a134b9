#include "common/threads.h"
#include <sched.h>
#include <string.h>

static bool bind_to(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((size_t)cpu, &one);
  return sched_setaffinity(0, sizeof one, &one) == 0;
}

/* The caller goes to its CPU first, so that the pool leaves it out, but while the pool is made it
 * has the whole set, which the pool takes its CPUs from. Where threads have to share CPUs all of
 * them stay free. */
bool threads_open(mcrt_pool **out, tool *t, int64_t n, int cpu) {
  cpu_set_t all;
  *out = NULL;
  if (n == 1) return true;
  bool known = sched_getaffinity(0, sizeof all, &all) == 0 && CPU_COUNT(&all) >= n;
  if (cpu < 0) cpu = sched_getcpu();
  bool bound = known && cpu >= 0 && bind_to(cpu);
  if (bound) sched_setaffinity(0, sizeof all, &all);
  int rc = mcrt_pool_create(out, (int)n);
  if (bound) bind_to(cpu);
  return !rc || mc_error(&t->diag, mc_noloc, "--threads=%lld: %s", (long long)n, strerror(rc));
}
