/* Convolutions of bf16 whose runs of K have an odd length (even_runs.c). */
#ifndef MC_PLAN_EVEN_RUNS_H
#define MC_PLAN_EVEN_RUNS_H
#include "mc/pass/pass.h"

/* Give them a channel of zeros, where tiles compute them then. asked: convolutions of which the
 * text asks something; they stay as they are. False after reporting. */
bool mc_even_runs(mc_pass_context *cx, const mc_map *asked, bool *changed);
#endif
