/* Which convolutions Winograd's filtering computes exactly. docs/internals/winograd.md. */
#include "mc/analysis/stored.h"
#include "mc/analysis/winograd.h"

/* Every partial result modulo 2^32 is right; the last one is divided by up to 2^6, which needs
 * |sum| < 2^31 / 2^6 (docs/internals/winograd.md). */
static const int64_t sum_limit = INT64_C(1) << 25;

static int64_t worst_sum(const mc_tensor *w, bool is_signed) {
  const int8_t *q = w->data;
  int64_t n = w->dim[0], k = w->dim[1] * w->dim[2] * w->dim[3], worst = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t up = 0, down = 0;
    for (int64_t j = 0; j < k; j++) {
      if (q[i * k + j] > 0)
        up += q[i * k + j];
      else
        down -= q[i * k + j];
    }
    int64_t here = is_signed ? 128 * (up + down) : 255 * (up > down ? up : down);
    if (here > worst) worst = here;
  }
  return worst;
}

const char *mc_winograd_refused(const mc_node *n, const mc_target *t) {
  if (!mc_winograd_plain(n))
    return "it is no convolution of 3x3 with stride 1, dilation 1 and one group";
  const mc_type *x = n->in[0]->type;
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  if ((x->dtype != MC_u8 && x->dtype != MC_i8) || !w || w->dtype != MC_i8)
    return "its operands are not 8-bit integers with constant weights";
  if (n->nin > 2 && !mc_value_tensor(n->in[2])) return "its bias is not a constant";
  if (mc_stored_find(t, n, NULL)) return "its weights are kept small (-compress-weights)";
  const char *why = mc_winograd_unsuited(n, t);
  if (why) return why;
  if (worst_sum(w, x->dtype == MC_i8) >= sum_limit) return "its sums could leave 25 bits";
  return NULL;
}

int64_t mc_winograd_growth(const mc_node *n) {
  const mc_type *w = n->in[1]->type;
  return w->dim[0] * w->dim[3] * (36 * 2 - 9);
}
