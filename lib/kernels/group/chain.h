/* Links of a chain, one after the other. */
#ifndef KERNELS_CHAIN_H
#define KERNELS_CHAIN_H
#include "lower.h"
#include "mc/plan/chain.h"
/* The function (arena, io) that runs the links' functions, step by step. */
void kchain_emit(mc_group_code *out, kbuilder *k, const mc_plan *p, const mc_chain *c,
                 kvalue const *fn, const char *name);
#endif
