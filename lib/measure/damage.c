/* Damage: the samples of the last fold, from one product on. */
#include "columns.h"
#include "damage_kept.h"
#include "match.h"
#include <math.h>

/* ---- one product ---- */

static void drop_tail(mc_damage *d, int i) {
  if (!d->tail[i]->slice) return;
  mcm_slice_close(d->tail[i]->slice);
  d->tail[i]->slice = NULL;
  d->compiled -= d->tail[i]->bytes;
}

static void leave(mc_damage *d) {
  mcm_rows_free(d->own);
  d->own = NULL;
  d->at = -1;
  for (size_t i = 0; i < d->kept.n; i++) {
    mcm_rows_free(mcm_damage_rows(d, d->kept.v[i]));
    mcm_damage_set_rows(d, d->kept.v[i], NULL);
  }
  d->kept.n = 0;
}

void mc_damage_close(mc_damage *d) {
  leave(d);
  for (int i = 0; i < d->p.n; i++) drop_tail(d, i);
  mcm_parts_close(d->parts);
  for (int k = 0; d->reference && k < d->was.n; k++) mcm_rows_free(d->reference[k]);
  for (size_t i = 0; i < d->rows.n; i++) mcm_rows_free(d->rows.entries[i].val);
  if (d->g) mc_module_destroy(d->g->module);
  mcm_data_close(&d->data);
  mc_arena_destroy(d->a);
}

/* Compiled tails are a quarter of the memory at most, or this one alone; of a large network this
 * one alone. */
static bool compile_tail(mc_damage *d, int i) {
  mcm_tail *t = d->tail[i];
  int64_t most = mc_damage_large(d) ? 0 : d->memory / 4;
  if (t->slice) return !d->parts || mcm_parts_compile(d->parts, t->first, d->cx);
  for (int k = 0; k < d->p.n && d->compiled + t->bytes > most; k++) drop_tail(d, k);
  if (!mcm_tail_compile(t, d->cx, d->g, &d->p.v[i], d->a)) return false;
  if (t->slice) d->compiled += t->bytes;
  return true;
}

/* The product's own output, and its variance about the mean of each channel. */
static bool keep_own(mc_damage *d, int i, mc_arena *a) {
  const mc_product *p = &d->p.v[i];
  float *b, *w = mc_product_copy(p, a, &b);
  float *room = MC_NEWN(a, float, mcm_product_room(p));
  mcm_result r = { .v = p->node->out[0] };
  d->own = mcm_rows_new(&d->store, d->few, mc_type_bytes(r.v->type));
  for (int64_t k = 0; d->own && k < d->few; k++) {
    const float *x = mcm_rows_get(mcm_damage_rows(d, p->node->in[0]), k);
    if (!x) return false;
    mcm_product_run(p, x, w, b, mcm_rows_at(d->own, k), room);
    if (!mcm_rows_put(d->own, k)) return false;
  }
  return d->own && mcm_variance(&r, d->own, d->few, &d->own_variance, a);
}

static bool enter(mc_damage *d, int i) {
  if (d->at == i) return true;
  leave(d);
  mcm_values inner = { 0 };
  mcm_damage_reads(d, &inner, i);
  inner = mcm_damage_once(d, &inner);
  mc_arena *a = mc_arena_create();
  bool ok = mcm_damage_keep(d, &inner, d->few) && compile_tail(d, i) && keep_own(d, i, a);
  mc_arena_destroy(a);
  d->at = ok ? i : -1;
  return ok;
}

/* ---- distances ---- */

/* One run with the product's output y. */
typedef struct variant {
  float *y, *room;
  const void **in;
  void **out, ***part; /* of the tail, and of each part */
  const void **given;  /* of a part */
  mcm_apart apart;
  double local;
} variant;

static const void *among(const mcm_values *v, void *const *data, const mc_value *x) {
  for (size_t i = 0; i < v->n; i++)
    if (v->v[i] == x) return data[i];
  return NULL;
}

/* A value that parts read or give, in this run. NULL after reporting. */
static const void *value_of(mc_damage *d, const variant *v, const mc_value *x, int64_t run) {
  const mcm_tail *t = d->tail[d->at];
  if (x == d->p.v[d->at].node->out[0]) return v->y;
  const void *data = among(&t->want, v->out, x);
  for (int k = t->first; !data && k < t->parts->n; k++)
    data = among(&t->parts->v[k].want, v->part[k], x);
  return data ? data : mcm_rows_get(mcm_damage_rows(d, x), run);
}

static bool run_parts(mc_damage *d, variant *v, int64_t run) {
  const mcm_tail *t = d->tail[d->at];
  for (int k = t->first; t->parts && k < t->parts->n; k++) {
    const mcm_part *p = &t->parts->v[k];
    for (size_t i = 0; i < p->given.n; i++)
      if (!(v->given[i] = value_of(d, v, p->given.v[i], run))) return false;
    if (p->slice && !mcm_slice_run(p->slice, v->given, v->part[k])) return false;
  }
  return true;
}

static bool add_results(mc_damage *d, variant *v, int64_t run) {
  const mcm_tail *t = d->tail[d->at];
  for (int k = 0; k < d->r.n; k++) {
    const mcm_result *r = &d->was.v[k];
    const void *x = t->from[k] >= 0 ? v->out[t->from[k]] : v->y, *reference;
    if (t->from[k] == -2 && !(x = mcm_rows_get(mcm_damage_rows(d, d->r.v[k].v), run))) return false;
    if (t->from[k] == -3 && !(x = value_of(d, v, d->r.v[k].v, run))) return false;
    if (!(reference = mcm_rows_get(d->reference[k], run))) return false;
    mcm_apart_add(&v->apart, k, r, d->r.v[k].v->type, x, reference);
  }
  return true;
}

static bool run_variant(mc_damage *d, variant *v, const float *w, const float *b, int64_t run) {
  const mc_product *p = &d->p.v[d->at];
  const mcm_tail *t = d->tail[d->at];
  const float *x = mcm_rows_get(mcm_damage_rows(d, p->node->in[0]), run), *own;
  if (!x) return false;
  mcm_product_run(p, x, w, b, v->y, v->room);
  if (!(own = mcm_rows_get(d->own, run))) return false;
  for (int64_t i = 0; i < p->places * p->groups * p->o; i++) {
    double e = (double)v->y[i] - (double)own[i];
    v->local += e * e;
  }
  v->in[0] = v->y;
  for (size_t i = 0; i < t->side.n; i++)
    if (!(v->in[i + 1] = mcm_rows_get(mcm_damage_rows(d, t->side.v[i]), run))) return false;
  return (!t->slice || mcm_slice_run(t->slice, v->in, v->out)) && run_parts(d, v, run) &&
         add_results(d, v, run);
}

static void **buffers(const mcm_values *v, mc_arena *a) {
  void **to = MC_NEWN(a, void *, v->n + 1);
  for (size_t i = 0; i < v->n; i++)
    to[i] = mc_arena_alloc(a, (size_t)mc_type_bytes(v->v[i]->type) + 64);
  return to;
}

static variant start_variant(mc_damage *d, mc_arena *a) {
  const mcm_tail *t = d->tail[d->at];
  variant v = { .apart = mcm_apart_new(d->r.n, a) };
  v.y = mc_arena_alloc(a, (size_t)mc_type_bytes(d->p.v[d->at].node->out[0]->type) + 64);
  v.room = MC_NEWN(a, float, mcm_product_room(&d->p.v[d->at]));
  v.in = MC_NEWN(a, const void *, t->side.n + 1);
  v.out = buffers(&t->want, a);
  size_t most = 0;
  v.part = MC_NEWN(a, void **, (t->parts ? t->parts->n : 0) + 1);
  for (int k = t->first; t->parts && k < t->parts->n; k++) {
    v.part[k] = buffers(&t->parts->v[k].want, a);
    if (t->parts->v[k].given.n > most) most = t->parts->v[k].given.n;
  }
  v.given = MC_NEWN(a, const void *, most + 1);
  return v;
}

/* Rows of results against the reference. */
static bool compare(mc_damage *d, const mcm_results *r, mcm_rows *const *rows, mc_distance *out) {
  mc_arena *a = mc_arena_create();
  mcm_apart s = mcm_apart_new(r->n, a);
  bool ok = true;
  for (int64_t run = 0; ok && run < d->nrun; run++)
    for (int k = 0; ok && k < r->n; k++) {
      const void *x = mcm_rows_get(rows[k], run), *reference = mcm_rows_get(d->reference[k], run);
      ok = x && reference;
      if (ok) mcm_apart_add(&s, k, &d->was.v[k], r->v[k].v->type, x, reference);
    }
  mcm_apart_mean(&s, &d->was, d->variance, out);
  out->local = 0;
  mc_arena_destroy(a);
  return ok;
}

static bool as_it_is(mc_damage *d, mc_distance *out) {
  mcm_rows **rows = MC_NEWN(d->a, mcm_rows *, d->r.n + 1);
  for (int k = 0; k < d->r.n; k++) rows[k] = mcm_damage_rows(d, d->r.v[k].v);
  return compare(d, &d->r, rows, out);
}

bool mc_damage_of(mc_damage *d, int i, const float *weights, const float *bias, mc_distance *out) {
  if (!weights) return as_it_is(d, out);
  if (!enter(d, i)) return false;
  mc_arena *a = mc_arena_create();
  variant v = start_variant(d, a);
  bool ok = true;
  for (int64_t run = 0; ok && run < d->few; run++) ok = run_variant(d, &v, weights, bias, run);
  mcm_apart_mean(&v.apart, &d->was, d->some, out);
  out->local = v.local == 0 ? 0 : v.local / (d->own_variance > 0 ? d->own_variance : 1e-30);
  if (!isfinite(out->local)) out->local = INFINITY;
  mc_arena_destroy(a);
  return ok;
}

bool mc_damage_graph(mc_damage *d, const mc_graph *g, mc_distance *out) {
  mcm_results r = mcm_results_of(g, d->a);
  if (!mcm_same_inputs(g, d->g))
    return mc_error(d->cx->diag, d->cx->loc,
                    "%s: the changed graph has other inputs than the original", d->data.what);
  if (!mcm_damage_same_results(d, &r, "the changed graph")) return false;
  mc_value **v = MC_NEWN(d->a, mc_value *, r.n + 1);
  mcm_rows **rows = MC_NEWN(d->a, mcm_rows *, r.n + 1);
  for (int k = 0; k < r.n; k++) v[k] = r.v[k].v;
  bool ok = mcm_damage_compute(d, g, v, r.n, d->nrun, rows) && compare(d, &r, rows, out);
  for (int k = 0; k < r.n; k++) mcm_rows_free(rows[k]);
  return ok;
}
