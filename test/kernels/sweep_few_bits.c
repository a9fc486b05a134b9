/* Products whose 8-bit weights lie on a grid of 4 bits, with and without factors that neighbouring
 * columns share: unpacked in registers where rows are few, into scratch with --small-weights. */
#include "sweep_products.h"

static void linears(kind k) {
  one_linear(k, 2, DIMS(1, 256), 128);
  one_linear(k, 2, DIMS(1, 67), 90);
  one_linear(k, 2, DIMS(1, 130), 17);
  one_linear(k, 2, DIMS(1, 1000), 7);
  one_linear(k, 2, DIMS(2, 200), 48);
  one_linear(k, 2, DIMS(3, 96), 210);
  one_linear(k, 2, DIMS(4, 65), 33);
  one_linear(k, 2, DIMS(9, 256), 100);
  one_linear(k, 3, DIMS(2, 19, 96), 100);
  one_linear(k, 2, DIMS(37, 130), 33);
}

static void convs(kind k) {
  static const shape c[] = {
    { 1, 9, 9, 32, 64, 3, 3, 1, 1, 1, 1 }, { 1, 8, 11, 24, 40, 3, 3, 2, 1, 1, 1 },
    { 2, 5, 6, 48, 96, 1, 1, 1, 0, 1, 1 }, { 1, 7, 7, 20, 33, 3, 3, 1, 2, 2, 1 },
    { 1, 6, 5, 30, 17, 3, 3, 1, 1, 1, 1 }, { 1, 6, 13, 64, 64, 1, 3, 1, 1, 1, 2 },
  };
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) one_conv(k, c[i]);
}

void sweep_few_bits(void) {
  static const int shared[] = { 0, 16, 64, 96 };
  for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
    for (kind k = U8; k <= I8; k++) {
      sweep_grid = (grid){ true, shared[i], 4 };
      linears(k);
      convs(k);
    }
  static const grid real[] = { { true, 0, 4 }, { true, 16, 4 }, { true, 64, 4 }, { true, 96, 4 },
                               { true, 0, 8 }, { true, 0, 16 }, { true, 0, 5 },  { true, 0, 7 } };
  for (size_t i = 0; sweep_small_weights && i < sizeof real / sizeof *real; i++) {
    sweep_grid = real[i];
    linears(F32);
    convs(F32);
  }
  sweep_grid = (grid){ false, 0, 0 };
}
