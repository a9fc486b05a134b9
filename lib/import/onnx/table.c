/* The table of ops.def. */
#include "imp.h"
#include <string.h>

static const op_row rows[] = {
#define MC_ONNX(op, domain, lo, hi, outs, handler, arg, attrs)                                     \
  { #op, domain, lo, hi, outs, attrs, mc_onnx_##handler, arg },
#include "ops.def"
};

const op_row *mc_onnx_find_op(const char *op, const char *domain) {
  if (!op) return NULL;
  if (!domain || !strcmp(domain, "ai.onnx")) domain = "";
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (!strcmp(rows[i].op, op) && !strcmp(rows[i].domain, domain)) return &rows[i];
  return NULL;
}
