/* -ensemble: several files as one network. */
#include "mc/driver/ensemble.h"
#include "mc/syntax/parse.h"
#include "opt.h"
#include <stdlib.h>

/* "0.7,0.3", as many as there are members. */
static bool read_weights(opt *o, double *weight, int n) {
  const char *at = o->weights;
  for (int k = 0; k < n; k++) {
    char *end;
    weight[k] = strtod(at, &end);
    if (end == at || *end != (k < n - 1 ? ',' : 0))
      return mc_error(&o->t.diag, mc_noloc, "-ensemble-weights=%s: not %d numbers with ',' between",
                      o->weights, n);
    at = end + 1;
  }
  return true;
}

int run_ensemble(opt *o) {
  enum { MEMBERS = 64 };

  int n = (int)o->t.args.n, read = 0;
  mc_module *m[MEMBERS];
  double weight[MEMBERS];
  if (n < 2 || n > MEMBERS)
    return mc_error(&o->t.diag, mc_noloc, "-ensemble: %d files: it takes 2 to %d", n, MEMBERS),
           MC_EXIT_USAGE;
  if (o->weights && !read_weights(o, weight, n)) return MC_EXIT_USAGE;
  for (; read < n; read++) {
    const char *dir;
    const mc_source *src = read_source(o, o->t.args.v[read], &dir);
    if (!src || !(m[read] = mc_parse(src, dir, &o->t.diag))) break;
  }
  if (read == n) {
    mc_module *e = mc_driver_ensemble(m, o->t.args.v, n, (mc_mean)o->mean,
                                      o->weights ? weight : NULL, &o->t.diag);
    return e ? run_module(o, e) : MC_EXIT_INPUT;
  }
  while (read-- > 0) mc_module_destroy(m[read]);
  return MC_EXIT_INPUT;
}
