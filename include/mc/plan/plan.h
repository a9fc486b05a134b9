/* From a graph of ops to a list of kernels with addresses. Everything decided here is written into
 * the graph's `group` attributes (docs/internals/memory.md). */
#ifndef MC_PLAN_PLAN_H
#define MC_PLAN_PLAN_H
#include "mc/decide/decide.h"

/* Where a value lives. Constants (weight, const) have no buffer: kernels take mc_value_tensor(). */
typedef enum mc_place { MC_PLACE_ARENA, MC_PLACE_INPUT, MC_PLACE_OUTPUT } mc_place;

/* Layout of one value: of a graph input, or of a result of a top-level group. Values inside regions
 * have none.
 *
 * Element (n, h, w, c) of a rank-4 value lies at address
 *   origin + base + (((n * (halo_t + H + halo_b) + h) * pitch_w + w) * pitch_c + c) * element size,
 *     h in [-halo_t, H + halo_b), w in [-halo_l, W + halo_r),
 * where origin is arena + offset (ARENA), or the caller's pointer for input / output `index`
 * (offset 0); pitch_w = halo_l + W + halo_r of the buffer that holds it. Values of other ranks are
 * dense, row-major, from origin + base; their pitches are 0. INPUT and OUTPUT places are dense,
 * without halo and slack, but for concat parts inside an output (pitch_c). ARENA buffers are
 * followed by MC_PLAN_SLACK readable bytes. The halo holds the zero point (or 0.0) and is written,
 * every run, by the kernel that produces the value; with pitch_c > C it writes its own C channels
 * only. */
typedef struct mc_buffer {
  mc_value *value;
  mc_place place;
  int index;            /* index of the graph input / output */
  int64_t offset, size; /* bytes; offset of the root buffer in the arena; size: from the first halo
                           byte to the end of the last one, slack included (roots) */
  int halo[4];          /* top, left, bottom, right */
  int64_t pitch_w, pitch_c; /* pixels per row, elements per pixel */
  int64_t
      base; /* bytes from offset to element (0,0,0,0); everything above is included, parents too */
  int first, last; /* group positions: producer (-1: graph input), last reader (ngroup: caller) */
  struct mc_buffer
      *parent; /* lives inside another buffer (concat without copy, in-place, reshape); NULL: own */
  bool folded; /* lives inside a series of groups that are computed image by image: all images have
                  the memory of one */
  int64_t parent_base; /* bytes from the parent's element 0 to this one's element 0 */
  int64_t kept; /* between the links of a chain: rows of memory, of one image and without a border
                   above and below; else 0: all */
  int64_t per_image, per_step,
      lap; /* in the plan of a strip: bytes that the addresses move by for each image, and for each
              step (modulo lap where there is one); else 0 */
} mc_buffer;

enum { MC_PLAN_ALIGN = 64, MC_MAX_THREADS = 64 };

typedef struct mc_chain mc_chain; /* chain.h */

typedef struct mc_plan {
  mc_graph *graph;
  const mc_target *target;
  const struct mc_plan
      *next; /* dispatch: the same network planned for the next higher level; else NULL */
  mc_buffer *buf;
  int nbuf;
  mc_map index; /* value -> buffer number + 1 */
  mc_node **group;
  int ngroup; /* top-level group nodes in order; kernel "alias" needs no code */
  int64_t *scratch_offset,
      *scratch_bytes; /* per group: arena bytes that are its own while it runs, aligned to
                         MC_PLAN_ALIGN; offset -1 when it needs none */
  int64_t arena_bytes;
  int arena_align; /* arena_bytes is a multiple of arena_align */
  int64_t batch;
  int *images; /* images; per group: the number of the run of neighbouring groups that are computed
                  for one image after the other, from 1; 0: none */
  int threads; /* tasks that a group's work may be divided into; >= 1 */
  int *tasks;  /* per group: tasks that its work is divided into where its loops allow it; 1: the
                  caller's thread does it all */
  mc_divide *divide; /* per group: by what */
  bool small; /* of two ways to compute a group, the one with less code where it costs little time
                 (mcc -Os) */
  bool split_small; /* divide groups that are too small to gain by it, too: for tests */
  mc_chain *chain;
  int nchain, *chain_of; /* groups that are computed in strips; per group: the number of its chain
                            in the list, or -1 */
  const struct mc_plan *whole; /* of a strip: the plan that it is cut from; functions take the image
                                  and the step after it (arena, io); else NULL */
} mc_plan;

typedef struct mc_plan_opts {
  int threads; /* 0: 1 */
  bool small;  /* mc_plan.small */
  bool split_small;
  bool no_chains;       /* chains of the text are not formed; a remark says so */
  bool no_image_series; /* every group computes all images at once */
  bool no_in_place;     /* `map` results never take over the buffer of an operand that dies */
  bool no_concat_alias; /* concat always copies */
} mc_plan_opts;

/* Make the plan of a graph whose top-level nodes are groups (form-groups) and constants, and write
 * kernel, offsets and halos into their attributes. o may be NULL. NULL after reporting.
 *
 * In-place rule that `map` kernels keep: where a result's buffer has the parent chain and base of
 * an operand's, every element is written once, after it was read (no overlapping tails), and the
 * halo is written after the last read. Only `map` results of the operand's shape and element size
 * are placed so. */
mc_plan *mc_plan_make(mc_graph *g, const mc_target *t, const mc_plan_opts *o, mc_arena *a,
                      mc_diag *d);
/* The buffer of a graph input or group result; NULL for constants and values inside regions. A
 * region's return operand is the group's result: use group->out[i]. */
const mc_buffer *mc_plan_buffer(const mc_plan *p, const mc_value *v);
/* Do the functions of groups take a share of the work: (arena, io, share, shares)? */
bool mc_plan_shares(const mc_plan *p);
/* Independent checker: recomputes lifetimes from the graph, and reports overlaps of live buffers,
 * bounds, alignment, halos too small for a reader, GEMM operands outside the arena, and results
 * that do not reach the caller. */
bool mc_plan_check(const mc_plan *p, mc_diag *d);
#endif
