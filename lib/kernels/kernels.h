/* Asking a group without emitting it for good. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H
#include "lower.h"
/* Emit group i into nothing and leave in *g (whose `ask` is the caller's) what became known: note, estimate, blocks. g->group stays NULL where no code is needed. Everything is in the arena. */
void kernels_try(kgroup *g, const mc_plan *p, int i, mc_arena *a);
#endif
