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
#include "mc/analysis/zeros.h"
#include "lower.h"

typedef struct ksparse_lists ksparse_lists; /* sparse.c */
typedef struct kbits_lists kbits_lists;     /* bits.c */

typedef struct kgemm {
  kgroup *g;
  kb *k;
  mc_node *head;
  const mc_engine *e;
  kx *x;   /* iteration space: row axes, then the columns of all groups */
  kview a; /* A over the row axes (the column axis has stride 0); base: the first element of run 0
              of row 0 */
  bool a_signed, flip; /* as load_a wants them */
  int32_t za;          /* zero point of A as the engine sees it */
  int nbatch; /* leading axes of the space outside of the columns: those along which B changes, or
                 the images where that is better */
  int64_t groups, n; /* column groups, columns of a group */
  int64_t a_group;   /* bytes from one group's A to the next */
  int side, side_in; /* not 0: a group of the nest is several of the convolution side by side, each
                        of so many columns and input channels (side.c) */
  int nrun;
  int64_t *run, rlen; /* byte offsets of the runs, elements of each */
  int kr;             /* elements that one step takes */
  int64_t steps;      /* of one run: ceil(rlen / kr) */
  int mr, nv;         /* rows, 16-column vectors of a block */
  int tr, mt;         /* tile engines: rows of a tile, tiles of A of a block (mr = mt * tr) */
  int64_t flat; /* tile engines: rows of A from one line of the two innermost row axes to the next,
                   where a block takes both axes as one; else 0 */
  bool rows_outside;
  V tile_scratch,
      tile_fn; /* block order; sums on their way to the epilogue, in the frame of tile_fn */
  mc_zeros zeros;
  int unit; /* zero blocks of B; elements of K of those that are left out, 0: none are (sparse.c) */
  ksparse_lists *lists;
  V units, units_end, units_group; /* unit not 0: blocks of B of the block of columns that is being
                                      emitted, and the group's first block of columns */
  bool bits, bits_else;
  const char *bits_why;
  kbits_lists *packed; /* B is kept as bits and values (bits.c); if no blocks of zeros are left out;
                          or why not */
  V b, bias;           /* packed B and bias of (batch 0, group 0) */
  int64_t b_batch, b_group, bias_batch,
      bias_group; /* bytes from one to the next; a batch stride of 0: shared, or repacked */
  V rowterm;
  kview rowterm_view; /* i32 added to every accumulator of a row, or NULL */
  float clamp[2];
  int split; /* the loop that is divided among threads: an axis of the space, or one of these; -1:
                none */
} kgemm;

enum { KGEMM_GROUPS = 100, KGEMM_COLUMNS, KGEMM_TILES };

/* Where a weight stands: element (column n, run r, position j) of group g is data[(g * N + n) * wn
 * + (woff[r] + j) * wk]. */
typedef struct kweights {
  const void *data;
  int64_t wn, wk;
  const int64_t *woff;
} kweights;

/* What conv2d and conv_transpose2d have in common: columns, groups, the clamp, from the head's
 * weights [out][rows][columns][in / group] and p->a. */
void kgemm_window(kgemm *p, int64_t groups, const float *clamp);
kweights kgemm_window_weights(const kgemm *p, const mc_tensor *w, const int64_t *woff);

enum { KGEMM_LANES = 16 };

/* Geometry of packed B. */
/* Fill kr and steps from rlen. */
void kgemm_steps(kgemm *p);
int64_t kgemm_vectors(int64_t n);       /* 16-column vectors of n columns */
int64_t kgemm_elem(const mc_engine *e); /* bytes of an element of B */
int64_t kgemm_a_elem(const mc_engine *e),
    kgemm_b_elem(const mc_engine *e); /* bytes of an element of A, of B, as the engine reads it */
int64_t kgemm_column_bytes(const kgemm *p); /* bytes of a column of packed B */
int64_t kgemm_panel(const kgemm *p);        /* bytes of one group's packed B */
/* mr, nv for `rows` in the innermost row axis: the group's blocking attribute, else what the cost
 * model puts first (blocking.c). False after reporting, or when the group is only asked. */
bool kgemm_blocking(kgemm *p, int64_t rows);
/* Pack constant weights and fold zero points into the bias (either may lack: bias NULL). Fills b,
 * bias and their strides. w[batch] for nbatches batches. */
void kgemm_pack(kgemm *p, const kweights *w, int64_t nbatches, int64_t batch_elems,
                const void *bias);
/* ---- blocks of zeros that are left out (sparse.c): B holds blocks of nv vectors by `unit`
 * elements that are not 0, and a list of their places in A for each block of columns ---- */
/* Fill p->zeros from constant weights that are not batched. */
void ksparse_scan(kgemm *p, const kweights *w);
/* What a block must not have to be left out: elements of a run that blocks must divide; 0: they
 * need not. -1: this product leaves nothing out. */
int64_t ksparse_divides(const kgemm *p);
/* In the place of pack_group for all groups: packed B and the lists, as constants. */
void ksparse_pack(kgemm *p, const kweights *w);
/* A block of columns begins (`index`: its number in the group): sets units and units_end; where its
 * B is. */
V ksparse_columns(kgemm *p, V index);
/* Where block i of the list of this block of columns reads A, from a on. */
V ksparse_a(kgemm *p, V a, V i);
/* p->unit MC_ZERO_PICK, entry i of the list: the indices (in all lanes) of the bytes that its step
 * takes from the 16 at ksparse_a; those bytes, from p on, as load_a gives them. */
V ksparse_mask(kgemm *p, V i, int lanes);
V ksparse_pick(kgemm *p, int lanes, V at, V mask);
/* Bytes of a block of nv vectors. */
int64_t ksparse_bytes(const kgemm *p, int nv);
/* ---- weights kept small (bits.c): bits and values, unpacked a block of columns at a time ---- */
/* Bytes of scratch for them. */
int64_t kbits_scratch(const mc_target *t, const mc_engine *e, const mc_node *head, int workers);
/* After ksparse_scan: set p->bits, or bits_why. What is kept so has no blocks of zeros to leave
 * out. */
void kbits_choose(kgemm *p);
/* The block is chosen: where it leaves nothing out after all, and bits_else says so, set p->bits.
 */
void kbits_settle(kgemm *p);
/* In the place of packed B as a constant; panels: packed B of all groups. */
void kbits_pack(kgemm *p, const char *panels);
/* A block of nv vectors of columns begins (`index`: its number in the group): unpack it; where it
 * is. */
V kbits_columns(kgemm *p, V index, int nv);
/* Estimated cycles of unpacking everything. */
double kbits_cycles(const kgemm *p);
/* Emit the nest. `repack` (may be NULL) is called inside the batch loops, before the columns. */
void kgemm_nest(kgemm *p, void (*repack)(kgemm *p, void *ctx), void *ctx);
/* Choose p->split; repacks: B is packed at run time, so that rows cannot be divided. Called by the
 * nest. */
void kgemm_divide(kgemm *p, bool repacks);
/* ---- blocks (block.c, overlap.c): mr rows from row m0 of the innermost row axis, nv vectors of
 * which the last has `valid` columns ---- */
/* The epilogue of a block begins at row m0, column n0; axes further out stand where x->iv has them.
 */
void kgemm_stand(kgemm *p, V m0, V n0);

/* The epilogue of vector j of row r, whose sums are given: rows one after another, j ascending. w:
 * nv and valid are set. */
typedef struct kgemm_row {
  int nv, valid;
  V raw[4];
} kgemm_row;

void kgemm_finish(kgemm *p, kgemm_row *w, int r, int j, V sums);
/* Sums of a block: [row][vector]. The first `head` steps of the first run stand behind one another,
 * and `between` (may be NULL) is called `of` times among them, done = 1 ... of. */
typedef void kgemm_between(void *ctx, int64_t done, int64_t of);

typedef struct kgemm_at {
  V a, b, bias, m0; /* where the block's operands are; its first row */
  int nv, valid;
} kgemm_at;

typedef struct kgemm_meanwhile {
  int64_t head;
  kgemm_between *between;
  void *ctx;
} kgemm_meanwhile;

void kgemm_products(kgemm *p, const kgemm_at *at, const kgemm_meanwhile *m, V *sums);
int64_t kgemm_straight(
    const kgemm *p,
    int mr); /* how many steps of the first run may stand so, in blocks of mr rows */

/* Column blocks [from, to) of `of`, nv vectors each; of the last vector `valid` columns exist. */
typedef struct kgemm_columns {
  int64_t from, to, of;
  int nv, valid;
} kgemm_columns;

/* Are blocks of this size emitted so that a block's epilogue stands between the products of the
 * next one? All blocks of these columns; a, b, bias, n0 belong to the first of them. */
bool kgemm_overlaps(const kgemm *p, int mr, int nv);
void kgemm_overlapped(kgemm *p, V a, V b, V bias, V n0, kgemm_columns c);
/* The engine of the product `head` of operands of kind `in`, and where tiles are better, that of
 * tiles (pick.c). NULL: none. */
const mc_engine *kgemm_pick(const mc_target *t, const mc_node *head, char in);
/* The i-th engine with vectors that could compute it; NULL: there are no more. */
const mc_engine *kgemm_legal(const mc_target *t, const mc_node *head, int i);
/* Accumulators that mr rows take. */
int kgemm_acc_rows(const kgemm *p, int mr);
/* Choose engine and sign handling for A of this type. False after reporting. */
bool kgemm_engine(kgemm *p, const mc_type *a);

/* Where groups of fewer than 16 columns may share vectors (in: input channels of a group; slack:
 * behind A): groups, n, a_group and side accordingly. */
void kgemm_side(kgemm *p, int64_t in, bool slack);
/* A step at `a` (a row of the nest's group) for columns [part * lanes, (part + 1) * lanes), as madd
 * wants it. */
V kgemm_side_a(const kgemm *p, int lanes, V a, int part);

/* Engines of sign `wide`: bytes of scratch for A of the head, and for a block of columns of B for
 * each of `tasks`; emit the copy of A; its view in the axes of A. Called before anything else of
 * the group is emitted. */
int64_t k_widen_scratch(const mc_engine *e, const mc_node *head, int tasks);
void k_widen(kgemm *p);
kview k_widen_view(const kgemm *p);
/* The packed block of nv vectors of columns at b as the engine reads it: widened into scratch, or b
 * itself. */
V k_widen_block(kgemm *p, V b, int nv);

enum { KWIDEN_VECTORS = 4 }; /* most vectors of a block of columns that is widened */

/* The head's own preparation. */
bool k_conv_transpose(kgemm *p);
int64_t k_conv_transpose_scratch(const mc_node *n);
bool k_matmul(kgemm *p);
int64_t k_matmul_scratch(const mc_plan *plan, const mc_node *n);
bool k_linear_like(kgemm *p);
#endif
