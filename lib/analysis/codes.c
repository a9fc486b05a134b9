/* f32 weights of few different values (docs/internals/stored-weights.md). */
#include "mc/analysis/stored.h"
#include <string.h>

/* The first place in book[0, n) whose bits are not below b. */
static int place(const uint32_t *book, int n, uint32_t b) {
  int lo = 0;
  while (n > 0) {
    int half = n / 2;
    if (book[lo + half] < b)
      lo += half + 1, n -= half + 1;
    else
      n = half;
  }
  return lo;
}

int mc_codes_of(const mc_tensor *w, uint32_t book[MC_CODES]) {
  int64_t all = mc_tensor_elems(w);
  const uint32_t *x = w->data;
  int n = 0;
  for (int64_t i = 0; w->dtype == MC_f32 && i < all; i++) {
    int at = place(book, n, x[i]);
    if (at < n && book[at] == x[i]) continue;
    if (n == MC_CODES) return 0;
    memmove(book + at + 1, book + at, sizeof *book * (size_t)(n - at));
    book[at] = x[i];
    n++;
  }
  return n;
}

int mc_code_of(const uint32_t *book, int n, uint32_t bits) {
  int at = place(book, n, bits);
  return at < n && book[at] == bits ? at : -1;
}
