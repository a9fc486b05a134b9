/* The row of machines.def that belongs to a row of targets.def. */
#ifndef MC_TARGET_MACHINE_H
#define MC_TARGET_MACHINE_H
#include "mc/target/target.h"
/* NULL: there is none. */
const mc_machine *mc_machine_of(const char *level);
#endif
