/* Damage: which samples are held back, and what is kept of one run of the whole network: what each
 * product and the rest of the network read. Where that is more than the memory, what one product
 * needs is computed again when it is asked for. Of a large network a few of the samples do for one
 * product; whole graphs are run on all. */
#include "damage_kept.h"
#include "match.h"
#include <math.h>

enum { LEAST_RUNS = 8, PART = 3 }; /* PART: products of a compiled part */

static const double most_work = 3.2e10; /* multiplications of the whole network on the few */
static const double large_work = 1e9;   /* of one run of a large network */

/* ---- running a part of a network over the samples ---- */

mcm_rows *mcm_damage_rows(const mc_damage *d, const mc_value *v) {
  return mc_map_ptr_get(&d->rows, v);
}

void mcm_damage_set_rows(mc_damage *d, const mc_value *v, mcm_rows *r) {
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
bool mcm_damage_compute(mc_damage *d, const mc_graph *g, mc_value *const *v, int n, int64_t runs,
                        mcm_rows **out) {
  if (n == 0) return true;
  mcm_rows **in = MC_NEWN(d->a, mcm_rows *, g->nin + 1);
  for (int i = 0; i < g->nin; i++) in[i] = mcm_damage_rows(d, d->g->in[i]);
  for (int i = 0; i < n; i++)
    if (!(out[i] = mcm_rows_new(&d->store, runs, mc_type_bytes(v[i]->type)))) return false;
  mcm_slice *s = mcm_slice_open(d->cx, g, g->in, g->nin, v, n);
  bool ok = s && run_part(d, s, in, g->nin, out, n, runs);
  mcm_slice_close(s);
  return ok;
}

/* Values of the copy that have no rows yet. */
bool mcm_damage_keep(mc_damage *d, const mcm_values *v, int64_t runs) {
  mcm_values todo = { 0 };
  for (size_t i = 0; i < v->n; i++)
    if (!mcm_damage_rows(d, v->v[i])) MC_PUSH(d->a, &todo, v->v[i]);
  mcm_rows **out = MC_NEWN(d->a, mcm_rows *, todo.n + 1);
  bool ok = mcm_damage_compute(d, d->g, todo.v, (int)todo.n, runs, out);
  for (size_t i = 0; i < todo.n; i++) {
    mcm_damage_set_rows(d, todo.v[i], out[i]);
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
  int64_t few = n > (double)MCM_DAMAGE_RUNS ? MCM_DAMAGE_RUNS
                : n < (double)LEAST_RUNS    ? LEAST_RUNS
                                            : (int64_t)n;
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

/* Runs of the last fold, MCM_DAMAGE_RUNS of them at most, evenly; without any the last run. */
static void choose_runs(mc_damage *d) {
  int64_t n = d->data.runs / MC_FOLDS;
  d->nrun = n < 1 ? 1 : n < MCM_DAMAGE_RUNS ? n : MCM_DAMAGE_RUNS;
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
    mcm_damage_set_rows(d, d->g->in[i], r);
  }
  for (int64_t k = 0; k < d->nrun; k++) {
    for (int i = 0; i < d->g->nin; i++) to[i] = mcm_rows_at(mcm_damage_rows(d, d->g->in[i]), k);
    if (!mcm_data_fetch(&d->data, d->run[k], to)) return false;
    for (int i = 0; i < d->g->nin; i++)
      if (!mcm_rows_put(mcm_damage_rows(d, d->g->in[i]), k)) return false;
  }
  return true;
}

void mcm_damage_reads(mc_damage *d, mcm_values *to, int i) {
  mcm_tail *t = d->tail[i];
  mc_value *x = d->p.v[i].node->in[0];
  if (x->def) MC_PUSH(d->a, to, x);
  for (size_t k = 0; k < t->side.n; k++)
    if (t->side.v[k]->def) MC_PUSH(d->a, to, t->side.v[k]);
  for (size_t k = 0; k < t->more.n; k++)
    if (t->more.v[k]->def) MC_PUSH(d->a, to, t->more.v[k]);
}

/* Each once. */
mcm_values mcm_damage_once(mc_damage *d, const mcm_values *v) {
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
  for (int i = 0; i < d->p.n; i++) mcm_damage_reads(d, &inner, i);
  inner = mcm_damage_once(d, &inner);
  int64_t bytes = d->store.used;
  for (size_t i = 0; i < inner.n; i++) bytes += d->few * (mc_type_bytes(inner.v[i]->type) + 64);
  bool room = bytes <= d->memory, one = room && d->few == d->nrun;
  d->all = true; /* results stay in any case */
  bool ok = mcm_damage_keep(d, one ? &inner : &results, d->nrun) &&
            (one || !room || mcm_damage_keep(d, &inner, d->few));
  d->all = room;
  return ok;
}

bool mcm_damage_same_results(mc_damage *d, const mcm_results *r, const char *who) {
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
  if (!mcm_damage_same_results(d, &d->r, "this graph")) return false;
  d->reference = MC_NEWN(d->a, mcm_rows *, d->was.n + 1);
  d->variance = MC_NEWN(d->a, double, d->was.n + 1);
  d->some = MC_NEWN(d->a, double, d->was.n + 1);
  mc_value **v = MC_NEWN(d->a, mc_value *, d->was.n + 1);
  for (int k = 0; k < d->was.n; k++) {
    v[k] = d->was.v[k].v;
    if (!original) d->reference[k] = mcm_rows_share(mcm_damage_rows(d, v[k]));
  }
  if (original && !mcm_damage_compute(d, original, v, d->was.n, d->nrun, d->reference))
    return false;
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

static void find_tails(mc_damage *d, const mc_walk_opts *o) {
  int least = o->part ? o->part : mc_damage_large(d) ? PART : 0;
  if (least) d->parts = mcm_parts_of(d->g, &d->r, least, d->a);
  d->tail = MC_NEWN(d->a, mcm_tail *, d->p.n + 1);
  for (int i = 0; i < d->p.n; i++)
    d->tail[i] = mcm_tail_of(d->g, &d->p.v[i], &d->r, d->parts, d->a);
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
    find_tails(d, o);
    ok = ok && read_samples(d) && keep_inner(d) && refer(d, o->original) && check_reference(d);
  }
  if (ok) return d;
  mc_damage_close(d);
  return NULL;
}
