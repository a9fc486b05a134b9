/* Strided copies of boxes: what every op that only moves elements is made of. */
#ifndef MC_KERNELS_COPY_H
#define MC_KERNELS_COPY_H
#include "lower.h"

/* A box of `rank` axes copied from src to dst; both views' bases are at its first element. Values
 * may change on the way: from one quantization to another (concat), or from f32 to bytes
 * (quantize). */
typedef struct kbox {
  kgroup *g;
  kbuilder *k;
  int rank;
  int64_t dim[MC_MAX_RANK];
  kview src, dst;
  const mc_type *from, *to; /* where values change, else NULL */
  bool share;               /* a loop around the box is divided among threads already */
  int split;
  kvalue s, d; /* while it is emitted: the axis that is divided; the innermost row */
} kbox;

kbox kbox_of(kgroup *g, const mc_type *shape, kview src, kview dst);
void kbox_copy(kbox *b);
kvalue kbox_convert(
    const kbox *b,
    kvalue v); /* a vector in register form, src to dst; nothing where values do not change */

/* planes.c: the two innermost axes at once, where the elements that lie together in src are not
 * those that lie together in dst. */
typedef struct kplanes {
  int kind, lanes, rows;
} kplanes; /* how; 0: not a case for it */

kplanes kplanes_of(kbox *b);                            /* may exchange axes of the box */
int64_t kplanes_trips(const kbox *b, const kplanes *p); /* of the loop over axis rank - 2 that can
                                                           be divided among threads; 1: it cannot */
/* Transpose a square of i32: n registers of n lanes, n <= 16 and no more than a register of the
 * target has. */
void kplanes_square(kbuilder *k, kvalue *v, int n);
void kplanes_copy(const kbox *b, const kplanes *p, kvalue s, kvalue d);
#endif
