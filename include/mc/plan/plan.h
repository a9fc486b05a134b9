/* From a graph of ops to a list of kernels with addresses. Everything decided here is written into the graph's `group` attributes. */
#ifndef MC_PLAN_PLAN_H
#define MC_PLAN_PLAN_H
#include "mc/ir/graph.h"
#include "mc/target/target.h"
/* Where a value lives and how it is laid out. Element (n, h, w, c) of a rank-4 value is at base + ((n * (halo_t + H + halo_b) + halo_t + h) * pitch_w + halo_l + w) * pitch_c + c elements;
 * values of other ranks are dense. The halo holds the zero point (or 0.0) and is written by the kernel that produces the value. */
typedef enum mc_place { MC_PLACE_ARENA, MC_PLACE_INPUT, MC_PLACE_OUTPUT, MC_PLACE_CONST } mc_place;
typedef struct mc_buffer {
  mc_value *value; mc_place place; int index;       /* index of the graph input / output */
  int64_t offset, size;                             /* bytes in the arena, slack included */
  int halo[4];                                      /* top, left, bottom, right */
  int64_t pitch_w, pitch_c;                         /* pixels per row, elements per pixel */
  int64_t base;                                     /* bytes from offset to element (0,0,0,0) */
  int first, last;                                  /* group positions */
  struct mc_buffer *parent;                         /* lives inside another buffer (concat without copy, in-place, reshape); NULL: own */
  int64_t parent_base;                              /* bytes from the parent's base */
} mc_buffer;
typedef struct mc_plan {
  mc_graph *graph; const mc_target *target;
  mc_buffer *buf; int nbuf;
  mc_node **group; int ngroup;                      /* top-level group nodes in order */
  int64_t arena_bytes; int arena_align;
} mc_plan;
/* Make the plan of a graph whose top-level nodes are groups (form-groups), and write offsets and halos into their attributes. NULL after reporting. */
mc_plan *mc_plan_make(mc_graph *g, const mc_target *t, mc_arena *a, mc_diag *d);
const mc_buffer *mc_plan_buffer(const mc_plan *p, const mc_value *v);
/* Independent checker: recomputes lifetimes from the graph, and reports overlaps of live buffers, bounds, alignment, halos too small for a reader. */
bool mc_plan_check(const mc_plan *p, mc_diag *d);
#endif
