#include "mc/analysis/packed.h"
#include <string.h>

enum { LEAST = 1024 }; /* bytes of weights that are worth a loop of their own */

static const double worth = 15.0 / 16;

int64_t mc_packed_bytes(int64_t n, int64_t used, int64_t size) { return (n + 7) / 8 + used * size; }

int64_t mc_packed_used(const mc_tensor *w) {
  static const char zero[8] = { 0 };
  size_t size = mc_dtype_size(w->dtype);
  int64_t n = mc_tensor_elems(w), used = 0;
  for (int64_t i = 0; i < n; i++)
    used += memcmp((const char *)w->data + (size_t)i * size, zero, size) != 0;
  return used;
}

const char *mc_packed_refused(const mc_target *t, const mc_node *head) {
  if (!t->small_weights) return "it was not asked for";
  if (head->op != MC_OP_conv2d && head->op != MC_OP_linear) return "only conv2d and linear can";
  const mc_tensor *w = mc_value_tensor(head->in[1]);
  if (!w) return "the weights are no constant";
  if (w->dtype != MC_f32 && w->dtype != MC_bf16 && w->dtype != MC_i8)
    return "their type is neither f32, bf16 nor i8";
  if (w->size < LEAST) return "they are few";
  int64_t kept =
      mc_packed_bytes(mc_tensor_elems(w), mc_packed_used(w), (int64_t)mc_dtype_size(w->dtype));
  return (double)kept < worth * (double)w->size ? NULL : "too few of them are 0";
}
