#include "check.h"
#include "mc/import/dataset.h"
#include <math.h>
#include <string.h>

/* What two arrays of real values have to do with each other. */
typedef struct difference {
  int64_t worst; /* element with the largest excess over what is allowed (or the first that differs
                    in its bits) */
  double before, after, diff, allowed;
  double largest;         /* |value| before */
  double sum_diff2, sum2; /* for relative L2 */
  bool bits;              /* some stored bits differ */
  int sample;             /* that the worst element is of */
} difference;

static double relative_l2(const difference *x) {
  return x->sum2 > 0 ? sqrt(x->sum_diff2 / x->sum2) : sqrt(x->sum_diff2);
}

static double largest_magnitude(const mc_array *x, int64_t n) {
  double m = 0;
  for (int64_t i = 0; i < n; i++) {
    double v = fabs(mc_array_real(x, i));
    if (isfinite(v) && v > m) m = v;
  }
  return m;
}

/* ROUNDS: 1e-4 of the value and of the output's largest magnitude, and a step where the result is
 * quantized. */
static double allowed_rounding(const mc_array *x, double largest, double v) {
  double step = x->type->q.kind == MC_Q_TENSOR ? x->type->q.scale : 0;
  return 1e-4 * largest + 1e-4 * (isfinite(v) ? fabs(v) : 0) + step + 1e-30;
}

static double distance(double a, double b) {
  if (a == b || (isnan(a) && isnan(b))) return 0;
  return isnan(a) || isnan(b) ? INFINITY : fabs(a - b);
}

static difference compare(const mc_array *a, const mc_array *b) {
  int64_t n = mc_type_elems(a->type);
  difference r = { .largest = largest_magnitude(a, n) };
  double excess = -1;
  for (int64_t i = 0; i < n; i++) {
    double x = mc_array_real(a, i), y = mc_array_real(b, i), d = distance(x, y),
           ok = allowed_rounding(b, r.largest, x);
    r.sum_diff2 += d * d;
    r.sum2 += isfinite(x) ? x * x : 0;
    if (d / ok <= excess) continue;
    excess = d / ok;
    r.worst = i, r.before = x, r.after = y, r.diff = d, r.allowed = ok;
  }
  r.bits = a->type != b->type || memcmp(a->data, b->data, (size_t)mc_type_bytes(a->type)) != 0;
  return r;
}

/* -0.0 and 0.0, and NaNs of other payloads, are the same real values: EXACT speaks of values. */
static bool broken(const mc_pass_info *p, const difference *x, double bound) {
  if (p->contract == MC_EXACT) return x->bits && x->diff > 0;
  if (p->contract == MC_ROUNDS) return x->diff > x->allowed;
  return bound > 0 && relative_l2(x) > bound;
}

static void print_index(mc_strbuf *b, const mc_type *t, int64_t flat) {
  int64_t at[MC_MAX_RANK];
  for (int i = t->rank - 1; i >= 0; i--) at[i] = flat % t->dim[i], flat /= t->dim[i];
  mc_sb_putc(b, '[');
  for (int i = 0; i < t->rank; i++) mc_sb_printf(b, "%s%lld", i ? "," : "", (long long)at[i]);
  mc_sb_putc(b, ']');
}

static const char *contract_name(mc_contract c) {
  return c == MC_EXACT ? "EXACT" : c == MC_ROUNDS ? "ROUNDS" : "LOSSY";
}

static void report(const checker *c, const mc_graph *g, const mc_pipeline_item *it, int out,
                   const mc_type *t, const difference *x, double bound, mc_diag *d) {
  mc_strbuf at = { 0 };
  print_index(&at, t, x->worst);
  mc_error(d, it->loc, "pass '%s' broke its contract %s: output %d of @%s differs", it->pass->text,
           contract_name(it->pass->contract), out, g->name);
  mc_note(d, it->loc,
          "worst element %s of sample %d: %.9g before, %.9g after, difference %.3g (ROUNDS would "
          "allow %.3g)",
          mc_sb_str(&at), x->sample, x->before, x->after, x->diff, x->allowed);
  if (bound > 0)
    mc_note(d, it->loc, "relative L2 of the output over %d samples: %.6g; the pass promised %.6g",
            c->nsamples, relative_l2(x), bound);
  else
    mc_note(d, it->loc, "relative L2 of the output over %d samples: %.6g", c->nsamples,
            relative_l2(x));
  if (bound > 0 && !mc_manager_samples(c->opts))
    mc_note(
        d, it->loc,
        "the inputs are random numbers, unlike real ones; -check-numerics=FILE.npz takes samples");
  mc_sb_free(&at);
}

static void summary(const checker *c, const mc_graph *g, const mc_pipeline_item *it, int out,
                    int sample, const difference *x, double bound) {
  if (!c->opts->dump) return;
  mc_sb_printf(c->opts->dump,
               "// check-numerics: %s (%s) @%s output %d sample %d: largest difference %.3g of "
               "%.3g, relative L2 %.3g",
               it->pass->text, contract_name(it->pass->contract), g->name, out, sample, x->diff,
               x->largest, relative_l2(x));
  if (bound > 0) mc_sb_printf(c->opts->dump, " (promised %.3g over all)", bound);
  mc_sb_putc(c->opts->dump, '\n');
}

static bool same_signature(const outputs *a, const outputs *b) {
  if (a->nout != b->nout) return false;
  for (int i = 0; i < a->nout; i++)
    if (!mc_type_same_shape(a->out[0][i].type, b->out[0][i].type)) return false;
  return true;
}

/* `all` so far and one more sample; the worst element stays the one with the largest excess. */
static void add_sample(difference *all, const difference *x, int sample) {
  difference sum = *all;
  if (sample == 0 || x->diff * all->allowed > all->diff * x->allowed)
    *all = *x, all->sample = sample;
  all->sum_diff2 = sum.sum_diff2 + x->sum_diff2;
  all->sum2 = sum.sum2 + x->sum2;
  all->bits = sum.bits || x->bits;
}

/* Relative L2 is taken over all samples together: one of them may have hardly any output. */
static bool compare_output(const checker *c, const mc_graph *g, const outputs *a, const outputs *b,
                           int i, const mc_pipeline_item *it, double bound, mc_diag *d) {
  difference all = { 0 };
  for (int s = 0; s < c->nsamples; s++) {
    difference x = compare(&a->out[s][i], &b->out[s][i]);
    summary(c, g, it, i, s, &x, bound);
    add_sample(&all, &x, s);
  }
  if (!broken(it->pass, &all, bound)) return true;
  report(c, g, it, i, a->out[0][i].type, &all, bound, d);
  return false;
}

static bool compare_graph(const checker *c, const mc_graph *g, const outputs *a, const outputs *b,
                          const mc_pipeline_item *it, double bound, mc_diag *d) {
  if (!same_signature(a, b))
    return mc_error(d, it->loc, "pass '%s' changed the number or the shapes of the results of @%s",
                    it->pass->text, g->name);
  for (int i = 0; i < a->nout; i++)
    if (!compare_output(c, g, a, b, i, it, bound, d)) return false;
  return true;
}

static bool evaluate(const checker *c, const mc_graph *g, int k, outputs *o, mc_diag *d) {
  o->nout = mc_graph_nout(g);
  for (int s = 0; s < c->nsamples; s++) {
    o->out[s] = mc_graph_output_arrays(g, c->arena);
    if (!mc_eval_graph(g, c->in[k][s], o->out[s], NULL, d)) return false;
  }
  return true;
}

/* Samples 0, 1, ... of the file; only as many as it holds. */
static bool read_inputs(checker *c, const mc_graph *g, int k, mc_diag *d) {
  mc_dataset *data = mc_dataset_open(mc_manager_samples(c->opts), g, NULL, d, mc_noloc);
  if (!data) return false;
  int64_t batch = mc_dataset_batch(data), runs = (mc_dataset_count(data) + batch - 1) / batch;
  if (runs < c->nsamples) c->nsamples = (int)runs;
  void **to = MC_NEWN(c->arena, void *, g->nin);
  bool ok = true;
  for (int s = 0; ok && s < c->nsamples; s++) {
    for (int i = 0; i < g->nin; i++) to[i] = c->in[k][s][i].data;
    ok = mc_dataset_fetch(data, s * batch, to);
  }
  mc_dataset_close(data);
  return ok;
}

static void random_inputs(checker *c, const mc_graph *g, int k) {
  for (int i = 0; i < g->nin; i++) {
    c->range[k][i] = g->in[i]->range;
    for (int s = 0; s < c->nsamples; s++)
      mc_random_fill(g->in[i], c->opts->seed + (uint64_t)s, c->in[k][s][i].data);
  }
}

static bool make_inputs(checker *c, const mc_graph *g, int k, mc_diag *d) {
  for (int s = 0; s < CHECK_SAMPLES; s++) c->in[k][s] = mc_graph_input_arrays(g, c->arena);
  c->range[k] = MC_NEWN(c->arena, mc_range, g->nin);
  if (mc_manager_samples(c->opts)) return read_inputs(c, g, k, d);
  random_inputs(c, g, k);
  return true;
}

/* Once the range of an input is known (calibrate), random numbers come from there: passes after
 * rely on it. */
static bool refresh(checker *c, const mc_graph *g, int k, mc_diag *d) {
  bool same = true;
  for (int i = 0; i < g->nin; i++) {
    const mc_range *a = &c->range[k][i], *b = &g->in[i]->range;
    same &= a->known == b->known && (!a->known || (a->lo == b->lo && a->hi == b->hi));
  }
  if (same || mc_manager_samples(c->opts)) return true;
  random_inputs(c, g, k);
  return evaluate(c, g, k, &c->last[k], d);
}

bool check_start(checker *c, const mc_module *m, const mc_manager_opts *o, mc_diag *d) {
  *c = (checker){ .opts = o, .nsamples = CHECK_SAMPLES, .arena = mc_arena_create() };
  for (const mc_graph *g = m->graphs; g; g = g->next) c->ngraphs++;
  c->in = mc_arena_alloc(c->arena, sizeof *c->in * (size_t)c->ngraphs);
  c->last = MC_NEWN(c->arena, outputs, c->ngraphs);
  c->range = MC_NEWN(c->arena, mc_range *, c->ngraphs);
  int k = 0;
  for (const mc_graph *g = m->graphs; g; g = g->next, k++)
    if (!make_inputs(c, g, k, d)) return false;
  k = 0;
  for (const mc_graph *g = m->graphs; g; g = g->next, k++)
    if (!evaluate(c, g, k, &c->last[k], d)) return false;
  return true;
}

void check_end(checker *c) { mc_arena_destroy(c->arena); }

bool check_pass(checker *c, const mc_module *m, const mc_pipeline_item *it, const double *bound,
                mc_diag *d) {
  int k = 0;
  for (const mc_graph *g = m->graphs; g && k < c->ngraphs; g = g->next, k++) {
    outputs now = { 0 };
    if (!evaluate(c, g, k, &now, d))
      return mc_error(d, it->loc, "@%s cannot be evaluated after pass '%s'", g->name,
                      it->pass->text);
    if (!compare_graph(c, g, &c->last[k], &now, it, bound[k], d)) return false;
    c->last[k] = now;
    if (!refresh(c, g, k, d)) return false;
  }
  return true;
}
