/* A product on an engine (conv2d, linear, matmul, one phase of conv_transpose2d) as one problem,
 * and what is decided about it: rows of A read through strides, K as runs of contiguous bytes,
 * packed B. lib/kernels/product/gemm.h emits it. docs/internals/products.md. */
#ifndef MC_DECIDE_GEMM_H
#define MC_DECIDE_GEMM_H
#include "mc/analysis/model.h"
#include "mc/analysis/stored.h"
#include "mc/decide/ask.h"
#include "mc/decide/engine.h"
#include "mc/support/diag.h"

enum {
  MC_GEMM_LANES = 16,   /* columns of a vector of B */
  MC_GEMM_SUMS = 160,   /* accumulators that a loop can carry */
  MC_WIDEN_VECTORS = 4, /* most vectors of a block of columns that is widened or unpacked */
  MC_STORED_ROWS = 4    /* most rows of a linear layer whose weights are unpacked in registers */
};

/* Where a weight is: element (column n, run r, position j) of group g is data[(g * N + n) * wn +
 * (woff[r] + j) * wk]. */
typedef struct mc_weights {
  const void *data;
  int64_t wn, wk;
  const int64_t *woff;
} mc_weights;

/* A block that could be: what a group's `blocking` attribute may hold. */
typedef struct mc_blocking {
  int rows, vectors;
  int unit; /* elements of K of the zero blocks that are left out; 0: all are multiplied;
               MC_ZERO_PICK: single elements */
  mc_estimate estimate;
} mc_blocking;

/* B of a matmul that is computed at run time. */
typedef struct mc_gemm_b {
  bool packed; /* at run time: then all of this holds */
  int64_t k, n, sk, sn, es;
  mc_strides view; /* over the space; only the batch axes are used */
  bool flip;
  int32_t zb;
} mc_gemm_b;

typedef struct mc_gemm {
  const mc_ask *ask;
  mc_arena *arena;
  mc_diag *diag;
  const mc_node *head;
  const mc_engine *e;
  /* ---- the problem ---- */
  int rank; /* row axes, then the columns of all groups */
  int64_t dim[MC_MAX_RANK];
  int64_t a_stride[MC_MAX_RANK]; /* of A over the row axes, in bytes; the column axis has 0 */
  bool a_signed, flip;           /* as the engine's load wants A */
  int32_t za;                    /* zero point of A as the engine sees it */
  int nbatch; /* leading axes of the space outside of the columns: those along which B changes, or
                 the images where that is better */
  int64_t groups, n; /* column groups, columns of a group */
  int64_t a_group;   /* bytes from one group's A to the next */
  int side, side_in; /* not 0: a group of the nest is several of the convolution side by side, each
                        of so many columns and input channels */
  int nrun;
  int64_t *run, rlen; /* byte offsets of the runs, elements of each */
  int kr;             /* elements that one step takes */
  int64_t steps;      /* of one run: ceil(rlen / kr) */
  float clamp[2];
  mc_weights w;
  const void *bias; /* constant, or NULL */
  mc_gemm_b b;
  /* ---- what is decided ---- */
  int mr, nv;   /* rows, 16-column vectors of a block */
  int tr, mt;   /* tile engines: rows of a tile, tiles of A of a block (mr = mt * tr) */
  int64_t flat; /* tile engines: rows of A from one line of the two innermost row axes to the next,
                   where a block takes both axes as one; else 0 */
  bool rows_outside;
  mc_zeros zeros;
  int unit;         /* zero blocks of B; elements of K of those that are left out, 0: none are */
  mc_stored stored; /* how B lies in the object */
  mc_stored stored_else;  /* the same, if no blocks of zeros are left out */
  bool direct;            /* it is unpacked in registers, where products use it */
  int64_t shared;         /* nibbles: elements of a run that share a factor; 0: there are none */
  const char *stored_why; /* small weights were asked for, and this is why there are none */
  int split; /* the loop that is divided among threads: an axis of the space, or one of these; -1:
                none */
  /* ---- for people, and for those who choose ---- */
  mc_estimate estimate;
  const char *note, *key; /* how; mc_choices.key */
  mc_blocking *blocking;  /* every block that could be, by the model's order */
  int nblocking;
  const char *other_engine; /* ask->others: the next best, if the model has figures of one */
  mc_estimate other;
  int64_t packed_from, packed_to; /* stored: bytes of packed B, and of what is stored; else 0 */
} mc_gemm;

enum { MC_SPLIT_GROUPS = 100, MC_SPLIT_COLUMNS, MC_SPLIT_TILES };

/* mc_gemm.split (not -1) as the `loop` attribute names it: groups, columns, tiles, axis0 ... */
const char *mc_gemm_loop_text(int split, mc_arena *a);

/* All of it. conv_transpose2d: `phase` of those that mc_transposed_phases counts, else 0. False
 * after reporting to diag what cannot be computed. In the arena. */
bool mc_gemm_decide(mc_gemm *p, const mc_ask *a, int phase, mc_arena *arena, mc_diag *diag);

/* Arena bytes of a `gemm` group, whose work is divided into `tasks` shares of which `workers` run
 * at the same time. */
int64_t mc_gemm_scratch(const mc_target *t, const mc_node *group, int tasks, int workers);

/* The axes of a product whose result has type t: its shape, with at least one row axis before the
 * columns. Returns their number. */
int mc_gemm_space(const mc_type *t, int64_t *dim);

/* ---- sizes ---- */
int64_t mc_gemm_vectors(int64_t n);         /* 16-column vectors of n columns */
int64_t mc_gemm_elem(const mc_engine *e);   /* bytes of an element of B */
int64_t mc_gemm_a_elem(const mc_engine *e); /* of A, of B, as the engine reads it */
int64_t mc_gemm_b_elem(const mc_engine *e);
void mc_gemm_steps(mc_gemm *p);                 /* fill kr and steps from e and rlen */
int64_t mc_gemm_column_bytes(const mc_gemm *p); /* bytes of a column of packed B */
int64_t mc_gemm_panel(const mc_gemm *p);        /* bytes of one group's packed B */
int mc_gemm_acc_rows(const mc_gemm *p, int mr); /* accumulators that mr rows take */

/* ---- engines and tiles (pick.c) ---- */
/* The engine of the product `head` of operands of kind `in`, and where tiles are better, that of
 * tiles. NULL: none. */
const mc_engine *mc_gemm_pick(const mc_target *t, const mc_node *head, char in);
/* The same, or the one that the group's `engine` attribute names; NULL: it cannot compute it here.
 */
const mc_engine *mc_gemm_engine(const mc_target *t, const mc_node *group, const mc_node *head,
                                char in);
/* The i-th engine with vectors that could compute it; NULL: there are no more. */
const mc_engine *mc_gemm_legal(const mc_target *t, const mc_node *head, int i);
/* Elements of K that one step on tiles takes, and steps, for runs of rlen elements: as few steps as
 * possible, then as few elements; fp sums take no element that is not there (0 times what lies
 * after A may be NaN). */
void mc_tile_depth(const mc_engine *e, int64_t rlen, int *kr, int64_t *steps);
/* Cycles of the product on tiles by the model; negative where mc_gemm_pick does not choose them.
 */
double mc_tile_cycles(const mc_target *t, const mc_node *head);
int64_t mc_tiles_of_line(const mc_gemm *p); /* tiles of a line, of all rows of a batch */
int64_t mc_tiles_of_rows(const mc_gemm *p);
/* Rows are divided among threads by units of so many tiles: lines, where the last tile of a line
 * moves back over the one before, else single tiles; and the number of units. A share must hold at
 * least mt tiles. */
int64_t mc_tile_unit(const mc_gemm *p);
int64_t mc_tile_units(const mc_gemm *p);

/* ---- blocks that overlap (overlap.c) ---- */
/* Are blocks of this size emitted so that a block's epilogue runs between the products of the next
 * one? */
bool mc_gemm_overlaps(const mc_gemm *p, int mr, int nv);
/* Registers that are missing when the last row of a block begins: so many vectors of the block
 * before must be finished by then, one for each row. */
int mc_gemm_crowded(const mc_gemm *p, int mr, int nv);
/* Steps of a run within which neighbouring rows of a block read different bytes; how many steps of
 * the first run may be emitted one after the other, in blocks of mr rows. */
int64_t mc_gemm_apart(const mc_gemm *p, int mr);
int64_t mc_gemm_straight(const mc_gemm *p, int mr);

/* ---- zeros (zeros.c), weights kept small (stored.c) ---- */
mc_zeros_view mc_gemm_zeros_view(const mc_gemm *p);
/* What a block must not have to be left out: elements of a run that blocks must divide; 0: they
 * need not. -1: this product leaves nothing out. */
int64_t mc_gemm_divides(const mc_gemm *p);
void mc_gemm_scan(mc_gemm *p);     /* fill zeros */
void mc_stored_choose(mc_gemm *p); /* fill stored, stored_else, stored_why */
/* Unpacked in registers, of which plain weights may be the faster way; make them plain. */
bool mc_stored_may_stay(const mc_gemm *p);
void mc_stored_leave(mc_gemm *p);
void mc_stored_settle(mc_gemm *p); /* the block is chosen */
/* Does the product read each weight of 4 bits so few times that registers are the place to unpack
 * it, as far as its shape and weights say: a linear layer of at most MC_STORED_ROWS rows? */
bool mc_stored_direct(const mc_node *head);
/* stored is nibbles: bytes of a column of a run. */
int64_t mc_nibbles_column(const mc_gemm *p);
double mc_stored_cycles(const mc_gemm *p); /* of unpacking everything */
/* stored is codes: bytes of a weight, and cycles that 16 of them take. */
double mc_stored_code_bytes(const mc_gemm *p);
double mc_stored_code_cycles(const mc_gemm *p);
/* Bytes of scratch for a block of columns of one task; those of all workers, 0: B is plain. */
int64_t mc_stored_task_bytes(const mc_engine *e, const mc_node *head);
int64_t mc_stored_scratch(const mc_target *t, const mc_engine *e, const mc_node *head, int workers);

/* ---- operands widened beforehand (widen.c) ---- */
/* A as it is copied: images, lines, pixels of a line, elements of a pixel; lines and pixels that
 * come before the first. */
typedef struct mc_widened {
  int64_t dim[4], top, left;
} mc_widened;

mc_widened mc_widen_shape(const mc_node *head);
mc_strides mc_widen_strides(const mc_engine *e, const mc_node *head);
int64_t mc_widen_a_bytes(const mc_engine *e, const mc_node *head);
int64_t mc_widen_b_bytes(const mc_engine *e,
                         const mc_node *head); /* of a task's block of columns */
int64_t mc_widen_scratch(const mc_engine *e, const mc_node *head, int tasks);

/* ---- groups side by side in vectors (side.c) ---- */
/* Bytes of A that `lanes` lanes from a multiple of `lanes` on read in a step. */
int64_t mc_side_reach(const mc_gemm *p, int lanes);
void mc_gemm_side(mc_gemm *p, int64_t in, bool slack);

/* ---- transposed convolutions ---- */
typedef struct mc_transposed_axis {
  int64_t in, out, kernel, stride, dilation, pad, before, after;
} mc_transposed_axis;

/* Axis 0 rows, 1 columns: `before` and `after` are the border that the gather form needs. */
mc_transposed_axis mc_transposed_axis_of(const mc_node *head, int d);
mc_strides mc_transposed_strides(const mc_node *head);           /* of the input with its border */
int mc_transposed_phases(const mc_node *head, int64_t (*at)[2]); /* at: rows, columns; or NULL */
int64_t mc_transposed_scratch(const mc_node *head);

/* ---- matmul of two values ---- */
bool mc_matmul_constant(const mc_node *head); /* its second operand is packed at compile time */
/* Bytes of packed B, bias and rows' terms of one task. */
void mc_matmul_parts(const mc_node *head, const mc_engine *e, int64_t part[3]);
int64_t mc_matmul_scratch(const mc_engine *e, const mc_node *head);

/* ---- inside lib/decide ---- */
bool mc_gemm_refuse(const mc_gemm *p, const mc_node *n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool mc_gemm_block(mc_gemm *p);  /* blocks.c: mr, nv, unit, and what is said of them */
void mc_tile_block(mc_gemm *p);  /* pick.c: tr, mt, mr, nv, rows_outside, flat, note */
bool mc_gemm_divide(mc_gemm *p); /* threads.c: split */
#endif
