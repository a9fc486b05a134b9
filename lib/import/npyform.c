/* Stored elements to an array in C order with element types that mcc knows. */
#include "npyhead.h"
#include <string.h>

/* Unsigned integers of 2, 4 and 8 bytes in the next wider signed type (u64: the same, if they fit).
 */
static bool widen(mc_npy *out, int bytes, const void *stored, mc_arena *a, npy_where w) {
  size_t n = out->size / (size_t)bytes;
  void *data = mc_arena_alloc(a, n * mc_dtype_size(out->dtype));
  for (size_t i = 0; i < n; i++) {
    uint64_t x = 0;
    memcpy(&x, (const char *)stored + i * (size_t)bytes, (size_t)bytes);
    if (x > INT64_MAX)
      return mc_error(w.diag, w.at, "%s: element %zu, %llu, is beyond i64", w.who, i,
                      (unsigned long long)x);
    if (bytes == 2)
      ((int32_t *)data)[i] = (int32_t)x;
    else
      ((int64_t *)data)[i] = (int64_t)x;
  }
  out->data = data;
  out->size = n * mc_dtype_size(out->dtype);
  return true;
}

/* The first axis varies fastest in Fortran order, the last one in C order. */
static void to_c_order(mc_npy *x, mc_arena *a) {
  size_t bytes = mc_dtype_size(x->dtype), n = x->size / bytes, step[MC_MAX_RANK], from = 0;
  int64_t at[MC_MAX_RANK] = { 0 };
  char *data = mc_arena_alloc(a, x->size);
  for (int i = 0; i < x->rank; i++) step[i] = i ? step[i - 1] * (size_t)x->dim[i - 1] : 1;
  for (size_t i = 0; i < n; i++) {
    memcpy(data + i * bytes, (const char *)x->data + from * bytes, bytes);
    for (int k = x->rank - 1; k >= 0; k--) {
      from += step[k];
      if (++at[k] < x->dim[k]) break;
      from -= step[k] * (size_t)at[k];
      at[k] = 0;
    }
  }
  x->data = data;
}

bool npy_take(mc_npy *out, npy_form form, const void *stored, bool own, mc_arena *a, npy_where w) {
  bool flat = out->rank < 2 || !form.fortran;
  if (form.wide && !widen(out, form.wide, stored, a, w)) return false;
  if (!form.wide) out->data = own || !flat ? stored : mc_arena_copy(a, stored, out->size);
  if (!flat) to_c_order(out, a);
  return true;
}
