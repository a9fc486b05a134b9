/* GEMM-like work as one problem: rows of A read through a view, K as runs of contiguous bytes, B
 * packed for an engine, an epilogue on the accumulators.
 *
 *   for group  for block of columns  for outer row axes  for block of rows
 *     acc[r][j] = bias[j] (+ rowterm[r])
 *     for run: for step: acc[r][j] += A[r][run + step] * B[run, step][j]
 *     epilogue(acc) -> result
 *
 * docs/internals/products.md */
#ifndef MC_KERNELS_GEMM_H
#define MC_KERNELS_GEMM_H
#include "engine.h"
#include "lower.h"
#include "mc/decide/gemm.h"

typedef struct ksparse_lists ksparse_lists; /* sparse.c */

/* A decided product (mc/decide/gemm.h) being emitted. */
typedef struct kgemm {
  mc_gemm d;
  kgroup *g;
  kbuilder *k;
  mc_node *head;
  kepilogue *x; /* iteration space: row axes, then the columns of all groups */
  kview a; /* A over the row axes (the column axis has stride 0); base: the first element of run 0
              of row 0 */
  kvalue tile_scratch,
      tile_fn; /* block order; sums on their way to the epilogue, in the frame of tile_fn */
  ksparse_lists *lists;
  kvalue units, units_end, units_group; /* unit not 0: blocks of B of the block of columns that is
                                      being emitted, and the group's first block of columns */
  void *kept;                           /* d.stored not plain: what its file keeps (stored.h) */
  kvalue b, bias;                       /* packed B and bias of (batch 0, group 0) */
  int64_t b_batch, b_group, bias_batch,
      bias_group; /* bytes from one to the next; a batch stride of 0: shared, or repacked */
  kvalue rowterm;
  kvalue scales; /* of the block of columns that the nest is at, where B is kept as f32 steps */
  kview rowterm_view; /* i32 added to every accumulator of a row, or NULL */
} kgemm;

enum { KGEMM_LANES = MC_GEMM_LANES };

/* epilogue_init of p->x, for what the engine is good at. */
bool kgemm_epilogue(kgemm *p, int rank, const int64_t *dim);
/* Merge axes as the decision did: the space is that of p->d then. keep: as in epilogue_collapse. */
void kgemm_collapse(kgemm *p, int first);
/* Pack the constant weights and fold zero points into the bias. Fills b, bias and their strides. */
void kgemm_pack(kgemm *p);
/* ---- blocks of zeros that are left out (sparse.c): B holds blocks of nv vectors by `unit`
 * elements that are not 0, and a list of their places in A for each block of columns ---- */
/* In the place of pack_group for all groups: packed B and the lists, as constants. */
void ksparse_pack(kgemm *p);
/* A block of columns begins (`index`: its number in the group): sets units and units_end; where its
 * B is. */
kvalue ksparse_columns(kgemm *p, kvalue index);
/* Where block i of the list of this block of columns reads A, from a on. */
kvalue ksparse_a(kgemm *p, kvalue a, kvalue i);
/* p->unit MC_ZERO_PICK, entry i of the list: the indices (in all lanes) of the bytes that its step
 * takes from the 16 at ksparse_a; those bytes, from p on, as load_a gives them. */
kvalue ksparse_mask(kgemm *p, kvalue i, int lanes);
kvalue ksparse_pick(kgemm *p, int lanes, kvalue at, kvalue mask);
/* Bytes of a block of nv vectors. */
int64_t ksparse_bytes(const kgemm *p, int nv);
/* Emit the nest. `repack` (may be NULL) is called inside the batch loops, before the columns. */
void kgemm_nest(kgemm *p, void (*repack)(kgemm *p, void *ctx), void *ctx);
/* ---- blocks (block.c, overlap.c): mr rows from row m0 of the innermost row axis, nv vectors of
 * which the last has `valid` columns ---- */
/* The epilogue of a block begins at row m0, column n0; axes further out are where x->iv has them.
 */
void kgemm_stand(kgemm *p, kvalue m0, kvalue n0);

/* The epilogue of vector j of row r, whose sums are given: rows one after another, j ascending. w:
 * nv and valid are set. */
typedef struct kgemm_row {
  int nv, valid;
  kvalue raw[4];
} kgemm_row;

void kgemm_finish(kgemm *p, kgemm_row *w, int r, int j, kvalue sums);
/* Sums of a block: [row][vector]. The first `head` steps of the first run follow one another,
 * and `between` (may be NULL) is called `of` times among them, done = 1 ... of. */
typedef void kgemm_between(void *ctx, int64_t done, int64_t of);

typedef struct kgemm_at {
  kvalue a, b, bias, m0; /* where the block's operands are; its first row */
  int nv, valid;
} kgemm_at;

typedef struct kgemm_meanwhile {
  int64_t head;
  kgemm_between *between;
  void *ctx;
} kgemm_meanwhile;

void kgemm_products(kgemm *p, const kgemm_at *at, const kgemm_meanwhile *m, kvalue *sums);

/* Column blocks [from, to) of `of`, nv vectors each; of the last vector `valid` columns exist. */
typedef struct kgemm_columns {
  int64_t from, to, of;
  int nv, valid;
} kgemm_columns;

/* All blocks of these columns, each epilogue between the products of the next block; a, b, bias, n0
 * belong to the first of them. */
void kgemm_overlapped(kgemm *p, kvalue a, kvalue b, kvalue bias, kvalue n0, kgemm_columns c);
/* A step at `a` (a row of the nest's group) for columns [part * lanes, (part + 1) * lanes), as madd
 * wants it. */
kvalue kgemm_side_a(const kgemm *p, int lanes, kvalue a, int part);

/* Engines of sign `wide`: emit the copy of A; its view in the axes of A. Called before anything
 * else of the group is emitted. */
void widen_operands(kgemm *p);
kview widen_view(const kgemm *p);
/* The packed block of nv vectors of columns at b as the engine reads it: widened into scratch, or b
 * itself. */
kvalue widen_block(kgemm *p, kvalue b, int nv);

/* The head's own preparation and nests. */
bool emit_conv_transpose(kgemm *p);
bool emit_matmul(kgemm *p);
void emit_linear_like(kgemm *p);
#endif
