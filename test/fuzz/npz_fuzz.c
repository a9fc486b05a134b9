/* Any bytes as .npz, or as .npy: no crash, no more memory than the input can hold; every byte of
 * every array can be read. */
#include "mc/import/npy.h"
#include <string.h>

static unsigned touch(const mc_npy *x) {
  unsigned sum = 0;
  for (size_t i = 0; i < x->size; i++) sum += ((const unsigned char *)x->data)[i];
  return sum;
}

static void read_archive(const uint8_t *data, size_t size, mc_arena *a, mc_diag *d) {
  mc_npz *z = mc_npz_open_memory(data, size, d, mc_noloc);
  mc_npy x;
  volatile unsigned sum = 0;
  for (int i = 0; z && i < mc_npz_count(z) && i < 64; i++)
    if (mc_npz_read(z, mc_npz_name(z, i), &x, a, d, mc_noloc)) sum += touch(&x);
  mc_npz_close(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mc_arena *a = mc_arena_create();
  mc_diag d;
  mc_diag_init(&d, a);
  mc_npy x;
  volatile unsigned sum = 0;
  if (size > 1 && data[0] == 'P' && data[1] == 'K')
    read_archive(data, size, a, &d);
  else if (mc_npy_parse(data, size, &x, a, &d, mc_noloc))
    sum += touch(&x);
  mc_arena_destroy(a);
  return 0;
}
