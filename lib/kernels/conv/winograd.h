/* Winograd's F(4x4, 3x3) on integers: the steps of a pass. docs/internals/winograd.md.
 */
#ifndef MC_KERNELS_WINOGRAD_H
#define MC_KERNELS_WINOGRAD_H
#include "engine.h"
#include "lower.h"
#include "mc/decide/scratch.h"

enum {
  WG_POINTS = MC_WINOGRAD_POINTS,
  WG_TILE = MC_WINOGRAD_TILE,
  WG_WINDOW = MC_WINOGRAD_WINDOW,
  WG_SHORT = 2
};

typedef struct wg {
  kgroup *g;
  kb *k;
  mc_node *head;
  kx x;
  mc_winograd cut;
  kview in;                    /* the input's own axes; its base is pixel (0, 0) */
  bool is_signed, bias_inside; /* bias is part of the sums: they have room for it */
  int64_t pad[2];
  V weights,
      bias; /* ready: [block][point][c / kr][channel][kr] i16; else [block][c / kr][vector][tap
               9][vector_bytes / 2] i8. bias [n] i32, times 36 where it is inside */
  V v, m, u, tmp; /* scratch of one task: input [point][tile][c] i16, products [point][tile][width]
                     i32, weights of a block (as ready ones), a tile between two transforms */
} wg;

/* A tile where it is emitted: its place in a pass, the first row and column of its results, and
 * whether it is short. */
typedef struct wg_tile {
  V index, row, column;
  bool short_h, short_w;
} wg_tile;

typedef void wg_tile_fn(wg *w, const wg_tile *t, void *ctx);
/* Loops over all tiles of the pass whose first tile is (ty, tx). */
void wg_tiles(wg *w, V ty, V tx, wg_tile_fn *fn, void *ctx);

/* Constants (winograd_weights.c): w->weights, w->bias. */
void wg_pack(wg *w);
/* Bytes of packed weights of a block of `width` channels. */
int64_t wg_packed_bytes(const wg *w, int64_t width);
/* The first `units` vectors of a block's transformed weights, from what is packed at q, to u:
 * column points 2 first to 2 last of all rows, [row point][column point]. */
void wg_weights(wg *w, V q, V u, int64_t width, int first, int last, V units);
/* Vectors of the weights of a block. */
int64_t wg_units(const wg *w, int64_t width);

/* Input of the pass, of image `image`, transformed into v. */
void wg_input(wg *w, V image, V ty, V tx);
/* Products of one block of `width` channels into m; weights at u, or made there, a pair of column
 * points at a time, from what is packed at q. */
void wg_products(wg *w, V u, V q, int64_t width);
/* Results of a block from channel n0 on; `cols` of its channels exist. */
void wg_output(wg *w, V image, V ty, V tx, V n0, int64_t width, int64_t cols);
#endif
