/* Any bytes as safetensors: no crash; every byte of every tensor can be read. */
#include "mc/support/blob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mc_arena *a = mc_arena_create();
  mc_diag d;
  mc_diag_init(&d, a);
  const mc_st_file *f = mc_st_parse(data, size, a, &d, mc_noloc);
  volatile unsigned sum = 0;
  for (size_t i = 0; f && i < f->n; i++) {
    for (size_t k = 0; k < f->entry[i].size; k++)
      sum += ((const unsigned char *)f->entry[i].data)[k];
    if (!mc_st_find(f, f->entry[i].name)) __builtin_trap();
  }
  if (!f && !d.errors) __builtin_trap();
  mc_arena_destroy(a);
  return 0;
}
