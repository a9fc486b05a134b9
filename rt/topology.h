/* Which CPUs the pool's threads are bound to. */
#ifndef MCRT_TOPOLOGY_H
#define MCRT_TOPOLOGY_H
#include <stdbool.h>
/* `n` CPUs of the calling thread's affinity set for threads beside the caller: cores that have none
 * yet before siblings of those that have, the caller's own CPU left out. False where the set is too
 * small; cpu then means nothing. */
bool topology_choose(int *cpu, int n);
#endif
