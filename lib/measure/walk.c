/* The walk: two networks advance to the product that is asked for, sample by sample, and the
 * columns of one and the outputs of the other are added up as they pass. */
#include "mc/measure/walk.h"
#include "columns.h"
#include "data.h"
#include "match.h"
#include "net.h"
#include "targets.h"
#include <stdlib.h>
#include <string.h>

/* Places for each column, and runs, from which half of them do for a trial. */
enum { ENOUGH = 64, MANY_RUNS = 1000 };

struct mc_walk {
  mc_pass_context *cx;
  mc_arena *a, *moments; /* moments: of the last product */
  const char *what;
  mcm_data data;
  mcm_store store;
  mc_products p;   /* of the pass's graph */
  mcm_net was, is; /* the original (not where targets are given), and the one that changes */
  const mc_targets *given;
  const int64_t *const *rows; /* by product: rows of the original; NULL: the same */
  unsigned folds;
  bool half;      /* of the places do, where there are enough */
  bool half_runs; /* every other run of each fold does */
  int64_t enough;
  mc_value **target; /* of the original: what product i should give; NULL: not there */
  int next;          /* products before it are done */
};

/* ---- opening ---- */

/* All samples, in rows that both networks share. */
static bool read_samples(mc_walk *w, mcm_rows **in) {
  const mc_graph *g = w->cx->graph;
  void **data = MC_NEWN(w->a, void *, g->nin);
  for (int i = 0; i < g->nin; i++) {
    in[i] = mcm_rows_new(&w->store, w->data.runs, mc_type_bytes(g->in[i]->type));
    if (!in[i]) return false;
  }
  for (int64_t r = 0; r < w->data.runs; r++) {
    for (int i = 0; i < g->nin; i++) data[i] = mcm_rows_at(in[i], r);
    if (!mcm_data_fetch(&w->data, r, data)) return false;
    for (int i = 0; i < g->nin; i++)
      if (!mcm_rows_put(in[i], r)) return false;
  }
  return true;
}

static bool open_networks(mc_walk *w, const mc_graph *original) {
  const mc_graph *g = w->cx->graph;
  if (original && !mcm_same_inputs(original, g))
    return mc_error(w->cx->diag, w->cx->loc, "%s: the original has other inputs than this graph",
                    w->what);
  mcm_rows **in = MC_NEWN(w->a, mcm_rows *, g->nin);
  bool ok = read_samples(w, in);
  if (ok && w->given) {
    mcm_net_open(&w->is, w->cx, g, &w->store, w->data.runs, in, w->a);
  } else if (ok) {
    mcm_net_open(&w->was, w->cx, original ? original : g, &w->store, w->data.runs, in, w->a);
    mcm_net_open(&w->is, w->cx, g, &w->store, w->data.runs, in, w->a);
    w->target = mcm_match(&w->was.p, &w->is.p, original && original != g, w->a);
    for (int i = 0; i < w->p.n; i++)
      if (w->target[i]) mcm_net_pin(&w->was, w->target[i]);
  }
  for (int i = 0; i < g->nin; i++) mcm_rows_free(in[i]);
  return ok;
}

static int64_t most_moments(const mc_products *p) {
  int64_t most = 0;
  for (int i = 0; i < p->n; i++)
    if (mc_moments_bytes(&p->v[i]) > most) most = mc_moments_bytes(&p->v[i]);
  return most;
}

mc_walk *mc_walk_open(mc_pass_context *cx, const mc_walk_opts *o) {
  mc_arena *a = mc_arena_create();
  mc_walk *w = MC_NEW(a, mc_walk);
  *w = (mc_walk){ .cx = cx, .a = a, .what = mcm_what(o), .given = o->targets, .rows = o->rows };
  w->half = o->half;
  w->enough = o->enough > 0 ? o->enough : ENOUGH;
  w->folds = o->folds ? o->folds : MC_ALL_FOLDS;
  w->p = mc_products_of(cx->graph, a);
  int64_t memory = mcm_memory(o) - (o->targets ? mcm_memory(o) / 4 : 0), most = most_moments(&w->p);
  w->store = (mcm_store){ cx, w->what, memory > most ? memory - most : 0, 0 };
  bool ok = mcm_data_open(&w->data, cx, o);
  if (ok && w->data.samples < o->few) w->folds = MC_ALL_FOLDS, w->half = false;
  if (w->half && w->given && w->data.runs >= MANY_RUNS) w->half = false, w->half_runs = true;
  if (ok) {
    mcm_warn_few(&w->data, &w->p, NULL);
    mcm_warn_memory(&w->data, &w->p, NULL, memory);
    ok = open_networks(w, o->original);
  }
  if (ok) return w;
  mc_walk_close(w);
  return NULL;
}

void mc_walk_close(mc_walk *w) {
  mcm_net_close(&w->was);
  mcm_net_close(&w->is);
  mcm_data_close(&w->data);
  mc_arena_destroy(w->moments);
  mc_arena_destroy(w->a);
}

const mc_products *mc_walk_products(const mc_walk *w) { return &w->p; }

int64_t mc_walk_samples(const mc_walk *w) { return w->data.samples; }

/* Rows of the original's product that row r of product i is. */
static int64_t row_of(const mc_walk *w, int i, int64_t r) {
  return w->rows && w->rows[i] ? w->rows[i][r] : r;
}

static bool given_fits(const mc_walk *w, int i) {
  const mc_product *p = &w->is.p.v[i];
  int64_t outs = p->groups * p->o;
  if (!mcm_targets_fit(w->given, i, p, w->data.runs)) return false;
  if (!w->rows || !w->rows[i]) return outs == mcm_targets_outs(w->given, i);
  for (int64_t r = 0; r < outs; r++)
    if (row_of(w, i, r) < 0 || row_of(w, i, r) >= mcm_targets_outs(w->given, i)) return false;
  return true;
}

bool mc_walk_has_target(const mc_walk *w, int i) {
  return w->given ? given_fits(w, i) : w->target[i] != NULL;
}

/* ---- moments ---- */

/* What one product's sums are made of. */
typedef struct reading {
  mcm_rows *x, *y, *more, *less;
} reading;

static reading reading_of(mc_walk *w, int i) {
  const mc_value *out = w->is.p.v[i].node->out[0];
  reading r = { .x = mcm_net_rows(&w->is, w->is.p.v[i].node->in[0]) };
  if (w->given || !w->target[i]) return r;
  r.y = mcm_net_rows(&w->was, w->target[i]);
  const mc_value *a = mcm_other_operand(w->target[i]), *b = mcm_other_operand(out);
  r.more = a ? mcm_net_rows(&w->was, a) : NULL;
  r.less = b ? mcm_net_rows(&w->is, b) : NULL;
  if (!r.more || !r.less) r.more = r.less = NULL;
  return r;
}

static bool get(mcm_rows *r, int64_t run, const float **x) {
  return !r || (*x = mcm_rows_get(r, run)) != NULL;
}

static bool add_run(mcm_sum *s, const reading *r, int64_t run, const int64_t *place, int64_t n) {
  const float *x = NULL, *y = NULL, *more = NULL, *less = NULL;
  if (!get(r->x, run, &x) || !get(r->y, run, &y) || !get(r->more, run, &more)) return false;
  if (!get(r->less, run, &less)) return false;
  mcm_sum_add(s, (int)(run % MC_FOLDS), x, y, more, less, place, n);
  return true;
}

static void say_progress(const mc_walk *w, int i, int64_t run) {
  int64_t runs = w->data.runs;
  if (w->cx->progress)
    w->cx->progress(w->cx->progress_ctx, w->what, i * runs + run + 1, w->p.n * runs);
}

/* Does run k count? */
static bool takes(const mc_walk *w, int64_t k) {
  return (w->folds >> k % MC_FOLDS & 1) && !(w->half_runs && k / MC_FOLDS % 2);
}

/* Both networks take their step for every sample, and the sums theirs. */
static bool run_samples(mc_walk *w, int i, mcm_sum *s, mc_arena *a) {
  const mc_product *p = &w->is.p.v[i];
  int64_t runs = w->data.runs, n = mcm_places_of(p, runs), *place = MC_NEWN(a, int64_t, n);
  reading r = reading_of(w, i);
  for (int64_t k = 0; k < runs; k++) {
    if (!takes(w, k)) continue;
    mcm_places((uint64_t)i + 1, k, p->places, n, place);
    if (!mcm_net_run(&w->was, k) || !mcm_net_run(&w->is, k)) return false;
    if (!add_run(s, &r, k, place, n)) return false;
    say_progress(w, i, k);
  }
  return true;
}

/* Row i of out: `y`'s, plus `more`'s less what is there now. Each is NULL or [n, outs]; of y and
 * more the rows of w->rows. */
static void targets_of(const mc_walk *w, int i, const float *y, const float *more,
                       const float *less, const int64_t *place, int64_t n, float *out) {
  int64_t outs = w->is.p.v[i].groups * w->is.p.v[i].o, all = mcm_targets_outs(w->given, i);
  for (int64_t k = 0; k < n; k++, y += all, more += more ? all : 0, out += outs)
    for (int64_t r = 0; r < outs; r++) {
      int64_t from = row_of(w, i, r);
      out[r] = more ? y[from] + (more[from] - less[place[k] * outs + r]) : y[from];
    }
}

/* Keeps every other place and row; how many there are then. */
static int64_t every_other(int64_t *place, float *row, int64_t n, int64_t outs) {
  int64_t m = 0;
  for (int64_t k = 0; k < n; k += 2, m++) {
    place[m] = place[k];
    if (k > m) memcpy(row + m * outs, row + k * outs, sizeof *row * (size_t)outs);
  }
  return m;
}

/* The same where the original's rows are there already. */
static bool run_given(mc_walk *w, int i, mcm_sum *s, mc_arena *a) {
  const mc_product *p = &w->is.p.v[i];
  int64_t n = mcm_targets_places(w->given, i), *place = MC_NEWN(a, int64_t, n);
  float *row = MC_NEWN(a, float, n * p->groups * p->o);
  const mc_value *o = mcm_other_operand(p->node->out[0]);
  reading r = { .x = mcm_net_rows(&w->is, p->node->in[0]), .y = mcm_targets_y(w->given, i) };
  r.more = mcm_targets_other(w->given, i);
  r.less = o ? mcm_net_rows(&w->is, o) : NULL;
  if (!r.more || !r.less) r.more = r.less = NULL;
  bool half = w->half && n * w->data.runs >= w->enough * p->d;
  for (int64_t k = 0; k < w->data.runs; k++) {
    const float *x = NULL, *y = NULL, *more = NULL, *less = NULL;
    if (!takes(w, k)) continue;
    mcm_places((uint64_t)i + 1, k, p->places, n, place);
    if (!mcm_net_run(&w->is, k) || !get(r.x, k, &x) || !get(r.y, k, &y)) return false;
    if (!get(r.more, k, &more) || !get(r.less, k, &less)) return false;
    targets_of(w, i, y, more, less, place, n, row);
    int64_t used = half ? every_other(place, row, n, p->groups * p->o) : n;
    mcm_sum_add_rows(s, (int)(k % MC_FOLDS), x, row, place, used);
    say_progress(w, i, k);
  }
  return true;
}

static bool step_networks(mc_walk *w, int i) {
  mc_value *t = w->given ? NULL : w->target[i];
  if (t && !mcm_net_step(&w->was, mcm_net_at(&w->was, t) + 1)) return false;
  return mcm_net_step(&w->is, mcm_net_at(&w->is, w->is.p.v[i].node->out[0]));
}

mc_moments *mc_walk_moments(mc_walk *w, int i) {
  mc_arena_destroy(w->moments);
  w->moments = mc_arena_create();
  return mc_walk_moments_in(w, i, w->moments);
}

mc_moments *mc_walk_moments_in(mc_walk *w, int i, mc_arena *a) {
  if (i < w->next || i >= w->p.n) {
    mc_error(w->cx->diag, w->cx->loc, "%s: moments are asked for out of order", w->what);
    return NULL;
  }
  w->next = i + 1;
  const mc_product *p = &w->is.p.v[i];
  mc_moments *m = mcm_moments_new(p, a);
  bool target = mc_walk_has_target(w, i);
  if (m->lambda && w->given && target && mcm_targets_lambda(w->given, i))
    m->lambda = mcm_targets_lambda(w->given, i);
  mc_arena *t = mc_arena_create();
  mcm_sum *s = mcm_sum_open(p, m, target, t);
  bool ran = step_networks(w, i) && (w->given && target ? run_given : run_samples)(w, i, s, t);
  bool fine = ran && mcm_sum_close(s);
  mc_arena_destroy(t);
  if (!ran) return NULL;
  if (target && !w->given) mcm_net_unpin(&w->was, w->target[i]);
  if (!target) mcm_sum_own(m, p); /* the product's own output, so that nothing would change */
  if (!w->given) mcm_net_stepped(&w->was);
  mcm_net_stepped(&w->is);
  if (fine) return m;
  mc_error(
      w->cx->diag, w->p.v[i].node->loc,
      "%s: layer '%s' reads or gives numbers that are not finite (or too large for fp32) on these "
      "samples",
      w->what, mc_layer_name(w->p.v[i].node));
  return NULL;
}

bool mc_walk_set(mc_walk *w, int i, const float *weights, const float *bias) {
  return mc_product_set(&w->p.v[i], weights, bias, w->cx->diag) &&
         mc_product_set(&w->is.p.v[i], weights, bias, w->cx->diag);
}
