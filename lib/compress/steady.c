/* Which channels depend on the input (steadyflow.c), then one evaluation on zeros for the
 * numbers of those that do not. */
#include "steady.h"
#include "mc/ref/eval.h"
#include <math.h>
#include <string.h>

static int64_t channels_of(const mc_value *v) {
  return v->type->rank ? v->type->dim[v->type->rank - 1] : 1;
}

static bool depends(const steady *s, const mc_value *v, int64_t c) {
  const unsigned char *f = mc_map_ptr_get(&s->depends, v);
  return f && f[c];
}

/* A channel depends when one of its elements does. */
static void note_channels(steady *s, const mc_map *flow, const mc_value *v) {
  const unsigned char *f = mc_map_ptr_get(flow, v);
  int64_t n = channels_of(v);
  if (!f) return;
  unsigned char *y = MC_NEWN(s->a, unsigned char, n + 1);
  for (int64_t i = 0; i < mc_type_elems(v->type); i++) y[i % n] |= f[i];
  if (!memchr(y, 0, (size_t)n)) return;
  *mc_map_ptr_slot(&s->depends, v) = y;
  s->any = true;
}

/* ---- numbers ---- */

typedef struct numbers {
  float *x;
  unsigned char *kind;
} numbers;

static bool observe(void *ctx, const mc_value *v, const mc_array *x) {
  steady *s = ctx;
  if (v->type->dtype != MC_f32 || !mc_map_ptr_get(&s->depends, v)) return true;
  int64_t n = channels_of(v), count = mc_type_elems(v->type);
  numbers *r = MC_NEW(s->a, numbers);
  *r = (numbers){ MC_NEWN(s->a, float, n), MC_NEWN(s->a, unsigned char, n) };
  const float *d = x->data;
  memcpy(r->x, d, sizeof *d * (size_t)n);
  for (int64_t c = 0; c < n; c++)
    r->kind[c] = depends(s, v, c) ? STEADY_NO : isfinite(d[c]) ? STEADY_CONSTANT : STEADY_PATTERN;
  for (int64_t i = 0; i < count; i++)
    if (r->kind[i % n] == STEADY_CONSTANT &&
        !(fabsf(d[i] - r->x[i % n]) <= 1e-4f * fabsf(r->x[i % n])))
      r->kind[i % n] = STEADY_PATTERN;
  *mc_map_ptr_slot(&s->seen, v) = r;
  return true;
}

static mc_array zeros(steady *s, const mc_type *t) {
  void *p = mc_arena_alloc(s->a, (size_t)mc_type_bytes(t));
  memset(p, 0, (size_t)mc_type_bytes(t));
  return (mc_array){ t, p };
}

static void evaluate(steady *s) {
  int nout = mc_graph_nout(s->g);
  mc_array *in = MC_NEWN(s->a, mc_array, s->g->nin + 1), *out = MC_NEWN(s->a, mc_array, nout + 1);
  mc_diag quiet;
  mc_diag_init(&quiet, s->a);
  for (int i = 0; i < s->g->nin; i++) in[i] = zeros(s, s->g->in[i]->type);
  for (int i = 0; i < nout; i++) out[i] = zeros(s, mc_graph_out(s->g, i)->type);
  s->failed = !mc_eval_graph(s->g, in, out, &(mc_eval_opts){ observe, s }, &quiet);
}

steady *mc_steady_of(mc_graph *g, mc_arena *a) {
  steady *s = MC_NEW(a, steady);
  *s = (steady){ .g = g, .a = a };
  mc_map_init(&s->depends, a);
  mc_map_init(&s->seen, a);
  mc_arena *scratch = mc_arena_create();
  mc_map flow = mc_steady_flow(g, scratch);
  MC_FOR_NODES (n, g)
    if (!mc_op_has(n->op, MC_T_CONST))
      for (int i = 0; i < n->nout; i++) note_channels(s, &flow, n->out[i]);
  mc_arena_destroy(scratch);
  if (s->any) evaluate(s);
  return s;
}

steady_kind mc_steady_channel(const steady *s, const mc_value *v, int64_t c, float *x) {
  *x = 0;
  const unsigned char *f = mc_map_ptr_get(&s->depends, v);
  if (!f || f[c]) return STEADY_NO;
  const numbers *r = s->failed ? NULL : mc_map_ptr_get(&s->seen, v);
  if (!r) return STEADY_PATTERN;
  *x = r->x[c];
  return (steady_kind)r->kind[c];
}

mc_channels_fill mc_steady_fill(const steady *s, const mc_channels *ch, const bool *keep) {
  int n = mc_graph_nout(s->g);
  mc_channels_fill f = { MC_NEWN(s->a, float *, n + 1) };
  for (int i = 0; i < n; i++) {
    const mc_value *v = mc_graph_out(s->g, i);
    f.value[i] = MC_NEWN(s->a, float, channels_of(v) + 1);
    for (int64_t c = 0; v->type->rank && c < channels_of(v); c++) {
      int k = mc_channels_class(ch, v, c);
      if (k >= 0 && !keep[k]) mc_steady_channel(s, v, c, &f.value[i][c]);
    }
  }
  return f;
}
