/* Alternatives of each layer with what they cost and what they do. Forms are compared by their
 * error in the norm, which takes no samples to run; the best are fitted at seven ranks. The change
 * of the network's output is measured at two ranks of the best form, on the samples of the last
 * fold; it is taken to be a function of the layer's own error, which is known for all. */
#include "known.h"
#include "lowrank.h"
#include <math.h>
#include <string.h>

enum { LEVELS = 8, MOST_RANKS = 64, FORMS_MEASURED = 2 };

static const double near_best =
    1.3; /* errors up to so many times the best form's are measured, too */

/* A layer's groups, ready to be factored. */
typedef struct ready {
  const lr_layer *l;
  mc_factoring **p; /* [groups] */
  mc_centred *m;    /* [groups] */
  mc_centred *held; /* the same of the samples held back; NULL: none */
  double **w;       /* [groups] [o, d] */
  float *bias;      /* [groups * o] */
  double norm;
  mc_arena *a;
} ready;

static ready prepare(lowrank *z, const lr_layer *l, const mc_moments *m, mc_arena *a) {
  int64_t groups = l->p.groups, elems = l->p.o * l->p.d;
  ready r = { .l = l, .a = a };
  r.p = MC_NEWN(a, mc_factoring *, groups);
  r.m = MC_NEWN(a, mc_centred, groups);
  r.w = MC_NEWN(a, double *, groups);
  if (m && m->fold[MC_FOLDS - 1].n > 0 && l->p.d <= MC_WIDE)
    r.held = MC_NEWN(a, mc_centred, groups);
  const float *w = mc_product_copy(&l->p, a, &r.bias);
  for (int64_t g = 0; g < groups; g++) {
    r.w[g] = MC_NEWN(a, double, elems);
    for (int64_t i = 0; i < elems; i++) r.w[g][i] = (double)w[g * elems + i];
    if (m) r.m[g] = mc_moments_centred(m, MC_FOLDS_FIT, g, a);
    r.p[g] = mc_factoring_new(l->s, r.w[g], m && z->data_norm ? mc_lr_metric(&r.m[g]) : NULL, a);
    if (r.held) r.held[g] = mc_moments_centred(m, MC_FOLDS_ALL & ~MC_FOLDS_FIT, g, a);
    r.norm += mc_factoring_norm(r.p[g]);
  }
  return r;
}

/* Factor all groups; the dense weights and bias go to w and b (NULL: not asked for). Negative:
 * failed. */
static double error_of(const ready *r, const mc_form *f, int rounds, float *w, float *b) {
  const lr_layer *l = r->l;
  int64_t elems = l->p.o * l->p.d;
  double lost = 0;
  for (int64_t g = 0; g < l->p.groups; g++) {
    mc_arena *a = mc_arena_create();
    mc_factors x;
    bool ok = mc_factor_fit(r->p[g], f, rounds, &x, a);
    if (ok && w) {
      double *now = MC_NEWN(a, double, elems);
      mc_factors_dense(&x, l->s, now);
      for (int64_t i = 0; i < elems; i++) w[g * elems + i] = (float)now[i];
      for (int64_t o = 0; o < l->p.o; o++) {
        double shift = 0;
        for (int64_t c = 0; r->m[g].mx && c < l->p.d; c++)
          shift += (r->w[g][o * l->p.d + c] - now[o * l->p.d + c]) * r->m[g].mx[c];
        b[g * l->p.o + o] = r->bias[g * l->p.o + o] + (float)shift;
      }
    }
    lost += ok ? x.error * mc_factoring_norm(r->p[g]) : 0;
    mc_arena_destroy(a);
    if (!ok) return -1;
  }
  return r->norm > 0 ? lost / r->norm : 0;
}

/* What is worked out for a form is large: it goes when the arena does. */
static mc_arena *renew(const ready *r) {
  mc_arena *a = mc_arena_create();
  for (int64_t g = 0; g < r->l->p.groups; g++) mc_factoring_renew(r->p[g], a);
  return a;
}

/* ---- which forms ---- */

/* The mean of the logs of errors at a quarter, a half and three quarters of the MACs (more than
 * MC_WIDE columns: at a half); HUGE_VAL: the form saves nothing. NaN: failed. */
static double rate_with(lowrank *z, const ready *r, mc_form_kind k, int rounds) {
  double sum = 0;
  int n = 0;
  bool wide = r->l->p.d > MC_WIDE;
  for (int i = wide ? 2 : 1; i < (wide ? 3 : 4); i++) {
    mc_form f = mc_lr_form_at(z, r->l, k, 0.25 * i, r->p[0]);
    if (f.r < 1) continue;
    double e = error_of(r, &f, rounds, NULL, NULL);
    if (e < 0) return NAN;
    sum += log(e + 1e-6);
    n++;
  }
  return n ? sum / n : HUGE_VAL;
}

static double rate(lowrank *z, const ready *r, mc_form_kind k, int rounds) {
  mc_arena *a = renew(r);
  double x = rate_with(z, r, k, rounds);
  mc_arena_destroy(a);
  return x;
}

/* The forms that were best before the graph was pruned. */
static void pick_like(const lowrank *z, const lr_layer *l, mc_form_kind *kind, int *n) {
  const lr_layer *was = &z->like->l[l->index];
  unsigned forms = mc_lr_forms(z, l);
  for (size_t i = 1; i < was->alt.n; i++) {
    mc_form_kind k = was->alt.v[i].form.kind;
    if (forms >> k & 1) kind[(*n)++] = k;
    forms &= ~(1u << k);
  }
}

/* The forms to measure, best first. False: the numbers are not finite. */
static bool pick(lowrank *z, const ready *r, mc_form_kind *kind, int *n) {
  unsigned forms = mc_lr_forms(z, r->l);
  double score[MC_FORM_count_];
  *n = 0;
  if (z->like) {
    pick_like(z, r->l, kind, n);
    return true;
  }
  for (int k = MC_FORM_out; k < MC_FORM_count_; k++) {
    if (!(forms >> k & 1)) continue;
    bool taps = k == MC_FORM_rows || k == MC_FORM_cols;
    double s =
        (forms & (forms - 1)) ? rate(z, r, (mc_form_kind)k, 1 + (r->l->p.d <= MC_WIDE && taps)) : 0;
    if (isnan(s)) return false;
    if (s >= HUGE_VAL) continue;
    int i = (*n)++;
    for (; i > 0 && s < score[i - 1]; i--) score[i] = score[i - 1], kind[i] = kind[i - 1];
    score[i] = s, kind[i] = (mc_form_kind)k;
  }
  int keep = 0;
  while (keep < *n && keep < FORMS_MEASURED && score[keep] <= score[0] + log(near_best)) keep++;
  *n = keep;
  return true;
}

/* ---- measuring ---- */

typedef struct point {
  mc_form f;
  double damage, error;
} point;

/* The damage of an error like the one of this layer before pruning: alternatives of it with about
 * that error, in proportion. */
static double damage_like(const lowrank *z, int i, double error) {
  double near[2] = { 0, 0 }, all[2] = { 0, 0 };
  for (size_t k = 1; k < z->l[i].alt.n; k++) {
    const lr_alt *x = &z->l[i].alt.v[k];
    bool close = x->error > error / 2 && x->error < error * 2;
    all[0] += x->damage, all[1] += x->error;
    if (close) near[0] += x->damage, near[1] += x->error;
  }
  if (near[1] > 0) return error * near[0] / near[1];
  return all[1] > 0 ? error * all[0] / all[1] : error;
}

/* The layer's error on the samples held back, relative; too few samples to hold some back: as the
 * factors say. */
static double held_error(const ready *r, const float *w, const float *b, double factors) {
  const lr_layer *l = r->l;
  double lost = 0, all = 0, total;
  if (!r->held) return factors;
  for (int64_t g = 0; g < l->p.groups; g++) {
    lost += mc_fit_error(&r->held[g], w + g * l->p.o * l->p.d, b + g * l->p.o, &total);
    all += total;
  }
  return all > 0 ? lost / all : factors;
}

/* tail: the rest of the network is run, and the damage is measured; else it is NAN. */
static bool measure(lowrank *z, const ready *r, const mc_form *f, bool tail, point *out) {
  const lr_layer *l = r->l;
  mc_arena *a = mc_arena_create();
  float *w = MC_NEWN(a, float, l->p.groups * l->p.o * l->p.d),
        *b = MC_NEWN(a, float, l->p.groups * l->p.o);
  *out = (point){ .f = *f, .damage = NAN };
  double e = error_of(r, f, mc_lr_rounds(l, false), w, b);
  mc_distance x = { 0 };
  bool ok = e >= 0 && (!tail || mc_damage_of(z->damage, l->index, w, b, &x));
  if (ok) out->error = held_error(r, w, b, e);
  if (tail) out->damage = mc_distance_main(&x);
  mc_arena_destroy(a);
  return ok;
}

/* Damage and error do not fall when the rank falls. */
static void monotone(point *p, int n) {
  for (int i = n - 2; i >= 0; i--) {
    if (p[i].damage < p[i + 1].damage) p[i].damage = p[i + 1].damage;
    if (p[i].error < p[i + 1].error) p[i].error = p[i + 1].error;
  }
}

/* Alternatives from measured points, ranks ascending. */
static void add_points(lowrank *z, lr_layer *l, const point *p, int n) {
  if (!n) return;
  if (p[0].f.kind == MC_FORM_tucker2) {
    for (int i = 0; i < n; i++) mc_lr_add(z, l, &p[i].f, p[i].damage, p[i].error);
    return;
  }
  int count, k = 0;
  int64_t *rank = mc_lr_ranks(z, l, p[0].f.kind, MOST_RANKS, &count);
  for (int i = 0; i < count; i++) {
    if (rank[i] < p[0].f.r || rank[i] > p[n - 1].f.r) continue;
    while (k + 1 < n && p[k + 1].f.r <= rank[i]) k++;
    const point *a = &p[k], *b = &p[k + 1 < n ? k + 1 : k];
    double t = b->f.r > a->f.r ? (double)(rank[i] - a->f.r) / (double)(b->f.r - a->f.r) : 0;
    mc_form f = a->f;
    f.r = rank[i];
    mc_lr_add(z, l, &f, a->damage + t * (b->damage - a->damage),
              a->error + t * (b->error - a->error));
  }
}

static bool same_form(const mc_form *a, const mc_form *b) { return a->r == b->r && a->r2 == b->r2; }

/* ---- damage from errors ---- */

static void fill_damage(const lowrank *z, int layer, const mc_known *k, point *p, int n) {
  for (int i = 0; i < n; i++) {
    if (!z->measured)
      p[i].damage = p[i].error;
    else if (z->like)
      p[i].damage = damage_like(z->like, layer, p[i].error);
    else if (isnan(p[i].damage))
      p[i].damage = mc_known_damage(k, p[i].error);
  }
}

/* Eighths of the MACs at which a form is fitted; at two of them, for the best form, the damage is
 * measured (a large network: at one). */
static bool is_anchor(const lowrank *z, int eighth, int place) {
  if (!z->measured || z->like || place) return false;
  return eighth == 4 || (eighth == 2 && !mc_damage_large(z->damage));
}

static bool measure_form(lowrank *z, lr_layer *l, const ready *r, mc_form_kind kind, int place,
                         mc_known *k) {
  point p[LEVELS];
  bool wide = l->p.d > MC_WIDE || kind == MC_FORM_cp;
  int n = 0, step = wide || z->like ? 2 : 1;
  for (int i = wide ? step : 1; i < LEVELS; i += step) {
    mc_form f = mc_lr_form_at(z, l, kind, (double)i / (double)LEVELS, r->p[0]);
    bool tail = is_anchor(z, i, place);
    if (f.r < 1 || (n && same_form(&f, &p[n - 1].f))) continue;
    if (!measure(z, r, &f, tail, &p[n])) return false;
    if (tail) mc_known_add(k, p[n].error, p[n].damage);
    n++;
  }
  fill_damage(z, l->index, k, p, n);
  monotone(p, n);
  add_points(z, l, p, n);
  return true;
}

/* ---- fixed ranks: ratio=, energy= ---- */

static mc_form_kind usual(const lowrank *z, const lr_layer *l) {
  unsigned forms = mc_lr_forms(z, l);
  if (l->s.kh > 1 && l->s.kw > 1 && (forms >> MC_FORM_rows & 1)) return MC_FORM_rows;
  for (int k = MC_FORM_out; k < MC_FORM_count_; k++)
    if (forms >> k & 1) return (mc_form_kind)k;
  return MC_FORM_whole;
}

static int64_t upto(const lowrank *z, double rank, int64_t full) {
  int64_t r = (int64_t)ceil(rank - 1e-9);
  r = (r + z->align - 1) / z->align * z->align;
  return r < 1 ? 1 : r > full ? full : r;
}

/* The rank at which no group loses more than the share. NULL tail: -1. */
static int64_t rank_for_energy(const lowrank *z, const ready *r, mc_form_kind k, int64_t full) {
  int64_t best = 0;
  for (int64_t g = 0; g < r->l->p.groups; g++) {
    const double *tail = mc_factoring_tail(r->p[g], k);
    if (!tail) return -1;
    int64_t n = 0;
    while (n < full && 1 - tail[n] < z->o->energy) n++;
    if (n > best) best = n;
  }
  return upto(z, (double)best, full);
}

static bool add_fixed(lowrank *z, lr_layer *l, const ready *r) {
  mc_form f = { .kind = usual(z, l) };
  if (f.kind == MC_FORM_whole) return true;
  int64_t full = mc_form_full(f.kind, l->s);
  f = mc_lr_form_at(z, l, f.kind, 1, r->p[0]);
  f.r = z->o->ratio > 0 ? upto(z, z->o->ratio * (double)full, full)
                        : rank_for_energy(z, r, f.kind, full);
  if (f.r < 0) return false;
  if (f.kind == MC_FORM_tucker2)
    f.r2 = upto(z, z->o->ratio * (double)mc_form_full(MC_FORM_out, l->s),
                mc_form_full(MC_FORM_out, l->s));
  double cost[MC_NUM_BUDGETS];
  mc_lr_cost(z, l, &f, cost);
  if (cost[MC_BUDGET_macs] < l->alt.v[0].cost[MC_BUDGET_macs]) mc_lr_add(z, l, &f, 0, 0);
  return true;
}

/* ---- no samples: every rank from the singular values ---- */

static bool add_spectrum(lowrank *z, lr_layer *l, const ready *r, mc_form_kind k) {
  int count;
  int64_t *rank = mc_lr_ranks(z, l, k, 4 * MOST_RANKS, &count);
  for (int i = 0; i < count; i++) {
    mc_form f = mc_lr_form_at(z, l, k, 1, r->p[0]);
    f.r = rank[i];
    double lost = 0;
    for (int64_t g = 0; g < l->p.groups; g++) {
      const double *tail = mc_factoring_tail(r->p[g], k);
      if (!tail) return false;
      lost += tail[rank[i]] * mc_factoring_norm(r->p[g]);
    }
    mc_lr_add(z, l, &f, 0, r->norm > 0 ? lost / r->norm : 0);
  }
  return true;
}

/* ---- all layers ---- */

static bool has_spectrum(mc_form_kind k) { return k >= MC_FORM_out && k <= MC_FORM_cols; }

static bool fill(lowrank *z, lr_layer *l, const mc_moments *m) {
  mc_arena *a = mc_arena_create();
  ready r = prepare(z, l, m, a);
  mc_form_kind kind[MC_FORM_count_];
  mc_known k = { 0 };
  int n = 0;
  bool ok = isfinite(r.norm);
  if (ok && z->fixed)
    ok = add_fixed(z, l, &r);
  else if (ok)
    ok = pick(z, &r, kind, &n);
  for (int i = 0; ok && i < n; i++) {
    mc_arena *t = renew(&r);
    ok = m || !has_spectrum(kind[i]) ? measure_form(z, l, &r, kind[i], i, &k)
                                     : add_spectrum(z, l, &r, kind[i]);
    mc_arena_destroy(t);
  }
  mc_arena_destroy(a);
  if (ok || z->cx->diag->errors) return ok;
  return mc_error(z->cx->diag, l->p.node->loc,
                  "lowrank-svd: this layer cannot be factored: its weights or what it reads hold "
                  "no finite numbers, or what it reads does not vary");
}

typedef struct seer {
  lowrank *z;
  int done;
} seer;

static bool see(void *ctx, int i, mc_moments *m) {
  seer *s = ctx;
  if (!fill(s->z, &s->z->l[i], m)) return false;
  if (s->z->cx->progress)
    s->z->cx->progress(s->z->cx->progress_ctx, "lowrank-svd", ++s->done, s->z->products.n);
  return true;
}

static bool with_samples(lowrank *z) {
  bool *want = MC_NEWN(z->cx->scratch, bool, z->products.n + 1), any = false;
  for (int i = 0; i < z->products.n; i++)
    any |= want[i] = z->l[i].can && (!z->fixed || z->o->energy > 0);
  for (int i = 0; i < z->products.n; i++)
    if (z->l[i].can && !want[i] && !fill(z, &z->l[i], NULL)) return false;
  seer s = { .z = z };
  for (int i = 0; z->moments && i < z->products.n; i++)
    if (want[i] && !see(&s, i, z->moments[i])) return false;
  mc_walk_opts walk = z->walk;
  if (!z->rows) walk.targets = z->targets;
  return !any || z->moments || mc_moments_each(z->cx, &walk, &z->products, want, see, &s);
}

bool mc_lr_table(lowrank *z) {
  if (z->samples) return with_samples(z);
  for (int i = 0; i < z->products.n; i++)
    if (z->l[i].can && !fill(z, &z->l[i], NULL)) return false;
  return true;
}
