/* Damage: the samples of the last fold, from one product on. What the product and the rest of the
 * network read is kept from one run of the whole network; where that is more than the memory, what
 * one product needs is computed again when it is asked for. Of a large network a few of the samples
 * do for one product; whole graphs are run on all. */
#include "mc/measure/damage.h"
#include "columns.h"
#include "data.h"
#include "match.h"
#include "results.h"
#include "tail.h"
#include <math.h>
#include <string.h>

enum { MOST_RUNS = 256, LEAST_RUNS = 8 };
static const double most_work = 3.2e10; /* multiplications of the whole network on the few */
static const double large_work = 1e9;   /* of one run of a large network */

struct mc_damage {
  mc_pass_context *cx;
  mc_arena *a;
  mcm_data data;
  mcm_store store;
  int64_t memory, run[MOST_RUNS], nrun, few; /* few: the first of them, for one product */
  mc_graph *g; /* a copy of the pass's graph; products have no clamps */
  mc_products p;
  mcm_results r, was;   /* results of the copy and of the original */
  mcm_rows **reference; /* the original's results */
  double *variance, *some; /* of these, summed; on the few */
  mc_map rows;          /* value of the copy -> mcm_rows */
  mcm_values kept;      /* values of the present product alone, when not all are kept */
  bool all;             /* what every product needs is in `rows` */
  mcm_tail **tail;
  int64_t compiled; /* bytes of constants in compiled tails */
  int at;           /* the present product, or -1 */
  mcm_rows *own;
  double own_variance; /* what it gives with its own weights */
};

/* ---- running a part of a network over the samples ---- */

static mcm_rows *rows_of(const mc_damage *d, const mc_value *v) {
  return mc_map_ptr_get(&d->rows, v);
}

static void set_rows(mc_damage *d, const mc_value *v, mcm_rows *r) {
  *mc_map_ptr_slot(&d->rows, v) = r;
}

static bool run_part(mc_damage *d, mcm_slice *s, mcm_rows **in, int nin, mcm_rows **out, int nout,
                     int64_t runs) {
  const void **from = MC_NEWN(d->a, const void *, nin + 1);
  void **to = MC_NEWN(d->a, void *, nout + 1);
  for (int64_t k = 0; k < runs; k++) {
    for (int i = 0; i < nin; i++)
      if (!(from[i] = mcm_rows_get(in[i], k))) return false;
    for (int i = 0; i < nout; i++) to[i] = mcm_rows_at(out[i], k);
    if (!mcm_slice_run(s, from, to)) return false;
    for (int i = 0; i < nout; i++)
      if (!mcm_rows_put(out[i], k)) return false;
    if (d->cx->progress) d->cx->progress(d->cx->progress_ctx, d->data.what, k + 1, runs);
  }
  return true;
}

/* Values of graph g in so many runs, from its inputs; rows of the inputs are those of the copy. */
static bool compute(mc_damage *d, const mc_graph *g, mc_value *const *v, int n, int64_t runs,
                    mcm_rows **out) {
  if (n == 0) return true;
  mcm_rows **in = MC_NEWN(d->a, mcm_rows *, g->nin + 1);
  for (int i = 0; i < g->nin; i++) in[i] = rows_of(d, d->g->in[i]);
  for (int i = 0; i < n; i++)
    if (!(out[i] = mcm_rows_new(&d->store, runs, mc_type_bytes(v[i]->type)))) return false;
  mcm_slice *s = mcm_slice_open(d->cx, g, g->in, g->nin, v, n);
  bool ok = s && run_part(d, s, in, g->nin, out, n, runs);
  mcm_slice_close(s);
  return ok;
}

/* Values of the copy that have no rows yet. */
static bool keep(mc_damage *d, const mcm_values *v, int64_t runs) {
  mcm_values todo = { 0 };
  for (size_t i = 0; i < v->n; i++)
    if (!rows_of(d, v->v[i])) MC_PUSH(d->a, &todo, v->v[i]);
  mcm_rows **out = MC_NEWN(d->a, mcm_rows *, todo.n + 1);
  bool ok = compute(d, d->g, todo.v, (int)todo.n, runs, out);
  for (size_t i = 0; i < todo.n; i++) {
    set_rows(d, todo.v[i], out[i]);
    if (!d->all) MC_PUSH(d->a, &d->kept, todo.v[i]);
  }
  return ok;
}

/* ---- opening ---- */

static double work_of(const mc_products *p) {
  double n = 0;
  for (int i = 0; i < p->n; i++)
    n += (double)p->v[i].places * (double)(p->v[i].groups * p->v[i].o * p->v[i].d);
  return n;
}

bool mc_damage_large(const mc_damage *d) { return work_of(&d->p) > large_work; }

static void tell_few(const mc_damage *d) {
  if (d->few == d->nrun) return;
  mc_remark(d->cx->diag, d->cx->loc,
            "%s: a large network: what one layer does to the output is measured on %lld of the "
            "%lld samples held back",
            d->data.what, (long long)d->few, (long long)d->nrun);
}

int64_t mc_damage_few(int64_t runs, double work) {
  double n = most_work / (work + 1);
  int64_t few = n > MOST_RUNS ? MOST_RUNS : n < LEAST_RUNS ? LEAST_RUNS : (int64_t)n;
  return few < runs ? few : runs;
}

/* The few come first: evenly from all. */
static void choose_few(mc_damage *d) {
  d->few = mc_damage_few(d->nrun, work_of(&d->p));
  for (int64_t i = 0; i < d->few; i++) {
    int64_t from = i * d->nrun / d->few, run = d->run[from];
    for (; from > i; from--) d->run[from] = d->run[from - 1];
    d->run[i] = run;
  }
  tell_few(d);
}

/* Runs of the last fold, MOST_RUNS of them at most, evenly; without any the last run. */
static void choose_runs(mc_damage *d) {
  int64_t n = d->data.runs / MC_FOLDS;
  d->nrun = n < 1 ? 1 : n < MOST_RUNS ? n : MOST_RUNS;
  for (int64_t i = 0; i < d->nrun; i++) {
    d->run[i] = n < 1 ? d->data.runs - 1 : i * n / d->nrun * MC_FOLDS + MC_FOLDS - 1;
  }
  if (n < 1)
    mc_warning(
        d->cx->diag, d->cx->loc,
        "%s: %lld samples are too few to hold some back: how far outputs move is judged on one "
        "that the fits have seen; give 4 or more",
        d->data.what, (long long)d->data.samples);
  choose_few(d);
}

static bool read_samples(mc_damage *d) {
  void **to = MC_NEWN(d->a, void *, d->g->nin);
  for (int i = 0; i < d->g->nin; i++) {
    mcm_rows *r = mcm_rows_new(&d->store, d->nrun, mc_type_bytes(d->g->in[i]->type));
    if (!r) return false;
    set_rows(d, d->g->in[i], r);
  }
  for (int64_t k = 0; k < d->nrun; k++) {
    for (int i = 0; i < d->g->nin; i++) to[i] = mcm_rows_at(rows_of(d, d->g->in[i]), k);
    if (!mcm_data_fetch(&d->data, d->run[k], to)) return false;
    for (int i = 0; i < d->g->nin; i++)
      if (!mcm_rows_put(rows_of(d, d->g->in[i]), k)) return false;
  }
  return true;
}

static void add_inner(mc_damage *d, mcm_values *to, int i) {
  mcm_tail *t = d->tail[i];
  mc_value *x = d->p.v[i].node->in[0];
  if (x->def) MC_PUSH(d->a, to, x);
  for (size_t k = 0; k < t->side.n; k++)
    if (t->side.v[k]->def) MC_PUSH(d->a, to, t->side.v[k]);
}

/* Each once. */
static mcm_values once(mc_damage *d, const mcm_values *v) {
  mcm_values to = { 0 };
  mc_map seen;
  mc_map_init(&seen, d->a);
  for (size_t i = 0; i < v->n; i++) {
    void **slot = mc_map_ptr_slot(&seen, v->v[i]);
    if (!*slot) MC_PUSH(d->a, &to, v->v[i]);
    *slot = v->v[i];
  }
  return to;
}

/* Results, and what all products need if there is room for it. */
static bool keep_inner(mc_damage *d) {
  mcm_values inner = { 0 }, results = { 0 };
  for (int k = 0; k < d->r.n; k++) {
    MC_PUSH(d->a, &inner, d->r.v[k].v);
    MC_PUSH(d->a, &results, d->r.v[k].v);
  }
  for (int i = 0; i < d->p.n; i++) add_inner(d, &inner, i);
  inner = once(d, &inner);
  int64_t bytes = d->store.used;
  for (size_t i = 0; i < inner.n; i++) bytes += d->few * (mc_type_bytes(inner.v[i]->type) + 64);
  bool room = bytes <= d->memory, one = room && d->few == d->nrun;
  d->all = true; /* results stay in any case */
  bool ok = keep(d, one ? &inner : &results, d->nrun) && (one || !room || keep(d, &inner, d->few));
  d->all = room;
  return ok;
}

static bool same_results(mc_damage *d, const mcm_results *r, const char *who) {
  bool same = r->n == d->was.n;
  for (int k = 0; same && k < r->n; k++)
    same = mc_type_same_shape(r->v[k].v->type, d->was.v[k].v->type);
  return same || mc_error(d->cx->diag, d->cx->loc, "%s: %s has other results than the original",
                          d->data.what, who);
}

/* The original's results: the pass's own graph, or another one. */
static bool refer(mc_damage *d, const mc_graph *original) {
  if (!original)
    d->was = d->r;
  else if (!mcm_same_inputs(original, d->g))
    return mc_error(d->cx->diag, d->cx->loc, "%s: the original has other inputs than this graph",
                    d->data.what);
  else
    d->was = mcm_results_of(original, d->a);
  if (!same_results(d, &d->r, "this graph")) return false;
  d->reference = MC_NEWN(d->a, mcm_rows *, d->was.n + 1);
  d->variance = MC_NEWN(d->a, double, d->was.n + 1);
  d->some = MC_NEWN(d->a, double, d->was.n + 1);
  mc_value **v = MC_NEWN(d->a, mc_value *, d->was.n + 1);
  for (int k = 0; k < d->was.n; k++) {
    v[k] = d->was.v[k].v;
    if (!original) d->reference[k] = mcm_rows_share(rows_of(d, v[k]));
  }
  if (original && !compute(d, original, v, d->was.n, d->nrun, d->reference)) return false;
  for (int k = 0; k < d->was.n; k++)
    if (!mcm_variance(&d->was.v[k], d->reference[k], d->nrun, &d->variance[k], d->a) ||
        !mcm_variance(&d->was.v[k], d->reference[k], d->few, &d->some[k], d->a))
      return false;
  return true;
}

static bool check_reference(const mc_damage *d) {
  for (int k = 0; k < d->was.n; k++)
    if (!isfinite(d->variance[k]))
      return mc_error(d->cx->diag, d->cx->loc,
                      "%s: result %d of the original is not finite on these samples", d->data.what,
                      k);
  return d->was.n > 0 ||
         mc_error(d->cx->diag, d->cx->loc, "%s: the graph computes no results", d->data.what);
}

mc_damage *mc_damage_open(mc_pass_context *cx, const mc_walk_opts *o) {
  mc_arena *a = mc_arena_create();
  mc_damage *d = MC_NEW(a, mc_damage);
  *d = (mc_damage){ .cx = cx, .a = a, .at = -1, .memory = mcm_memory(o) };
  d->store = (mcm_store){ cx, mcm_what(o), d->memory, 0 };
  mc_map_init(&d->rows, a);
  bool ok = mcm_data_open(&d->data, cx, o);
  if (ok) {
    d->g = mcm_graph_copy(cx->graph, NULL);
    ok = mcm_unclamp(d->g, cx->diag);
    d->p = mc_products_of(d->g, a);
    choose_runs(d);
    d->r = mcm_results_of(d->g, a);
    d->tail = MC_NEWN(a, mcm_tail *, d->p.n + 1);
    for (int i = 0; i < d->p.n; i++) d->tail[i] = mcm_tail_of(d->g, &d->p.v[i], &d->r, a);
    ok = ok && read_samples(d) && keep_inner(d) && refer(d, o->original) && check_reference(d);
  }
  if (ok) return d;
  mc_damage_close(d);
  return NULL;
}

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
    mcm_rows_free(rows_of(d, d->kept.v[i]));
    set_rows(d, d->kept.v[i], NULL);
  }
  d->kept.n = 0;
}

void mc_damage_close(mc_damage *d) {
  leave(d);
  for (int i = 0; i < d->p.n; i++) drop_tail(d, i);
  for (int k = 0; d->reference && k < d->was.n; k++) mcm_rows_free(d->reference[k]);
  for (size_t i = 0; i < d->rows.n; i++) mcm_rows_free(d->rows.entries[i].val);
  if (d->g) mc_module_destroy(d->g->module);
  mcm_data_close(&d->data);
  mc_arena_destroy(d->a);
}

/* Compiled tails are a quarter of the memory at most, or this one alone; of a large network this one
 * alone. */
static bool compile_tail(mc_damage *d, int i) {
  mcm_tail *t = d->tail[i];
  int64_t most = mc_damage_large(d) ? 0 : d->memory / 4;
  if (t->slice) return true;
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
    const float *x = mcm_rows_get(rows_of(d, p->node->in[0]), k);
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
  add_inner(d, &inner, i);
  inner = once(d, &inner);
  mc_arena *a = mc_arena_create();
  bool ok = keep(d, &inner, d->few) && compile_tail(d, i) && keep_own(d, i, a);
  mc_arena_destroy(a);
  d->at = ok ? i : -1;
  return ok;
}

/* ---- distances ---- */

/* One run with the product's output y. */
typedef struct variant {
  float *y, *room;
  const void **in;
  void **out;
  mcm_apart apart;
  double local;
} variant;

static bool add_results(mc_damage *d, variant *v, int64_t run) {
  const mcm_tail *t = d->tail[d->at];
  for (int k = 0; k < d->r.n; k++) {
    const mcm_result *r = &d->was.v[k];
    const void *x = t->from[k] >= 0 ? v->out[t->from[k]] : v->y, *reference;
    if (t->from[k] == -2 && !(x = mcm_rows_get(rows_of(d, d->r.v[k].v), run))) return false;
    if (!(reference = mcm_rows_get(d->reference[k], run))) return false;
    mcm_apart_add(&v->apart, k, r, d->r.v[k].v->type, x, reference);
  }
  return true;
}

static bool run_variant(mc_damage *d, variant *v, const float *w, const float *b, int64_t run) {
  const mc_product *p = &d->p.v[d->at];
  const mcm_tail *t = d->tail[d->at];
  const float *x = mcm_rows_get(rows_of(d, p->node->in[0]), run), *own;
  if (!x) return false;
  mcm_product_run(p, x, w, b, v->y, v->room);
  if (!(own = mcm_rows_get(d->own, run))) return false;
  for (int64_t i = 0; i < p->places * p->groups * p->o; i++) {
    double e = (double)v->y[i] - (double)own[i];
    v->local += e * e;
  }
  v->in[0] = v->y;
  for (size_t i = 0; i < t->side.n; i++)
    if (!(v->in[i + 1] = mcm_rows_get(rows_of(d, t->side.v[i]), run))) return false;
  return (!t->slice || mcm_slice_run(t->slice, v->in, v->out)) && add_results(d, v, run);
}

static variant start_variant(mc_damage *d, mc_arena *a) {
  const mcm_tail *t = d->tail[d->at];
  variant v = { .apart = mcm_apart_new(d->r.n, a) };
  v.y = mc_arena_alloc(a, (size_t)mc_type_bytes(d->p.v[d->at].node->out[0]->type) + 64);
  v.room = MC_NEWN(a, float, mcm_product_room(&d->p.v[d->at]));
  v.in = MC_NEWN(a, const void *, t->side.n + 1);
  v.out = MC_NEWN(a, void *, t->want.n + 1);
  for (size_t k = 0; k < t->want.n; k++)
    v.out[k] = mc_arena_alloc(a, (size_t)mc_type_bytes(t->want.v[k]->type) + 64);
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
  for (int k = 0; k < d->r.n; k++) rows[k] = rows_of(d, d->r.v[k].v);
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
  if (!same_results(d, &r, "the changed graph")) return false;
  mc_value **v = MC_NEWN(d->a, mc_value *, r.n + 1);
  mcm_rows **rows = MC_NEWN(d->a, mcm_rows *, r.n + 1);
  for (int k = 0; k < r.n; k++) v[k] = r.v[k].v;
  bool ok = compute(d, g, v, r.n, d->nrun, rows) && compare(d, &r, rows, out);
  for (int k = 0; k < r.n; k++) mcm_rows_free(rows[k]);
  return ok;
}
