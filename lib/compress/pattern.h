/* Patterns of zero weights: which weights go together. Private to compress. */
#ifndef MC_COMPRESS_PATTERN_H
#define MC_COMPRESS_PATTERN_H
#include "mc/ir/graph.h"

/* A block: `rows` neighbouring output channels by `cols` neighbouring input channels of one tap.
 * N:M (of != 0): of `of` neighbouring input channels of a tap, `keep` stay, the same ones for
 * `rows` neighbouring output channels. */
typedef struct mc_pattern {
  int64_t rows, cols, keep, of;
} mc_pattern;

/* "weights" (1x1), "RxC", "N:M", "RxN:M". False: none of these (nothing is reported). */
bool mc_pattern_parse(const char *text, mc_pattern *p);

/* The weights of a layer [groups * o, taps, ci] as a grid of blocks; those at the ends are smaller.
 * Blocks do not cross groups or taps. */
typedef struct mc_grid {
  mc_pattern p;
  int64_t groups, o, taps, ci;
  int64_t down, across; /* blocks of o; of ci */
  int64_t n;            /* blocks in all */
} mc_grid;

/* p must be a block pattern, w the weights of a linear or conv2d of `groups` groups. */
mc_grid mc_grid_of(const mc_pattern *p, const mc_tensor *w, int64_t groups);

/* Block i: rows [row, row + rows) of the weights, columns [col, col + cols) of [taps * ci]. */
typedef struct mc_grid_block {
  int64_t row, rows, col, cols;
} mc_grid_block;

mc_grid_block mc_grid_at(const mc_grid *g, int64_t i);
#endif
