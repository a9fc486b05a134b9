/* What a group becomes, decided before anything is emitted: which form, which blocks, what it costs
 * and what else it could be. Pure: no LLVM, no memory but the arena. The kernels emit a decision;
 * remarks, -tune and memory planning ask for it. docs/internals/decisions.md. */
#ifndef MC_DECIDE_DECIDE_H
#define MC_DECIDE_DECIDE_H
#include "mc/analysis/dwcut.h"
#include "mc/analysis/winograd.h"
#include "mc/decide/gemm.h"

/* requantize with fp32_rne as the only op after the head, on a target with packs, every multiplier
 * below 1: then no product leaves i32, rounding before clamping gives what clamping before rounding
 * gives (both are monotonic, and the bounds are integers), and saturating packs clamp for free. */
typedef struct mc_narrow {
  const mc_node *node;
  int32_t zero;
  mc_dtype out;
  bool one; /* the same multiplier for all channels, m */
  float m;
} mc_narrow;

typedef struct mc_decision {
  mc_ask ask;
  mc_kernel_form form;
  bool forced;      /* the group's attribute asks for the form: it need not pay */
  mc_gemm *product; /* product: one for each phase of conv_transpose2d, else one */
  int nproduct;
  mc_narrow narrow; /* stem, stem_pairs, depthwise_rows: its node is NULL where it does not hold */
  int words;        /* stem: of 4 taps, stem_pairs: of 2 */
  int pixels;       /* depthwise: of a block */
  mc_dw_cut rows;   /* depthwise_rows */
  mc_winograd winograd; /* winograd */
  const char *note;     /* how, for people; NULL: there is one way */
  mc_estimate estimate; /* cycles 0: no code */
} mc_decision;

/* NULL after reporting to diag what cannot be computed. In the arena. */
mc_decision *mc_decide(const mc_ask *a, mc_arena *arena, mc_diag *diag);

/* The question where nothing is known of the neighbours: values lie densely, one thread. */
mc_ask mc_ask_alone(const mc_node *group, const mc_target *t, int64_t weights);
/* The estimate of that decision; on levels with tiles, and of a group that cannot be computed, the
 * cost model's. */
mc_estimate mc_decide_price(const mc_node *group, const mc_target *t, int64_t weights);
/* The same, computed by another family. */
mc_estimate mc_decide_price_as(const mc_node *group, mc_family as, const mc_target *t,
                               int64_t weights);

/* False where the ops after the head are no such thing. */
bool mc_narrow_find(mc_narrow *n, const mc_target *t, const mc_node *head);
float mc_narrow_multiplier(const mc_narrow *n, int64_t channel);

/* ---- inside lib/decide (first.c, depthwise.c): false where the form does not fit ---- */
bool mc_decide_first_conv(mc_decision *d, const mc_node *head, mc_arena *arena);
bool mc_decide_first_conv_pairs(mc_decision *d, const mc_node *head, mc_arena *arena);
bool mc_decide_depthwise_interleaved(mc_decision *d, const mc_node *head, mc_arena *arena);
void mc_decide_depthwise(mc_decision *d, const mc_node *head, mc_arena *arena);

enum { MC_DW_KERNEL = 7, MC_DW_JOBS = 8 }; /* interleaved rows: largest window, kinds of vectors */

enum {
  MC_FIRST_CONV_LANES = 16,
  MC_FIRST_CONV_MOST = 64
}; /* pixels; words and what they are gathered from */
#endif
