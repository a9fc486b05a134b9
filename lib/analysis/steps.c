/* f32 weights that are whole numbers times a scale of the row, or f16, found again from their
 * values (docs/internals/stored-weights.md). */
#include "mc/analysis/stored.h"
#include "mc/support/fixed.h"
#include <math.h>
#include <string.h>

enum { MOST = 127 };

static bool same(float a, float b) { return memcmp(&a, &b, sizeof a) == 0; }

/* Every w is fp32(q * scale). -0 is no such number. */
static bool fits(const float *w, int64_t n, float scale, int8_t *q) {
  for (int64_t i = 0; i < n; i++) {
    float x = rintf(w[i] / scale);
    if (!(fabsf(x) <= (float)MOST) || !same((float)(int)x * scale, w[i])) return false;
    if (q) q[i] = (int8_t)x;
  }
  return true;
}

/* The largest magnitude is some whole number of steps; the step is the quotient, or next to it. */
bool mc_steps_row(const float *w, int64_t n, float *scale, int8_t *q) {
  float most = 0;
  for (int64_t i = 0; i < n; i++) most = fmaxf(most, fabsf(w[i]));
  *scale = 1;
  if (most == 0) return fits(w, n, *scale, q);
  for (int steps = MOST; steps && isfinite(most); steps--) {
    float s = most / (float)steps, near[3] = { s, nextafterf(s, 0), nextafterf(s, INFINITY) };
    for (int i = 0; i < 3; i++)
      if (near[i] > 0x1p-100f && fits(w, n, near[i], q)) {
        *scale = near[i];
        return true;
      }
  }
  return false;
}

bool mc_steps_all(const mc_tensor *w, float *scales, int8_t *q) {
  int64_t rows = w->rank ? w->dim[0] : 0, d = rows ? mc_tensor_elems(w) / rows : 0;
  float one;
  if (w->dtype != MC_f32 || !d) return false;
  for (int64_t r = 0; r < rows; r++)
    if (!mc_steps_row((const float *)w->data + r * d, d, scales ? &scales[r] : &one,
                      q ? q + r * d : NULL))
      return false;
  return true;
}

bool mc_halves_all(const mc_tensor *w) {
  const float *x = w->data;
  int64_t n = mc_tensor_elems(w);
  if (w->dtype != MC_f32) return false;
  for (int64_t i = 0; i < n; i++)
    if (!same(mc_fx_from_f16(mc_fx_f16(x[i])), x[i])) return false;
  return n > 0;
}
