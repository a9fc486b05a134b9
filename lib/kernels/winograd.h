/* Winograd's F(4x4, 3x3) on integers: geometry and the steps of a pass. docs/kernels.md, "Winograd". */
#ifndef MC_KERNELS_WINOGRAD_H
#define MC_KERNELS_WINOGRAD_H
#include "engine.h"
#include "lower.h"

enum { WG_POINTS = 36, WG_TILE = 4, WG_WINDOW = 6 };

/* A convolution as tiles of 4x4 results; a pass computes rp x cp of them. */
typedef struct wg {
  kgroup *g; kb *k; mc_node *head; kx x;
  kview in;                              /* the input's own axes; its base is pixel (0, 0) */
  bool is_signed;
  int64_t batch, c, n, oh, ow, pad[2];   /* input channels, result channels, result size, zeros above and to the left */
  int64_t th, tw, rp, cp, tiles;         /* tiles of the result, of a pass; rp * cp */
  int mr, nv, lanes, parts, kr;          /* block of tiles x vectors of 16 channels; accumulator lanes, registers of 16; channels of a product */
  int wide;                              /* channels that the input's transform takes at once */
  V u, bias;                             /* weights [block of nv vectors][point][c / kr][channel][kr] i16; bias [n] i32 */
  int64_t v_bytes, m_bytes, tmp_bytes;   /* scratch of one task, in this order: input [point][tile][c] i16, products [point][tile][nv * 16] i32, a tile between two transforms */
  V v, m, tmp;
} wg;

/* Origin of tile `index` + `more` along one axis of `n` results: the last one moves back so that it is whole. */
V wg_origin(wg *w, V index, V more, int64_t n);
/* Input of the pass whose first tile is (ty, tx), of image `image`, transformed into v. */
void wg_input(wg *w, V image, V ty, V tx);
/* Products of one block of `nv` vectors of channels (weights at u) into m. */
void wg_products(wg *w, V u, int nv);
/* Results of these channels from n0 on; the last vector has `valid`. */
void wg_output(wg *w, V image, V ty, V tx, V n0, int nv, int valid);
#endif
