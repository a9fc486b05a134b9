/* Products as sweep_products.c builds them, for sweep_sparse.c. */
#ifndef MC_TEST_SWEEP_PRODUCTS_H
#define MC_TEST_SWEEP_PRODUCTS_H
#include "sweep.h"

typedef enum kind { F32, U8, I8, BF16, KINDS } kind;

typedef struct shape {
  int64_t n, h, w, ci, co, kh, kw, s, p, d, g;
} shape;

/* While `of` is not 0, constant weights have `gone` of `of` blocks of 16 columns (wide: of so many)
 * by `unit` elements of K that are 0, and names say so. */
typedef struct zeros {
  int unit, gone, of, wide;
} zeros;

extern zeros sweep_zeros;
void one_conv(kind k, shape c);
void one_linear(kind k, int rank, const int64_t *dim, int64_t n);
/* b: an input or, where constant is set, a constant; batch axes before both. */
void one_matmul(kind k, bool constant, bool tb, int ra, const int64_t *da, int rb,
                const int64_t *db);
void one_epilogue(kind k, int64_t co, int which);
#endif
