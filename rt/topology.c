#include "topology.h"
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

/* The first CPU of the core that `cpu` belongs to; itself where the system does not tell. */
static int core_of(int cpu) {
  char path[96];
  int first = cpu;
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
  FILE *f = fopen(path, "r");
  if (!f) return cpu;
  if (fscanf(f, "%d", &first) != 1) first = cpu;
  fclose(f);
  return first;
}

bool topology_choose(int *cpu, int n) {
  cpu_set_t have, used; /* used: cores, by their first CPU */
  int here = sched_getcpu(), found = 0;
  if (here < 0 || sched_getaffinity(0, sizeof have, &have) || CPU_COUNT(&have) <= n) return false;
  CPU_ZERO(&used);
  CPU_SET((size_t)core_of(here), &used);
  CPU_CLR((size_t)here, &have);
  for (int siblings = 0; siblings < 2; siblings++)
    for (int k = 1; k <= CPU_SETSIZE && found < n; k++) {
      int c = (here + k) % CPU_SETSIZE;
      if (!CPU_ISSET((size_t)c, &have)) continue;
      int core = core_of(c);
      if (!siblings && CPU_ISSET((size_t)core, &used)) continue;
      CPU_SET((size_t)core, &used);
      CPU_CLR((size_t)c, &have);
      cpu[found++] = c;
    }
  return found == n;
}
