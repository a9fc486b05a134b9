/* Four vectors of accumulators to one vector of bytes: the requantization of a whole register at
 * once (x86: packssdw, packuswb). */
#ifndef MC_KERNELS_NARROW_H
#define MC_KERNELS_NARROW_H
#include "lower.h"

/* acc: 4 vectors of 4, 8 or 16 i32; m: their multipliers. Bytes in the order of the packs: within
 * every 128-bit part l, bytes 4 o .. 4 o + 3 are elements 4 l .. 4 l + 3 of acc[o]. */
kvalue narrow_bytes(kbuilder *k, const mc_narrow *n, kvalue const acc[4], kvalue const m[4]);
/* The packing alone: q[i] + zero, saturated to u8 or i8. */
kvalue narrow_pack(kbuilder *k, kvalue const q[4], int32_t zero, mc_dtype out);
#endif
