/* Batch norms: statistics from samples, folding, gammas. */
#include "bn.h"
#include "mc/ir/build.h"
#include "mc/measure/samples.h"
#include <math.h>

typedef struct sums {
  int64_t c;
  double n, *x, *xx;
} sums;

static void see(void *ctx, int k, const float *x, int64_t n) {
  sums *s = ctx;
  (void)k; /* one value is watched */
  for (int64_t i = 0; i < n; i++) {
    s->x[i % s->c] += (double)x[i];
    s->xx[i % s->c] += (double)x[i] * (double)x[i];
  }
  s->n += (double)(n / s->c);
}

static bool estimable(const mc_node *n) {
  return n->op == MC_OP_batch_norm && n->in[0]->type->dtype == MC_f32 &&
         mc_value_tensor(n->in[3]) && mc_value_tensor(n->in[4]);
}

static bool set_operand(mc_node *n, int slot, const double *v, mc_diag *d) {
  const mc_tensor *old = mc_value_tensor(n->in[slot]);
  mc_builder b = { .graph = n->graph, .before = n, .diag = d, .loc = n->loc };
  void *data;
  mc_tensor *t =
      mc_tensor_create(n->graph->module, old->name, old->dtype, old->rank, old->dim, &data);
  for (int64_t i = 0; i < mc_tensor_elems(t); i++) ((float *)data)[i] = (float)v[i];
  mc_value *w = mc_build_tensor(&b, t, NULL);
  if (w) mc_node_set_in(n, slot, w);
  return w != NULL;
}

static bool estimate(mc_pass_context *cx, const mc_walk_opts *o, mc_node *n) {
  mc_arena *a = mc_arena_create();
  sums s = { .c = n->in[0]->type->dim[n->in[0]->type->rank - 1] };
  s.x = MC_NEWN(a, double, s.c), s.xx = MC_NEWN(a, double, s.c);
  mc_samples *x = mc_samples_open(cx, o->data, &n->in[0], 1, false);
  bool ok = x && mc_samples_sweep(x, o->samples, o->what, see, &s);
  if (x) mc_samples_close(x);
  for (int64_t i = 0; i < s.c; i++) {
    s.x[i] /= s.n;
    s.xx[i] = fmax(s.xx[i] / s.n - s.x[i] * s.x[i], 0);
    if (ok && !isfinite(s.xx[i]))
      ok = mc_error(cx->diag, n->loc,
                    "%s: the input of batch_norm %s is not finite on these samples", o->what,
                    n->source ? n->source : "");
  }
  ok = ok && set_operand(n, 3, s.x, cx->diag) && set_operand(n, 4, s.xx, cx->diag);
  mc_arena_destroy(a);
  return ok;
}

bool mc_bn_estimate(mc_pass_context *cx, const mc_walk_opts *o, int *count) {
  *count = 0;
  MC_FOR_NODES (n, cx->graph) {
    if (!estimable(n)) continue;
    if (!estimate(cx, o, n)) return false;
    ++*count;
  }
  return true;
}

bool mc_bn_fold(mc_pass_context *cx, bool *changed) {
  mc_pass_context inner = *cx;
  bool done = false;
  inner.stats = NULL; /* they are rows of another pass */
  if (!mc_pass_fold_bn(&inner, &(mc_opts_fold_bn){ 0 }, &done)) return false;
  *changed |= done;
  return true;
}

bool mc_bn_fold_any(mc_pass_context *cx, bool *changed) {
  bool any = false;
  MC_FOR_NODES (n, cx->graph) any |= n->op == MC_OP_batch_norm;
  return !any || mc_bn_fold(cx, changed);
}

mc_tensor *mc_bn_gamma(const mc_node *n) {
  MC_FOR_USES (u, n->out[0])
    if (u->user->op == MC_OP_batch_norm && u->slot == 0) return mc_value_tensor(u->user->in[1]);
  return NULL;
}
