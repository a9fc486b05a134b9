/* Engines whose accumulators are tiles of 16 x 16 sums (AMX): their own blocks for the nest of
 * gemm.h, the same runs, packing and epilogues. */
#ifndef MC_KERNELS_TILE_H
#define MC_KERNELS_TILE_H
#include "gemm.h"

/* Around everything: configure and release the tiles. */
void ktile_begin(kgemm *p);
void ktile_end(kgemm *p);
/* Around a group's function, where functions run one after the other on one thread: a configuration
 * that the functions before have left is not loaded again, and tiles are released once
 * (mc_kernels_finish). */
void ktile_function(kbuilder *k);
void ktile_function_end(kbuilder *k);
/* After a strip's function instead: strips take turns in a loop, each configures and releases
 * tiles for itself. */
void ktile_strip_end(kbuilder *k);
/* All columns and rows of one group. */
void ktile_columns(kgemm *p, kvalue a, kvalue b, kvalue bias, kvalue n0);

/* B [k][n] computed at run time: strides in bytes of K and of columns, bytes of an element; flip:
 * bytes are u8 and become i8; zb: their zero point after that. */
typedef struct ktile_b {
  int64_t k, n, sk, sn, es;
  bool flip;
  int32_t zb;
} ktile_b;

/* Pack it from src into p->b, and fill p->bias with the zero points' terms. */
void ktile_pack(kgemm *p, const ktile_b *m, kvalue src);
#endif
