/* Columns of products, and their sums by fold. Shared by the files of lib/measure. */
#ifndef MC_MEASURE_COLUMNS_H
#define MC_MEASURE_COLUMNS_H
#include "mc/measure/moments.h"

/* mc_product_columns with the matrices of groups `apart` floats from each other. */
void mcm_columns(const mc_product *p, const float *x, const int64_t *place, int64_t n, float *col,
                 int64_t apart);
#endif
