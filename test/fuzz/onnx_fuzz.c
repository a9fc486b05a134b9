/* Any bytes as ONNX: no crash; what is imported verifies and prints. */
#include "mc/import/onnx.h"
#include "mc/ir/print.h"
#include "mc/ir/verify.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mc_arena *a = mc_arena_create();
  mc_diag d;
  mc_diag_init(&d, a);
  mc_module *m = mc_import_onnx_bytes(data, size, "fuzz.onnx", &(mc_import_opts){ 0 }, &d);
  if (!m && !d.errors) abort();
  mc_strbuf b = { 0 };
  for (size_t i = 0; i < d.list.n; i++) mc_diag_render(&b, &d.list.v[i]);
  if (m && !mc_verify_module(m, &d)) {
    fprintf(stderr, "imported, but: %s\n", d.list.v[d.list.n - 1].text);
    abort();
  }
  if (m) mc_print_module(&b, m, &(mc_print_opts){ .no_data = true });
  mc_sb_free(&b);
  mc_module_destroy(m);
  mc_arena_destroy(a);
  return 0;
}
