/* Products whose weights have blocks of zeros, which kernels leave out: sizes of blocks, all that
 * remains at the ends of columns, runs and lists, lists that are empty, few rows (several sets of
 * sums), groups; single elements of K, which the steps of some engines pick. With --small-weights
 * single zeros besides: weights kept as bits and values. */
#include "sweep_products.h"

static void convs(kind k, size_t from) {
  static const shape c[] = {
    { 1, 9, 9, 32, 64, 3, 3, 1, 1, 1, 1 },  { 1, 8, 11, 24, 40, 3, 3, 2, 1, 1, 1 },
    { 2, 5, 6, 48, 96, 1, 1, 1, 0, 1, 1 },  { 1, 7, 7, 20, 33, 3, 3, 1, 2, 2, 1 },
    { 1, 6, 13, 64, 64, 1, 3, 1, 1, 1, 2 }, { 1, 6, 5, 30, 17, 3, 3, 1, 1, 1, 1 },
    { 1, 5, 5, 9, 50, 3, 3, 1, 1, 1, 1 },   { 1, 1, 9, 128, 80, 1, 1, 1, 0, 1, 1 },
    { 3, 4, 4, 16, 130, 5, 5, 1, 2, 1, 1 }, { 1, 12, 12, 96, 24, 3, 3, 1, 1, 1, 3 }
  };
  for (size_t i = from; i < sizeof c / sizeof *c; i += 2) one_conv(k, c[i]);
}

static void linears(kind k) {
  one_linear(k, 2, DIMS(1, 256), 128);
  one_linear(k, 2, DIMS(1, 67), 90);
  one_linear(k, 2, DIMS(2, 200), 48);
  one_linear(k, 2, DIMS(3, 64), 210);
  one_linear(k, 3, DIMS(2, 19, 96), 100);
  one_linear(k, 2, DIMS(37, 130), 33);
  one_matmul(k, true, true, 2, DIMS(9, 72), 2, DIMS(64, 72));
  one_matmul(k, true, false, 2, DIMS(5, 72), 2, DIMS(72, 50));
}

static void sweep_list(const zeros *z, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (kind k = F32; k < KINDS; k++) {
      if (k >= I8 && i % 3) continue;
      sweep_zeros = z[i];
      convs(k, (i + k) % 2);
      linears(k);
      for (int which = 0; which < 9; which += 2 + (int)(i % 3))
        one_epilogue(k, 32 + 9 * (int64_t)i, which);
    }
  sweep_zeros = (zeros){ 0, 0, 0, 0 };
}

void sweep_sparse(void) {
  static const zeros z[] = { { 4, 4, 5, 16 }, { 1, 9, 10, 16 }, { 2, 5, 6, 16 },
                             { 8, 3, 4, 16 }, { 16, 1, 2, 16 }, { 4, 1, 1, 16 },
                             { 4, 1, 4, 16 }, { 1, 1, 2, 16 },  { 1, 5, 6, 16 } };
  static const zeros alone[] = { { 1, 1, 2, 1 }, { 1, 7, 8, 1 }, { 2, 1, 4, 1 }, { 4, 4, 5, 4 } };
  sweep_list(z, sizeof z / sizeof *z);
  if (sweep_small_weights) sweep_list(alone, sizeof alone / sizeof *alone);
}
