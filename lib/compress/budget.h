/* What a graph costs as a function of how many classes each coupling group keeps: MACs,
 * parameters, bytes of weights, peak of live activations, estimated time. Private to compress. */
#ifndef MC_COMPRESS_BUDGET_H
#define MC_COMPRESS_BUDGET_H
#include "compress.h"

typedef enum mc_budget_kind {
  MC_BUDGET_macs,
  MC_BUDGET_params,
  MC_BUDGET_bytes,
  MC_BUDGET_arena,
  MC_BUDGET_time,
  MC_NUM_BUDGETS
} mc_budget_kind;

extern const char *const mc_budget_names[MC_NUM_BUDGETS]; /* as the options are called */

/* The options macs=, params=, bytes=, arena= and time= of a pass as shares; *n: how many are given.
 * False after reporting one that is not between 0 and 1. */
bool mc_budget_shares(const mc_pass_context *cx, const char *pass,
                      const double given[MC_NUM_BUDGETS], double share[MC_NUM_BUDGETS], int *n);
/* There is a target where time= asks for one. False after reporting. */
bool mc_budget_target(const mc_pass_context *cx, const char *pass, double time);
/* With a target and macs= alone, the time is limited too: 0.8 of the share that is saved in MACs
 * must be saved in time (half of the MACs: 0.6 of the time). Sets share[time] and *implied. */
void mc_budget_imply_time(const mc_pass_context *cx, double share[MC_NUM_BUDGETS], bool *implied);
/* After an implied limit could not be met: half of the way to none, in the end none (1). False:
 * there is no such limit (left). */
bool mc_budget_relax(double share[MC_NUM_BUDGETS], bool *implied);
/* The option arith=, of mc_e_arithmetic. */
mc_arith mc_budget_arith(mc_field_ENUM arith);

/* The graph must outlive it. `t` may be NULL: the lowest level of the architecture; `how`: the
 * arithmetic of bytes, arena and time. In the arena. */
typedef struct mc_widths mc_widths;
mc_widths *mc_widths_of(const mc_graph *g, const mc_channels *ch, const mc_target *t, mc_arith how,
                        mc_arena *a);
/* kept[ngroup] classes of each group; NULL: all of them. bytes: a parameter each in `how`, and 8
 * for each output channel of a product in INT8 (bias and scale). time: cycles. */
double mc_widths_cost(mc_widths *w, mc_budget_kind k, const int *kept);
/* Counts of classes of a group that the target's kernels like, the other groups whole: like[k], k
 * classes kept, 1 <= k <= size. From a liked count on, one class less saves at least a fair share
 * of the time; the time of the others is (nearly) that of the next larger liked one. */
void mc_widths_liked(mc_widths *w, int group, bool *like);
/* The same of a graph as it is. */
double mc_graph_budget(const mc_graph *g, mc_budget_kind k, const mc_target *t, mc_arith how);
#endif
