/* Two networks, or a network and stored outputs, on the same inputs. */
#include "run.h"
#include "common/progress.h"
#include <math.h>
#include <string.h>

typedef struct cmp {
  tool *t;
  mc_network *a, *b; /* b NULL: expected outputs */
  mc_array *want;
  int64_t *per; /* expected outputs: arrays of many samples, elements of one */
  const feed *f;
  const compare_opts *o;
  tolerance tol;
  bool other_arithmetic; /* one is INT8 or bf16 where the other is not */
  diff *d;               /* one per output */
  void **in, **out_a, **out_b;
  layers *l;
} cmp;

static bool ends_with(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n >= m && strcmp(s + n - m, end) == 0;
}

/* Samples in an output of one run: those of the batch where its first axis holds them, else one. */
static int64_t samples_in(const mc_type *t, int64_t batch) {
  return t->rank && t->dim[0] % batch == 0 ? batch : 1;
}

/* ---- expected outputs ---- */
static bool take_expected(cmp *c, int i, const mc_npy *x, const char *path) {
  const mc_type *out = mc_network_out_type(c->a, i);
  mc_type *t = MC_NEW(c->t->arena, mc_type);
  t->dtype = x->dtype;
  t->rank = x->rank;
  int64_t elems = 1, per = mc_type_elems(out) / samples_in(out, c->f->batch);
  for (int k = 0; k < x->rank; k++) elems *= t->dim[k] = x->dim[k];
  if (x->dtype == out->dtype) t->q = out->q;
  c->want[i] = (mc_array){ t, (void *)(uintptr_t)x->data };
  c->per[i] = per;
  if (elems == 0 || per == 0 || elems % per)
    return mc_error(&c->t->diag, mc_noloc, "%s: %s%s%shas %lld elements, not a multiple of %lld",
                    path, x->name ? "array '" : "it ", x->name ? x->name : "", x->name ? "' " : "",
                    (long long)elems, (long long)per);
  return true;
}

static bool has(const mc_npz *z, const char *name) {
  for (int i = 0; i < mc_npz_count(z); i++)
    if (strcmp(mc_npz_name(z, i), name) == 0) return true;
  return false;
}

static bool read_expected(cmp *c, const char *path) {
  int n = mc_network_nout(c->a);
  c->want = MC_NEWN(c->t->arena, mc_array, n);
  c->per = MC_NEWN(c->t->arena, int64_t, n);
  mc_npy x;
  if (ends_with(path, ".npy")) {
    if (n != 1)
      return mc_error(&c->t->diag, mc_noloc,
                      "%s: the network has %d outputs; use an npz with one array for each", path,
                      n);
    return mc_npy_read(path, &x, c->t->arena, &c->t->diag, mc_noloc) &&
           take_expected(c, 0, &x, path);
  }
  mc_npz *z = mc_npz_open(path, &c->t->diag, mc_noloc);
  bool ok = z != NULL;
  for (int i = 0; ok && i < n; i++) {
    const char *name = mc_network_out_name(c->a, i);
    if (!has(z, name))
      name = n == 1 && has(z, "out") ? "out"
             : n == 1                ? NULL
             : mc_npz_count(z) == n  ? mc_npz_name(z, i)
                                     : name; /* by name, else in order */
    ok = mc_npz_read(z, name, &x, c->t->arena, &c->t->diag, mc_noloc) &&
         take_expected(c, i, &x, path);
  }
  if (z) mc_npz_close(z);
  return ok;
}

static int64_t expected_samples(const cmp *c) {
  int64_t n = INT64_MAX;
  for (int i = 0; i < mc_network_nout(c->a); i++) {
    int64_t have = mc_type_elems(c->want[i].type) / c->per[i];
    if (samples_in(mc_network_out_type(c->a, i), c->f->batch) == 1) have *= c->f->batch;
    if (have < n) n = have;
  }
  return n;
}

/* ---- two networks ---- */
static bool same_interface(cmp *c, const char *other) {
  mc_diag *d = &c->t->diag;
  if (mc_network_nin(c->a) != mc_network_nin(c->b) ||
      mc_network_nout(c->a) != mc_network_nout(c->b))
    return mc_error(d, mc_noloc, "%s: has %d inputs and %d outputs, the first network %d and %d",
                    other, mc_network_nin(c->b), mc_network_nout(c->b), mc_network_nin(c->a),
                    mc_network_nout(c->a));
  for (int i = 0; i < mc_network_nin(c->a); i++)
    if (mc_network_in_type(c->a, i)->dtype != mc_network_in_type(c->b, i)->dtype ||
        mc_type_bytes(mc_network_in_type(c->a, i)) != mc_type_bytes(mc_network_in_type(c->b, i)))
      return mc_error(d, mc_noloc, "%s: input %d has another type than in the first network", other,
                      i);
  for (int i = 0; i < mc_network_nout(c->a); i++)
    if (mc_type_elems(mc_network_out_type(c->a, i)) != mc_type_elems(mc_network_out_type(c->b, i)))
      return mc_error(d, mc_noloc, "%s: output %d has another shape than in the first network",
                      other, i);
  return true;
}

static bool run_pair(cmp *c, int64_t k) {
  const void *const *in = (const void *const *)c->in;
  if (!feed_fetch(c->f, k, c->in)) return false;
  if (c->l) return layers_run(c->l, in, c->out_a, c->out_b, k, &c->t->diag);
  if (!mc_network_run(c->a, in, c->out_a, &c->t->diag)) return false;
  return !c->b || mc_network_run(c->b, in, c->out_b, &c->t->diag);
}

/* Scores of classes: one axis beside the batch, of two or more. */
static bool has_top(const mc_type *t, int64_t batch) {
  int axes = 0;
  for (int k = 0; k < t->rank; k++) axes += t->dim[k] > 1 && !(k == 0 && t->dim[0] == batch);
  return axes == 1;
}

static void add_outputs(cmp *c, int64_t k, int64_t count) {
  int64_t used = count - k < c->f->batch ? count - k : c->f->batch;
  for (int i = 0; i < mc_network_nout(c->a); i++) {
    const mc_type *ta = mc_network_out_type(c->a, i);
    mc_array a = { ta, c->out_a[i] },
             b = c->b ? (mc_array){ mc_network_out_type(c->b, i), c->out_b[i] } : c->want[i];
    int64_t in = samples_in(ta, c->f->batch), per = mc_type_elems(ta) / in;
    int64_t from = c->b ? 0 : k * in / c->f->batch * per, n = in == 1 ? 1 : used;
    diff_add(&c->d[i], &a, &b, 0, from, n * per, k, c->tol);
    for (int64_t s = 0; has_top(ta, c->f->batch) && s < n; s++)
      diff_add_top(&c->d[i], &a, &b, s * per, from + s * per, per);
  }
}

/* ---- report ---- */
static const char *arithmetic(const mc_network *n) {
  mc_layers l = mc_network_layers(n);
  return mc_layers_text(&l);
}

/* "reference" or, where arithmetics differ, "reference, INT8". */
static const char *side(const cmp *c, const mc_network *n, const char *file) {
  if (!n) return file;
  if (!c->other_arithmetic) return mc_network_kind(n);
  return mc_arena_printf(c->t->arena, "%s (%s, %s)", file, mc_network_kind(n), arithmetic(n));
}

static void print_diff(cmp *c, mc_strbuf *s, int i) {
  const diff *d = &c->d[i];
  bool ints = !mc_dtype_is_float(mc_network_out_type(c->a, i)->dtype);
  mc_sb_printf(s, "%s: ", mc_network_out_name(c->a, i));
  mc_type_print(s, mc_network_out_type(c->a, i));
  mc_sb_printf(s, " %lld of %lld elements differ", (long long)d->differ, (long long)d->n);
  if (d->differ)
    mc_sb_printf(s, ", max abs %.3g%s, max rel %.3g", d->max_abs, ints ? " steps" : "", d->max_rel);
  if (d->differ && isfinite(d->max_ulp) && !c->other_arithmetic)
    mc_sb_printf(s, ", max ulp %.0f", d->max_ulp);
  if (d->differ)
    mc_sb_printf(s, " (sample %lld), relative L2 %.3g, SNR %.1f dB", (long long)d->at,
                 diff_relative_l2(d), diff_snr(d));
  if (d->differ && d->tops)
    mc_sb_printf(s, ", top-1 the same for %lld of %lld samples (%.2f %%)", (long long)d->top_same,
                 (long long)d->tops, 100.0 * (double)d->top_same / (double)d->tops);
  mc_sb_putc(s, '\n');
}

static bool below_snr(const cmp *c, int i) {
  return c->tol.min_snr > 0 && !(diff_snr(&c->d[i]) >= c->tol.min_snr);
}

/* Whether elements beyond the tolerance are a failure: not between arithmetics, or with --min-snr,
 * unless a tolerance was given. */
static bool strict(const cmp *c) {
  return c->tol.given || (!c->other_arithmetic && !(c->tol.min_snr > 0));
}

static const char *verdict(const cmp *c, int64_t differ, int64_t beyond) {
  bool low = false;
  for (int i = 0; i < mc_network_nout(c->a); i++) low |= below_snr(c, i);
  if (!differ) return "equal";
  if (low || (beyond && strict(c))) return "different";
  return strict(c) || c->tol.min_snr > 0 ? "within the tolerance" : "other arithmetic";
}

/* fp32 layers in both, and differences as small as the order of sums makes them. */
static bool rounding_only(const cmp *c) {
  bool small = mc_network_layers(c->a).f32 && mc_network_layers(c->b).f32;
  for (int i = 0; i < mc_network_nout(c->a); i++) small &= diff_snr(&c->d[i]) > 80;
  return small;
}

/* Errors for what was asked for and does not hold. */
static bool judge(cmp *c, int64_t beyond) {
  mc_diag *d = &c->t->diag;
  bool ok = true;
  for (int i = 0; i < mc_network_nout(c->a); i++)
    if (below_snr(c, i))
      ok = mc_error(d, mc_noloc, "%s: a signal-to-noise ratio of %.1f dB, less than --min-snr=%g",
                    mc_network_out_name(c->a, i), diff_snr(&c->d[i]), c->tol.min_snr);
  if (!beyond || !strict(c)) return ok;
  mc_error(d, mc_noloc, "%lld elements are beyond the tolerance (atol %g, rtol %g, ulp %lld)",
           (long long)beyond, c->tol.atol, c->tol.rtol, (long long)c->tol.ulp);
  if (!c->tol.given && c->b && rounding_only(c))
    mc_note(d, mc_noloc,
            "fp32 sums may be taken in another order: --atol=1e-4 --rtol=1e-4 allows that");
  return false;
}

static const char advice[] =
    "the two compute in other arithmetic, so no equality was asked for; --min-snr=DB, --atol= or "
    "--rtol= make this a check,\n"
    "and mcc -check holds an object, bit for bit, against the graph that it was made from\n";
static const char random_inputs[] =
    "the inputs are random numbers, which INT8 ranges are not made for: give samples with --data\n";

static void print_report(cmp *c, int64_t count, int64_t differ, int64_t beyond) {
  mc_strbuf s = { 0 };
  for (int i = 0; i < mc_network_nout(c->a); i++) print_diff(c, &s, i);
  mc_sb_printf(&s, "%s on %lld samples: %s and %s\n", verdict(c, differ, beyond), (long long)count,
               side(c, c->a, c->o->first), side(c, c->b, c->o->other));
  if (differ && !strict(c) && !(c->tol.min_snr > 0)) mc_sb_puts(&s, advice);
  if (differ && c->other_arithmetic && !c->f->data && !c->f->fixed) mc_sb_puts(&s, random_inputs);
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
}

static json_side json_of(const mc_network *n, const char *file) {
  if (!n) return (json_side){ file, "outputs", NULL };
  return (json_side){ file, mc_network_kind(n), arithmetic(n) };
}

static int report(cmp *c, int64_t count) {
  int64_t beyond = 0, differ = 0;
  for (int i = 0; i < mc_network_nout(c->a); i++)
    beyond += c->d[i].beyond, differ += c->d[i].differ;
  bool to_stdout = c->o->json && !*c->o->json;
  if (!to_stdout) print_report(c, count, differ, beyond);
  if (c->l && !to_stdout) layers_print(c->l);
  bool ok = judge(c, beyond);
  if (c->o->json)
    ok &= json_compare(c->t, c->o->json, json_of(c->a, c->o->first), json_of(c->b, c->o->other),
                       verdict(c, differ, beyond), count, c->a, c->d);
  return ok ? MC_EXIT_OK : MC_EXIT_INPUT;
}

/* Whether the two may differ by more than rounding; and which of them is the signal that the other
 * one approximates: expected outputs, else the one in fp32, else what the reference evaluates, else
 * the second. */
static void weigh(cmp *c) {
  mc_layers a = mc_network_layers(c->a), b = c->b ? mc_network_layers(c->b) : (mc_layers){ 0 };
  bool low_a = a.int8 || a.bf16, low_b = b.int8 || b.bf16, ref_a = mc_network_graph(c->a),
       ref_b = c->b && mc_network_graph(c->b);
  c->other_arithmetic = c->b && (a.int8 != b.int8 || a.bf16 != b.bf16);
  bool first = c->b && (low_a != low_b ? low_b : ref_a && !ref_b);
  for (int i = 0; i < mc_network_nout(c->a); i++) c->d[i].signal_a = first;
}

/* The first network's level is set already where it is compiled. */
static bool set_level(cmp *c) {
  const char *level = c->o->level;
  if (!level || (c->b && mc_network_graph(c->b) && !mc_network_graph(c->a)) ||
      (!c->b && !mc_network_graph(c->a)))
    return true;
  return mc_network_set_level(c->b ? c->b : c->a, level, &c->t->diag);
}

static bool set_threads(cmp *c) {
  if (!c->o->pool) return true;
  if (mc_network_graph(c->a) && (!c->b || mc_network_graph(c->b)))
    return mc_error(
        &c->t->diag, mc_noloc,
        "--threads=%d: the reference evaluator uses one thread; --jit compiles the first network",
        mcrt_pool_threads(c->o->pool));
  if (c->b) mc_network_set_parallel(c->b, mcrt_parallel_for, c->o->pool);
  return true;
}

static bool open_other(cmp *c) {
  const char *other = c->o->other;
  mc_diag *d = &c->t->diag;
  if (ends_with(other, ".npz") || ends_with(other, ".npy")) {
    if (c->o->layers) return mc_error(d, mc_noloc, "--layers needs two networks");
    return read_expected(c, other) && set_level(c) && set_threads(c);
  }
  c->b = mc_network_open_as(other, MC_HOW_REF, c->o->pool ? mcrt_pool_threads(c->o->pool) : 1,
                            c->f->other_args, d);
  if (!c->b || !same_interface(c, other) || !set_level(c) || !set_threads(c)) return false;
  c->out_b = room_out(c->t, c->b);
  if (!c->o->layers) return true;
  if (!mc_network_graph(c->a) || !mc_network_graph(c->b))
    return mc_error(d, mc_noloc, "--layers needs two networks that the reference evaluates");
  c->l = layers_create(c->t, c->a, c->b, c->tol);
  return true;
}

int compare(tool *t, mc_network *a, const feed *f, const compare_opts *o) {
  cmp c = { .t = t,
            .a = a,
            .f = f,
            .o = o,
            .tol = o->tol,
            .in = room_in(t, a),
            .out_a = room_out(t, a),
            .d = MC_NEWN(t->arena, diff, mc_network_nout(a)) };
  bool ok = open_other(&c);
  int64_t count = f->count;
  if (ok) weigh(&c);
  if (ok && !c.b && expected_samples(&c) < count) count = expected_samples(&c);
  progress p = progress_start("comparing");
  for (int64_t k = 0; ok && k < count; k += f->batch) {
    ok = run_pair(&c, k);
    if (ok) add_outputs(&c, k, count);
    progress_step(&p, k + 1, count);
  }
  progress_end(&p);
  int rc = ok ? report(&c, count) : MC_EXIT_INPUT;
  tool_drop_remarks(t);
  tool_flush(t); /* diagnostics point into the text that the network owns */
  mc_network_close(c.b);
  return rc;
}
