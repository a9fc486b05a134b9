/* Four vectors of accumulators to one vector of bytes: the requantization of a whole register at
 * once (x86: packssdw, packuswb). */
#ifndef MC_KERNELS_NARROW_H
#define MC_KERNELS_NARROW_H
#include "lower.h"

typedef mc_narrow knarrow; /* mc/decide/decide.h */

/* acc: 4 vectors of 4, 8 or 16 i32; m: their multipliers. Bytes in the order of the packs: within
 * every 128-bit part l, bytes 4 o .. 4 o + 3 are elements 4 l .. 4 l + 3 of acc[o]. */
V kn_bytes(kb *k, const knarrow *n, V const acc[4], V const m[4]);
/* The packing alone: q[i] + zero, saturated to u8 or i8. */
V kn_pack(kb *k, V const q[4], int32_t zero, mc_dtype out);
#endif
