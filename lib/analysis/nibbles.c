/* Weights on a grid of 4 bits, found again from their values (docs/internals/stored-weights.md). */
#include "mc/analysis/stored.h"

enum { LOW = -8, HIGH = 7, MOST = 256, LEAST = 16 };

static int divisor(int a, int b) {
  while (b) {
    int r = a % b;
    a = b;
    b = r;
  }
  return a;
}

/* Of all divisors the greatest leaves the smallest numbers: where it is too small, all are. */
int mc_nibbles_factor(const int8_t *v, int64_t n, int64_t apart) {
  int k = 0, low = 0, high = 0;
  for (int64_t i = 0; i < n; i++) {
    int x = v[i * apart];
    k = divisor(k, x < 0 ? -x : x);
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  if (!k) return 1;
  return low >= k * LOW && high <= k * HIGH ? k : 0;
}

static bool all_small(const int8_t *v, int64_t n) {
  int8_t low = 0, high = 0;
  for (int64_t i = 0; i < n; i++) {
    low = v[i] < low ? v[i] : low;
    high = v[i] > high ? v[i] : high;
  }
  return low >= LOW && high <= HIGH;
}

static bool shared_by(const int8_t *v, int64_t rows, int64_t d, int64_t by) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < d; j += by)
      if (!mc_nibbles_factor(v + r * d + j, d - j < by ? d - j : by, 1)) return false;
  return true;
}

static int64_t shared_of(const int8_t *v, int64_t rows, int64_t n) {
  if (all_small(v, n)) return 0;
  if (shared_by(v, rows, n / rows, n / rows)) return n / rows;
  for (int64_t by = MOST; by >= LEAST; by /= 2)
    if (shared_by(v, rows, n / rows, by)) return by;
  return -1;
}

int64_t mc_nibbles_shared(const mc_tensor *w) {
  int64_t n = mc_tensor_elems(w), rows = w->rank ? w->dim[0] : 0;
  if (!n || !rows) return -1;
  if (w->dtype == MC_i8) return shared_of(w->data, rows, n);
  mc_arena *a = mc_arena_create();
  int8_t *v = w->dtype == MC_f32 ? MC_NEWN(a, int8_t, n) : NULL;
  int64_t shared = v && mc_steps_all(w, NULL, v) ? shared_of(v, rows, n) : -1;
  mc_arena_destroy(a);
  return shared;
}
