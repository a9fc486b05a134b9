/* First convolutions (first_conv.c, first_conv_pairs.c), and what both walk
 * (first_conv_images.c). */
#ifndef MC_KERNELS_FIRST_CONV_H
#define MC_KERNELS_FIRST_CONV_H
#include "lower.h"
#include "narrow.h"

/* The whole group with 16 pixels in lanes. False after reporting. */
bool emit_first_conv(kgroup *g);
/* The same with 8 pixels and pmaddwd (first_conv_pairs.c). */
bool emit_first_conv_pairs(kgroup *g);

typedef struct kfirst_conv {
  kgroup *g;
  kbuilder *k;
  mc_node *head;
  kepilogue *x;
  mc_narrow tail;
  kview in, out;
  int64_t n, kh, row_bytes, step; /* channels; rows of the window; bytes of one; between pixels */
  int64_t sy, oh, ow;
  bool flip;
  int32_t za; /* i8: bytes are read with 128 added */
} kfirst_conv;

/* All but x and out. */
void first_conv_begin(kfirst_conv *f, kgroup *g);
/* x and out; false after reporting. */
bool first_conv_results(kfirst_conv *f);
/* block: `pixels` neighbouring results at `out`, whose windows begin at `in`; the last of a line
 * move back, so some are computed twice, to the same bytes. Borders are filled. */
void first_conv_walk(const kfirst_conv *f, int pixels,
                     void (*block)(void *ctx, kvalue in, kvalue out), void *ctx);
#endif
