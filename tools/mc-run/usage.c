/* Options of mc-run that exclude each other, or can do nothing. */
#include "run.h"
#include <string.h>

bool usable(mcrun *r) {
  mc_diag *d = &r->t.diag;
  if (r->layers && !r->compare) return mc_error(d, mc_noloc, "--layers needs --compare");
  if (r->output && r->compare)
    return mc_error(d, mc_noloc, "--output and --compare exclude each other");
  if (r->data && r->inputs.n) return mc_error(d, mc_noloc, "--input and --data exclude each other");
  if (r->preprocess && r->inputs.n && !r->imp.type)
    return mc_error(
        d, mc_noloc,
        "--preprocess is for the samples of --data; arrays of --input are taken as they are");
  if (!(r->atol >= 0) || !(r->rtol >= 0) || !(r->min_snr >= 0))
    return mc_error(d, mc_noloc, "--atol, --rtol and --min-snr must not be negative");
  if (r->output && !tool_spares_terminal(&r->t, r->output, "the array of --output")) return false;
  if (r->json && *r->json && !tool_keeps(&r->t, r->t.args.v[0], r->json)) return false;
  return tool_keeps(&r->t, r->t.args.v[0], r->output);
}

#define IDLE(r, why, ...) tool_no_effect(&(r)->t, (const char *const[]){ __VA_ARGS__, NULL }, why)

void warn_idle(mcrun *r) {
  if (!r->compare) IDLE(r, "it is for --compare", "atol", "rtol", "ulp", "min-snr");
  if (!r->data) IDLE(r, "it is for the samples of --data", "x");
  if (!r->data && !r->inputs.n && !r->imp.type)
    IDLE(r, "without --data the inputs are random", "preprocess");
  if (r->inputs.n) IDLE(r, "--input gives the one sample", "limit");
  if (r->inputs.n || r->data) IDLE(r, "it is for random inputs", "seed");
}

bool fits_object(mcrun *r, const mc_network *n) {
  if (strcmp(mc_network_kind(n), "object")) return true;
  if (r->ref)
    return mc_error(
        &r->t.diag, mc_noloc,
        "--ref: %s is an object, which the reference evaluator cannot run; give the network",
        r->t.args.v[0]);
  IDLE(r, "an object is compiled already", "jit");
  return true;
}
