/* An mcc whose objects compute something else (test/mcc/invalid-check.test): what the linker makes
 * of -Wl,--wrap=mc_network_run. WRONG says what the last element of the first result becomes:
 * "step", its lowest bit flipped; "far", its highest byte inverted; "nan" (f32). */
#include "mc/driver/network.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool __real_mc_network_run(mc_network *n, const void *const *in, void *const *out, mc_diag *d);
bool __wrap_mc_network_run(mc_network *n, const void *const *in, void *const *out, mc_diag *d);

static void spoil(unsigned char *last, size_t size, const char *how) {
  const float nan = NAN;
  if (strcmp(how, "step") == 0) last[0] ^= 1;
  if (strcmp(how, "far") == 0) last[size - 1] = (unsigned char)~last[size - 1];
  if (strcmp(how, "nan") == 0 && size == sizeof nan) memcpy(last, &nan, sizeof nan);
}

bool __wrap_mc_network_run(mc_network *n, const void *const *in, void *const *out, mc_diag *d) {
  const mc_type *t = mc_network_out_type(n, 0);
  size_t bytes = (size_t)mc_type_bytes(t), size = bytes / (size_t)mc_type_elems(t);
  const char *how = getenv("WRONG");
  if (!__real_mc_network_run(n, in, out, d)) return false;
  if (how) spoil((unsigned char *)out[0] + bytes - size, size, how);
  return true;
}
