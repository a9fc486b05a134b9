/* Winograd's F(4x4, 3x3) on integers: the steps of a pass. docs/internals/winograd.md.
 */
#ifndef MC_KERNELS_WINOGRAD_H
#define MC_KERNELS_WINOGRAD_H
#include "engine.h"
#include "lower.h"
#include "mc/decide/scratch.h"

enum {
  WINOGRAD_POINTS = MC_WINOGRAD_POINTS,
  WINOGRAD_PATCH = MC_WINOGRAD_TILE,
  WINOGRAD_WINDOW = MC_WINOGRAD_WINDOW,
  WINOGRAD_SHORT = 2
};

typedef struct kwinograd {
  kgroup *g;
  kbuilder *k;
  mc_node *head;
  kepilogue x;
  mc_winograd cut;
  kview in;                    /* the input's own axes; its base is pixel (0, 0) */
  bool is_signed, bias_inside; /* bias is part of the sums: they have room for it */
  int64_t pad[2];
  kvalue weights,
      bias; /* ready: [block][point][c / kr][channel][kr] i16; else [block][c / kr][vector][tap
               9][vector_bytes / 2] i8. bias [n] i32, times 36 where it is inside */
  kvalue v, m, u,
      tmp; /* scratch of one task: input [point][tile][c] i16, products [point][tile][width]
         i32, weights of a block (as ready ones), a tile between two transforms */
} kwinograd;

/* A tile where it is emitted: its place in a pass, the first row and column of its results, and
 * whether it is short. */
typedef struct kpatch {
  kvalue index, row, column;
  bool short_h, short_w;
} kpatch;

typedef void kpatch_fn(kwinograd *w, const kpatch *t, void *ctx);
/* Loops over all tiles of the pass whose first tile is (ty, tx). */
void winograd_patches(kwinograd *w, kvalue ty, kvalue tx, kpatch_fn *fn, void *ctx);

/* Constants (winograd_weights.c): w->weights, w->bias. */
void winograd_pack(kwinograd *w);
/* Bytes of packed weights of a block of `width` channels. */
int64_t winograd_packed_bytes(const kwinograd *w, int64_t width);
/* The first `units` vectors of a block's transformed weights, from what is packed at q, to u:
 * column points 2 first to 2 last of all rows, [row point][column point]. */
void winograd_weights(kwinograd *w, kvalue q, kvalue u, int64_t width, int first, int last,
                      kvalue units);
/* Vectors of the weights of a block. */
int64_t winograd_units(const kwinograd *w, int64_t width);

/* Input of the pass, of image `image`, transformed into v. */
void winograd_input(kwinograd *w, kvalue image, kvalue ty, kvalue tx);
/* Products of one block of `width` channels into m; weights at u, or made there, a pair of column
 * points at a time, from what is packed at q. */
void winograd_products(kwinograd *w, kvalue u, kvalue q, int64_t width);
/* Results of a block from channel n0 on; `cols` of its channels exist. */
void winograd_output(kwinograd *w, kvalue image, kvalue ty, kvalue tx, kvalue n0, int64_t width,
                     int64_t cols);
#endif
