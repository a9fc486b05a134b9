/* Engines whose accumulators are tiles of 16 x 16 sums (AMX): their own blocks behind the nest of
 * gemm.h, the same runs, packing and epilogues. */
#ifndef MC_KERNELS_TILE_H
#define MC_KERNELS_TILE_H
#include "gemm.h"

/* Elements of K that one step takes, and steps, for runs of rlen elements: as few steps as
 * possible, then as few elements; fp sums take no element that is not there (0 times what stands
 * behind A may be NaN). */
void ktile_depth(const mc_engine *e, int64_t rlen, int *kr, int64_t *steps);
/* Tile rows and block for the problem: sets tr, mt, nv, mr, rows_outside. */
void ktile_blocking(kgemm *p);
/* Around everything: configure and release the tiles. */
void ktile_begin(kgemm *p);
void ktile_end(kgemm *p);
/* Around a group's function, where functions run one after the other on one thread: a configuration
 * that the functions before have left is not loaded again, and tiles are released once
 * (mc_kernels_finish). */
void ktile_function(kb *k);
void ktile_function_end(kb *k);
/* Behind a strip's function instead: strips take turns in a loop, each configures and releases
 * tiles for itself. */
void ktile_strip_end(kb *k);
/* All columns and rows of one group. */
void ktile_columns(kgemm *p, V a, V b, V bias, V n0);
/* Rows are divided among threads by units of so many tiles: lines, where the last tile of a line
 * moves back over the one before, else single tiles; and the number of units. A share must hold at
 * least mt tiles. */
int64_t ktile_unit(const kgemm *p);
int64_t ktile_units(const kgemm *p);

/* B [k][n] computed at run time: strides in bytes of K and of columns, bytes of an element; flip:
 * bytes are u8 and become i8; zb: their zero point after that. */
typedef struct ktile_b {
  int64_t k, n, sk, sn, es;
  bool flip;
  int32_t zb;
} ktile_b;

/* Pack it from src into p->b, and fill p->bias with the zero points' terms. */
void ktile_pack(kgemm *p, const ktile_b *m, V src);

/* Size of a product: lines of rows, rows of a line, columns, runs of K and elements of each,
 * groups, bytes of A that are read. */
typedef struct ktile_size {
  int64_t lines, line, n, nrun, rlen, groups, a_bytes;
} ktile_size;

/* A block of it: rows of a tile, tiles of A and of B; the order of blocks; cycles of one group by
 * the model. */
typedef struct ktile_block {
  int tr, mt, nt;
  bool rows_outside;
  double cycles;
} ktile_block;

ktile_block ktile_best(const mc_engine *e, const mc_target *t, const ktile_size *s,
                       bool whole); /* whole: a block takes whole lines */
/* Cycles of the product on tiles by the model; negative where kgemm_pick does not choose them. */
double ktile_cycles(const mc_target *t, const mc_node *head);
#endif
