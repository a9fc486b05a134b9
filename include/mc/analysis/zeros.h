/* Blocks of zero weights, as kernels of products could leave them out
 * (docs/internals/zero-weights.md): 16, 32, 48 or 64 neighbouring columns by a few neighbouring
 * elements of K. */
#ifndef MC_ANALYSIS_ZEROS_H
#define MC_ANALYSIS_ZEROS_H
#include "mc/ir/types.h"

enum {
  MC_ZERO_WIDTHS = 4,
  MC_ZERO_UNITS = 5
}; /* 1 to 4 vectors of 16 columns; 1, 2, 4, 8, 16 elements */

/* In the place of a block's length: no blocks, but single elements of K. Each step of the engine
 * picks those that it multiplies from 16 bytes of A, the same ones for all columns of the block. */
enum { MC_ZERO_PICK = 32 };

/* Weights of a product: element k of run r of column n of group g is
 * data[(g * cols + n) * column + (r * rlen + k) * step]. */
typedef struct mc_zeros_view {
  const void *data;
  mc_dtype dtype; /* f32, bf16 or i8 */
  int64_t groups, cols, runs, rlen, column, step;
} mc_zeros_view;

/* How many blocks are not 0, of how many: [w][u] for blocks of w + 1 vectors by 2^u elements, which
 * start at the first column of a group and the first element of a run; those at the ends are
 * smaller. all[0][0] 0: nothing is known, or no share worth counting is 0. */
typedef struct mc_zeros {
  int64_t used[MC_ZERO_WIDTHS][MC_ZERO_UNITS], all[MC_ZERO_WIDTHS][MC_ZERO_UNITS];
  int64_t steps[MC_ZERO_WIDTHS][2]; /* MC_ZERO_PICK: steps of 2 elements of 8, of 4 of 16 */
} mc_zeros;

mc_zeros mc_zeros_of(const mc_zeros_view *v);
/* Share of the blocks of `vectors` vectors by `unit` elements (a power of two up to 16) that is not
 * 0; 1 where nothing is known. */
double mc_zeros_share(const mc_zeros *z, int vectors, int unit);
/* MC_ZERO_PICK: the share of the steps of `depth` elements (2 or 4) that is left; 1 where nothing
 * is known. */
double mc_zeros_picked(const mc_zeros *z, int vectors, int depth);
/* Is element k of run r 0 in all columns [n, n + count) of the group? Columns that do not exist
 * are. */
bool mc_zeros_at(const mc_zeros_view *v, int64_t group, int64_t n, int64_t count, int64_t r,
                 int64_t k);
#endif
