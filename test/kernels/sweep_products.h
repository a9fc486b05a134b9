/* Products as sweep_products.c builds them, for sweep_sparse.c and sweep_few_bits.c. */
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

/* While `on`, 8-bit weights are whole numbers from -8 to 7, times a factor up to 15 for each
 * `shared` neighbours of a row (0: there are no factors), and names say so. f32 weights are such
 * numbers times a scale of the row (4 bits), whole numbers up to 127 (8 bits), numbers of half
 * precision (16 bits), or have 16 (5 bits) or 250 (7 bits) values. */
typedef struct grid {
  bool on;
  int shared, bits; /* bits: 0: 4 */
} grid;

extern grid sweep_grid;
void one_conv(kind k, shape c);
void one_linear(kind k, int rank, const int64_t *dim, int64_t n);
/* b: an input or, where constant is set, a constant; batch axes before both. */
void one_matmul(kind k, bool constant, bool tb, int ra, const int64_t *da, int rb,
                const int64_t *db);
void one_epilogue(kind k, int64_t co, int which);
#endif
