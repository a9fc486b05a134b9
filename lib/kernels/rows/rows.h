/* Rows that are normalized by what is known of the whole row: softmax, layer_norm
 * (docs/internals/rows.md). */
#ifndef MC_KERNELS_ROWS_H
#define MC_KERNELS_ROWS_H
#include "lower.h"
#include "mc/decide/scratch.h"

typedef struct rows {
  kgroup *g;
  kbuilder *k;
  mc_node *head;
  kview in, out, mid; /* mid: numbers between two passes, in the result's place or in scratch */
  int rank;
  int64_t dim[MC_MAX_RANK]; /* outer axes, then the row */
  int64_t n;                /* elements of a row */
  bool ints;                /* u8 or i8 with a scale, in and out */
  int many; /* rows of the present block, a power of two: what one waits for, the others hide */
  kvalue x[MC_ROWS_MOST], y[MC_ROWS_MOST], m[MC_ROWS_MOST]; /* where they begin, in `mid` too */
  kvalue a[MC_ROWS_MOST], b[MC_ROWS_MOST]; /* what the present pass needs of each, in 16 lanes
                                   (maximum, 1 / sum; mean, 1 / deviation) */
  int split;                               /* the loop that is divided among threads */
  void *own;                               /* the family's */
  kepilogue *front, *back; /* elementwise ops before the head and after it, or NULL; a position of
                       theirs: */
  kvalue outer[MC_MAX_RANK], row;
  int64_t row_c; /* of the loops around the block; the block's first row */
} rows;

/* Views, shape; false after reporting that the group has no lowering. */
bool rows_begin(rows *r, kgroup *g);
/* Emit `block` for all rows, r->many at a time. */
void rows_all(rows *r, void (*block)(rows *r));
/* Addresses, loads and stores of row i of the block: 16 or fewer elements at at + c, of which
 * `valid` exist. at NULL: 0. */
kvalue rows_at(const rows *r, const kview *v, kvalue base, kvalue at, int64_t c);
kvalue rows_load(const rows *r, const kview *v, kvalue base, kvalue at, int64_t c, int lanes,
                 int valid);
void rows_store(const rows *r, const kview *to, kvalue base, kvalue v, kvalue at, int64_t c,
                int valid);
/* The head's operand and result of row i, through the ops before and after it. */
kvalue rows_operand(const rows *r, int i, kvalue at, int64_t c, int lanes, int valid);
void rows_result(const rows *r, int i, kvalue *v, int n, kvalue at, int64_t c,
                 int valid); /* n as in rows_store_ints */
/* Store numbers in units of the result's scale: `n` vectors of 16 that follow one another (n
 * == 1: any lanes). bounded: |v| < VEC_SMALL for all operands. */
void rows_store_ints(const rows *r, int i, kvalue *v, int n, bool bounded, kvalue at, int64_t c,
                     int valid);
/* Vectors of 16 that rows_store_ints likes best. */
int rows_store_most(const rows *r);
/* A pass over the block: acc[i], 16 lanes for each row, combined with what `value` gives; lanes
 * that are not there keep theirs. */
typedef kvalue rows_value(rows *r, int i, kvalue at, int64_t c, int valid);
typedef kvalue rows_combine(const rows *r, kvalue acc, kvalue v);
void rows_pass(rows *r, kvalue *acc, rows_value *value, rows_combine *combine);
/* 16 lanes of each row to one, upper halves onto lower ones as mc_fm_sum16 does: lane i belongs to
 * row i (a scalar for one row). */
kvalue rows_fold(const rows *r, kvalue *acc, rows_combine *combine);
/* Lane i, repeated 16 times. */
kvalue rows_lane(const rows *r, kvalue v, int i);
rows_combine rows_fadd, rows_iadd, rows_fmax;
/* fp32(q - zero point) of stored integers in registers. */
kvalue rows_centered(const rows *r, kvalue q);
#endif
