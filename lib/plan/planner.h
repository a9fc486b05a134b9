/* The planner's parts, in order: layout (which values share storage, halos, pitches), memory
 * (offsets). */
#ifndef MC_PLAN_PLANNER_H
#define MC_PLAN_PLANNER_H
#include "families.h"
#include "mc/plan/chain.h"

/* How a buffer lives inside its parent. */
typedef enum relation {
  REL_OWN,   /* it does not */
  REL_DENSE, /* the same bytes, or a contiguous part of them: no halos, pitches of its own shape
                (reshape, concat on an outer axis) */
  REL_PIXEL, /* the same pixels, and some or all channels of each: the parent's halo and pitches
                (concat of channels, in-place) */
} relation;

typedef struct layout {
  relation rel;
  int64_t need[4]; /* halo that readers want */
  int first, last; /* of this value alone */
  int children;
} layout;

typedef struct planner {
  mc_plan *p;
  layout *l; /* per buffer */
  const mc_plan_opts *o;
  mc_reads *reads; /* per group: its non-constant outer operands */
  mc_arena *a;
  mc_diag *d;
} planner;

mc_buffer *planner_buffer(const planner *s, const mc_value *v);

static inline layout *planner_layout(const planner *s, const mc_buffer *b) {
  return &s->l[b - s->p->buf];
}

mc_buffer *planner_root(mc_buffer *b);

/* The chain of group i, or NULL. */
static inline const mc_chain *planner_chain(const planner *s, int i) {
  return i >= 0 && i < s->p->ngroup && s->p->chain_of[i] >= 0 ? &s->p->chain[s->p->chain_of[i]]
                                                              : NULL;
}

bool planner_layouts(planner *s); /* sharing, halos, pitches, base, size; false after reporting */
void planner_images(planner *s);  /* p->images, and how long values live there; before layouts */
void planner_fold(planner *s);    /* mc_buffer.folded; when it is known who shares storage */
bool planner_divide(planner *s);  /* p->tasks, p->divide; false after reporting */
bool planner_memory(planner *s);  /* offsets, arena_bytes */
#endif
