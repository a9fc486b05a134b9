/* What a decision about a group depends on, besides the group itself. */
#ifndef MC_DECIDE_ASK_H
#define MC_DECIDE_ASK_H
#include "mc/decide/strides.h"
#include "mc/ir/family.h"
#include "mc/target/target.h"

/* By what a group's work is divided among threads where its loops allow it: images, lines, rows;
 * columns or channels; what the kernel finds best for itself. */
typedef enum mc_divide {
  MC_DIVIDE_not,
  MC_DIVIDE_rows,
  MC_DIVIDE_columns,
  MC_DIVIDE_any
} mc_divide;

typedef struct mc_ask {
  const mc_node *group;
  mc_family as; /* computed by this family; none: by its own */
  const mc_target *target;
  int64_t weights; /* bytes of all constants of the network */
  int tasks;       /* shares that the work may be divided into; 1: none */
  int workers;     /* of them, those that may run at the same time */
  bool by_images;  /* the shares are its images, one after the other */
  mc_divide divide;
  bool small;  /* of two ways, the one with less code where it costs little time (mcc -Os) */
  bool others; /* tell of the other engines, too: takes longer */
  /* How a graph input, a group's result or an outer value lies in memory. */
  mc_strides (*strides)(const void *ctx, const mc_value *v);
  const void *ctx;
} mc_ask;

static inline mc_family mc_ask_family(const mc_ask *a) {
  return a->as ? a->as : mc_group_family(a->group);
}

/* Columns or channels are to be divided. */
static inline bool mc_ask_by_columns(const mc_ask *a) {
  return a->tasks > 1 && a->divide == MC_DIVIDE_columns;
}

/* Can blocks of `step` of n be divided: does each share have one? */
static inline bool mc_ask_blocks_divide(const mc_ask *a, int64_t n, int64_t step) {
  return n % step == 0 || n / a->tasks >= step;
}

/* Of a constant, an outer value, or a result of the group; `v` may be the region's value for it. */
mc_strides mc_ask_strides(const mc_ask *a, const mc_value *v);
/* Of an operand of a product: through a transpose before it in the group. */
mc_strides mc_ask_operand(const mc_ask *a, const mc_value *v);
bool mc_ask_inside(const mc_ask *a, const mc_value *v); /* computed in the group */
/* The value that a transpose after the head stores: where it goes is the result's view's business.
 * Other values as they are. */
const mc_value *mc_ask_untransposed(const mc_ask *a, const mc_value *v);

enum { MC_SPACE_VIEWS = 64 };

/* The loops of a group around its head, and how its elementwise ops see their operands, tables and
 * results in them. */
typedef struct mc_space {
  int rank, nview;
  int64_t dim[MC_MAX_RANK];
  mc_strides view[4 * MC_SPACE_VIEWS];
} mc_space;

/* Of the ops after `head`, over dim: the shape of the head's result. */
void mc_space_begin(mc_space *s, const mc_ask *a, const mc_node *head, int rank,
                    const int64_t *dim);
/* Merge axes of [first, keep) of all views, and of `extra`. */
void mc_space_collapse(mc_space *s, int first, mc_strides *extra, int keep);
#endif
