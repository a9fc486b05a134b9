/* Columns of products, and their sums by fold. Shared by the files of lib/measure. */
#ifndef MC_MEASURE_COLUMNS_H
#define MC_MEASURE_COLUMNS_H
#include "mc/measure/moments.h"

/* mc_product_columns with the matrices of groups `apart` floats from each other. */
void mcm_columns(const mc_product *p, const float *x, const int64_t *place, int64_t n, float *col,
                 int64_t apart);

/* One channel in and out for each group. */
bool mcm_is_depthwise(const mc_product *p);
/* The pixels of x under the d taps of one place of such a product; NULL: zeros. */
void mcm_pixels(const mc_product *p, const float *x, int64_t place, const float **px);

/* y [places, groups o] = w x + bias, all of the product's output; w [groups, o, d]; `room`: so many
 * floats as mcm_product_room says. */
void mcm_product_run(const mc_product *p, const float *x, const float *w, const float *bias,
                     float *y, float *room);
int64_t mcm_product_room(const mc_product *p);

/* ---- places ---- */
/* How many places of each of `runs` runs go into the moments: 100 d in all, at least 10,000 and at
 * most 40,000, as far as there are so many. */
int64_t mcm_places_of(const mc_product *p, int64_t runs);
/* n of `all` places, ascending; the same for the same seed and run. */
void mcm_places(uint64_t seed, int64_t run, int64_t all, int64_t n, int64_t *place);

/* ---- sums ---- */
typedef struct mcm_sum mcm_sum;
/* Sums for p, all zero, in the arena. */
mc_moments *mcm_moments_new(const mc_product *p, mc_arena *a);
/* Bytes of the sums and of their buffers, without targets. */
int64_t mcm_sum_bytes(const mc_product *p);
/* Adds to m. targets: y is given (else only x is summed). */
mcm_sum *mcm_sum_open(const mc_product *p, mc_moments *m, bool targets, mc_arena *a);
/* The columns of x at n places, and the rows of y there (plus `more` minus `less` where not NULL),
 * into a fold. x, y, more, less: dense data of the product's operand and result. */
void mcm_sum_add(mcm_sum *s, int fold, const float *x, const float *y, const float *more,
                 const float *less, const int64_t *place, int64_t n);
/* The same with the rows of y already taken: [n, groups o]. */
void mcm_sum_add_rows(mcm_sum *s, int fold, const float *x, const float *y, const int64_t *place,
                      int64_t n);
/* What is still buffered. False: numbers that are not finite were seen. */
bool mcm_sum_close(mcm_sum *s);
/* The sums of y from those of x where y is what p computes. */
void mcm_sum_own(mc_moments *m, const mc_product *p);
#endif
