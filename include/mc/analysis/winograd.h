/* How a 3x3 convolution on 8-bit integers is cut for Winograd's F(4x4, 3x3), and what that takes:
 * one answer for the planner, which asks how long, and the kernel, which does it so.
 * docs/internals/winograd.md. */
#ifndef MC_ANALYSIS_WINOGRAD_H
#define MC_ANALYSIS_WINOGRAD_H
#include "mc/analysis/model.h"

enum {
  MC_WINOGRAD_POINTS = 36,
  MC_WINOGRAD_TILE = 4,
  MC_WINOGRAD_WINDOW = 6,
  MC_WINOGRAD_CHANNELS = 8 /* of the input: computed in multiples of so many; the least */
};

/* Where transformed weights come from: constants; the arena, made for a block of channels in every
 * pass; the arena, all of them made once in a run. */
typedef enum mc_winograd_weights {
  MC_WINOGRAD_ready,
  MC_WINOGRAD_block,
  MC_WINOGRAD_once
} mc_winograd_weights;

/* Tiles of 4x4 results. Where one pass takes a whole axis and 1 or 2 results are left after the
 * tiles of 4, the last tile is a short one of 2: F(2, 3) takes 4 of the 6 points of F(4, 3). The
 * tiles of a pass are in this order: short rows, whole tiles, short columns, short in both; so
 * those that have a point lie together. */
typedef struct mc_winograd {
  mc_winograd_weights weights;
  int64_t batch, c, n, oh, ow;   /* images, channels of input (as computed: multiples of 8) and
                                    result, size of the result */
  int64_t npad;                  /* n in whole registers of sums */
  int64_t th, tw, rp, cp, tiles; /* tiles of the result, of a pass; rp * cp */
  bool short_h, short_w;
  int lanes, parts, kr,
      wide; /* accumulator lanes, registers of 16 of them; channels of a product; 16-bit lanes */
  int nv;   /* vectors of 16 channels of a block; the last one of all may be part of one */
  int64_t width; /* channels of a block, in whole registers: 16 nv, or npad where that is less */
  int mr[2][2];  /* tiles of a block, for points [that short rows lack][that short columns lack] */
  int64_t v_point, m_point, u_point; /* bytes from one point to the next: of the pass's input,
                                        products, weights of a block */
  int64_t v_bytes, m_bytes, u_bytes, tmp_bytes; /* scratch of one task */
  mc_estimate estimate;                         /* without what the epilogue computes */
} mc_winograd;

/* Shape of the convolution head, cut for `tasks` shares; ready: weights are constants. */
mc_winograd mc_winograd_cut(const mc_node *head, const mc_target *t, int tasks, bool ready);
/* Tiles of a pass that have a point [short rows lack it][short columns lack it]: [from, to). */
void mc_winograd_range(const mc_winograd *w, bool row, bool column, int64_t *from, int64_t *to);
/* Bytes of the weights of a block of `width` channels; from point to point. */
int64_t mc_winograd_point(const mc_winograd *w, int64_t width);
/* A conv2d of 3x3 with stride 1, dilation 1 and one group. */
bool mc_winograd_plain(const mc_node *n);
/* Why a plain convolution in INT8 is not computed so on the target, by its shape; NULL: it may be.
 */
const char *mc_winograd_unsuited(const mc_node *n, const mc_target *t);
/* NULL when n is a convolution whose integer sums the transformed products give exactly on t:
 * conv2d of 3x3, stride 1, dilation 1, one group, 8-bit input, constant i8 weights, channels in
 * multiples of 16, at least 4x4 results, and |sum x * w| < 2^25 for every input. Else why not. */
const char *mc_winograd_refused(const mc_node *n, const mc_target *t);
/* Bytes that ready weights take beyond those of the direct form. */
int64_t mc_winograd_growth(const mc_node *n);
#endif
