/* Tables that belong to the rows of targets.def. */
#ifndef MC_TARGET_MACHINE_H
#define MC_TARGET_MACHINE_H
#include "mc/target/target.h"
/* The row of machines.def with the name of a level; one that has the figures of another row is a
 * copy in the arena. NULL: there is none. */
const mc_machine *mc_machine_of(const char *level, mc_arena *a);
/* Of the processors of cpus.def the nearest to `name`, or `best` (mc_suggest_better). In the arena.
 */
const char *mc_cpu_suggest(const char *name, const char *best, mc_arena *a);
#endif
