/* Asking a group without emitting it for good. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H
#include "lower.h"
#include "mc/plan/chain.h"
/* chain.c: the function (arena, io) that runs the links' functions, step by step. */
void kchain_emit(mc_group_code *out, kb *k, const mc_plan *p, const mc_chain *c, V const *fn,
                 const char *name);
/* Emit group i into nothing and leave in *g (whose `ask` is the caller's) what became known: note,
 * estimate, blocks. g->group stays NULL where no code is needed. Everything is in the arena. */
void kernels_try(kgroup *g, const mc_plan *p, int i, mc_arena *a);
#endif
