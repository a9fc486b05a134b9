/* Two networks, or a network and stored outputs, on the same inputs. */
#include "run.h"
#include "common/progress.h"
#include <math.h>
#include <string.h>

typedef struct cmp {
  tool *t;
  mc_network *a, *b;                /* b NULL: expected outputs */
  mc_array *want; int64_t *per;     /* expected outputs: arrays of many samples, elements of one */
  const feed *f;
  tolerance tol;
  diff *d;                          /* one per output */
  void **in, **out_a, **out_b;
  layers *l;
} cmp;

static bool ends_with(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n >= m && strcmp(s + n - m, end) == 0;
}

/* ---- expected outputs ----------------------------------------------------------------------------------------------------- */
static bool take_expected(cmp *c, int i, const mc_npy *x, const char *path) {
  const mc_type *out = mc_network_out_type(c->a, i);
  mc_type *t = MC_NEW(c->t->arena, mc_type);
  t->dtype = x->dtype;
  t->rank = x->rank;
  int64_t elems = 1, per = mc_type_elems(out) / c->f->batch;
  for (int k = 0; k < x->rank; k++) elems *= t->dim[k] = x->dim[k];
  if (x->dtype == out->dtype) t->q = out->q;
  c->want[i] = (mc_array){ t, (void *)(uintptr_t)x->data };
  c->per[i] = per;
  if (elems % per || elems == 0) return mc_error(&c->t->diag, mc_noloc, "%s: array '%s' has %lld elements, not a multiple of %lld", path, x->name ? x->name : "", (long long)elems, (long long)per);
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
    if (n != 1) return mc_error(&c->t->diag, mc_noloc, "%s: the network has %d outputs; use an npz with one array for each", path, n);
    return mc_npy_read(path, &x, c->t->arena, &c->t->diag, mc_noloc) && take_expected(c, 0, &x, path);
  }
  mc_npz *z = mc_npz_open(path, &c->t->diag, mc_noloc);
  bool ok = z != NULL;
  for (int i = 0; ok && i < n; i++) {
    const char *name = mc_network_out_name(c->a, i);
    if (!has(z, name)) name = n == 1 && has(z, "out") ? "out" : n == 1 ? NULL : mc_npz_count(z) == n ? mc_npz_name(z, i) : name;   /* by name, else in order */
    ok = mc_npz_read(z, name, &x, c->t->arena, &c->t->diag, mc_noloc) && take_expected(c, i, &x, path);
  }
  if (z) mc_npz_close(z);
  return ok;
}

static int64_t expected_samples(const cmp *c) {
  int64_t n = INT64_MAX;
  for (int i = 0; i < mc_network_nout(c->a); i++) {
    int64_t have = mc_type_elems(c->want[i].type) / c->per[i];
    if (have < n) n = have;
  }
  return n;
}

/* ---- two networks --------------------------------------------------------------------------------------------------------- */
static bool same_interface(cmp *c, const char *other) {
  mc_diag *d = &c->t->diag;
  if (mc_network_nin(c->a) != mc_network_nin(c->b) || mc_network_nout(c->a) != mc_network_nout(c->b))
    return mc_error(d, mc_noloc, "%s: has %d inputs and %d outputs, the first network %d and %d", other, mc_network_nin(c->b), mc_network_nout(c->b), mc_network_nin(c->a), mc_network_nout(c->a));
  for (int i = 0; i < mc_network_nin(c->a); i++)
    if (mc_network_in_type(c->a, i)->dtype != mc_network_in_type(c->b, i)->dtype || mc_type_bytes(mc_network_in_type(c->a, i)) != mc_type_bytes(mc_network_in_type(c->b, i)))
      return mc_error(d, mc_noloc, "%s: input %d has another type than in the first network", other, i);
  for (int i = 0; i < mc_network_nout(c->a); i++)
    if (mc_type_elems(mc_network_out_type(c->a, i)) != mc_type_elems(mc_network_out_type(c->b, i)))
      return mc_error(d, mc_noloc, "%s: output %d has another shape than in the first network", other, i);
  return true;
}

static bool run_pair(cmp *c, int64_t k) {
  const void *const *in = (const void *const *)c->in;
  feed_fetch(c->f, k, c->in);
  if (c->l) return layers_run(c->l, in, c->out_a, c->out_b, k, &c->t->diag);
  if (!mc_network_run(c->a, in, c->out_a, &c->t->diag)) return false;
  return !c->b || mc_network_run(c->b, in, c->out_b, &c->t->diag);
}

static void add_outputs(cmp *c, int64_t k, int64_t count) {
  int64_t used = count - k < c->f->batch ? count - k : c->f->batch;
  for (int i = 0; i < mc_network_nout(c->a); i++) {
    const mc_type *ta = mc_network_out_type(c->a, i);
    mc_array a = { ta, c->out_a[i] }, b = c->b ? (mc_array){ mc_network_out_type(c->b, i), c->out_b[i] } : c->want[i];
    int64_t n = mc_type_elems(ta) / c->f->batch * used;
    diff_add(&c->d[i], &a, &b, 0, c->b ? 0 : k * c->per[i], n, k, c->tol);
  }
}

/* ---- report --------------------------------------------------------------------------------------------------------------- */
static int report(cmp *c, int64_t count, const char *other) {
  mc_strbuf s = {0};
  int64_t beyond = 0, differ = 0;
  for (int i = 0; i < mc_network_nout(c->a); i++) {
    const diff *d = &c->d[i];
    bool ints = !mc_dtype_is_float(mc_network_out_type(c->a, i)->dtype);
    mc_sb_printf(&s, "%s: ", mc_network_out_name(c->a, i));
    mc_type_print(&s, mc_network_out_type(c->a, i));
    mc_sb_printf(&s, " %lld of %lld elements differ", (long long)d->differ, (long long)d->n);
    if (d->differ) mc_sb_printf(&s, ", max abs %.3g%s, max rel %.3g", d->max_abs, ints ? " steps" : "", d->max_rel);
    if (d->differ && isfinite(d->max_ulp)) mc_sb_printf(&s, ", max ulp %.0f", d->max_ulp);
    if (d->differ) mc_sb_printf(&s, " (sample %lld), relative L2 %.3g", (long long)d->at, d->ref2 > 0 ? sqrt(d->err2 / d->ref2) : HUGE_VAL);
    mc_sb_putc(&s, '\n');
    beyond += d->beyond;
    differ += d->differ;
  }
  mc_sb_printf(&s, "%s on %lld samples: %s and %s\n", beyond ? "different" : differ ? "within the tolerance" : "equal", (long long)count, mc_network_kind(c->a), c->b ? mc_network_kind(c->b) : other);
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  if (c->l) layers_print(c->l);
  if (beyond) mc_error(&c->t->diag, mc_noloc, "%lld elements are beyond the tolerance (atol %g, rtol %g, ulp %lld)", (long long)beyond, c->tol.atol, c->tol.rtol, (long long)c->tol.ulp);
  return beyond ? MC_EXIT_INPUT : MC_EXIT_OK;
}

/* The first network's level is set already where it is compiled. */
static bool set_level(cmp *c, const char *level) {
  if (!level || (c->b && mc_network_graph(c->b) && !mc_network_graph(c->a)) || (!c->b && !mc_network_graph(c->a))) return true;
  return mc_network_set_level(c->b ? c->b : c->a, level, &c->t->diag);
}

static bool open_other(cmp *c, const char *other, const char *level, mcrt_pool *pool, bool layers_too) {
  if (ends_with(other, ".npz") || ends_with(other, ".npy")) {
    if (layers_too) return mc_error(&c->t->diag, mc_noloc, "--layers needs two networks");
    return read_expected(c, other) && set_level(c, level);
  }
  c->b = mc_network_open_as(other, MC_HOW_REF, pool ? mcrt_pool_threads(pool) : 1, c->f->other_args, &c->t->diag);
  if (c->b && pool) mc_network_set_parallel(c->b, mcrt_parallel_for, pool);
  if (!c->b || !same_interface(c, other) || !set_level(c, level)) return false;
  c->out_b = room_out(c->t, c->b);
  if (!layers_too) return true;
  if (!mc_network_graph(c->a) || !mc_network_graph(c->b)) return mc_error(&c->t->diag, mc_noloc, "--layers needs two networks that the reference evaluates");
  c->l = layers_create(c->t, c->a, c->b, c->tol);
  return true;
}

int compare(tool *t, mc_network *a, const char *other, const char *level, mcrt_pool *pool, const feed *f, tolerance tol, bool layers_too) {
  cmp c = { .t = t, .a = a, .f = f, .tol = tol, .in = room_in(t, a), .out_a = room_out(t, a), .d = MC_NEWN(t->arena, diff, mc_network_nout(a)) };
  bool ok = open_other(&c, other, level, pool, layers_too);
  int64_t count = f->count;
  if (ok && !c.b && expected_samples(&c) < count) count = expected_samples(&c);
  progress p = progress_start("comparing");
  for (int64_t k = 0; ok && k < count; k += f->batch) {
    ok = run_pair(&c, k);
    if (ok) add_outputs(&c, k, count);
    progress_step(&p, k + 1, count);
  }
  progress_end(&p);
  int rc = ok ? report(&c, count, other) : MC_EXIT_INPUT;
  tool_drop_remarks(t);
  tool_flush(t);                    /* diagnostics point into the text that the network owns */
  mc_network_close(c.b);
  return rc;
}
