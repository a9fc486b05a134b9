/* Private to compress. */
#ifndef MC_COMPRESS_REPAIR_MATCH_H
#define MC_COMPRESS_REPAIR_MATCH_H
#include "compress.h"
#include "mc/measure/product.h"

/* Which classes of the original's channels a network without some of them has kept: its layers, in
 * order, hold rows and columns of the original's weights. keep[class] in the arena. NULL after
 * reporting the layer that does not fit. */
bool *mc_repair_match(const mc_channels *ch, const mc_products *was, const mc_products *is,
                      const char *original, mc_arena *a, mc_diag *d);
#endif
