/* Measuring blocks in place: the whole network is compiled once with the model's blocks and once
 * for each further candidate (the k-th of every group at once), the two run in turns, and every
 * group is timed where it is, with the caches as its neighbours leave them. Groups with the
 * same key count together. */
#include "tune.h"
#include "mc/support/clock.h"
#include "mc/driver/options.h"
#include "mc/plan/decisions.h"
#include "mc/pass/samples.h"
#include <string.h>

enum { CANDIDATES = 8, MIN_ROUNDS = 8, MAX_ROUNDS = 24 };

static const double turn_us = 2000, session_us = 400000; /* a turn of one variant; all turns of a
                                                            pair, unless MIN_ROUNDS take longer */
static const double worth = 0.98; /* of the time of the model's block, or it stays */
static const double least_gain_us =
    0.03; /* of all groups with the key together: what the clock can tell */
static const double hopeless = 1.6; /* of the model's best estimate: not measured */

/* One distinct key: its candidates and how they fared, relative to the first. */
typedef struct problem {
  const char *key;
  mc_blocking *cand;
  int n;
  double ratio[CANDIDATES], base_us;
  bool known;
  tune_entry chosen;
} problem;

typedef struct tuner {
  mc_plan *plan;
  const mc_compile_opts *o;
  mc_arena *arena;
  mc_diag *diag;
  int *problem_of; /* per group: number, -1: nothing to choose */
  problem *p;
  int n, open; /* open: not in the cache */
  tune_cache cache;
  void *inputs, **in, **out, *run_arena;
} tuner;

/* ---- what there is to choose ---- */

static const char *target_key(const mc_target *t, mc_arena *a) {
  const char *s = mc_arena_printf(a, "mcc %s, %s", mc_version(), t->machine->name);
  for (int i = 0; i < MC_NUM_ISA; i++)
    if (t->isa >> i & 1) s = mc_arena_printf(a, "%s %s", s, mc_isa_name(i));
  return s;
}

/* The first candidate is the model's; what the model holds for hopeless is left out. */
static problem problem_for(tuner *t, const char *key, const mc_choices *c) {
  problem p = { .key = key, .cand = c->v };
  while (p.n < c->n && p.n < CANDIDATES &&
         c->v[p.n].estimate.cycles <= hopeless * c->v[0].estimate.cycles)
    p.n++;
  const tune_entry *e = tune_cache_find(&t->cache, key);
  for (int i = 0; e && i < c->n && !p.known; i++)
    p.known = c->v[i].rows == e->rows && c->v[i].vectors == e->vectors;
  if (p.known)
    p.chosen = *e;
  else if (e)
    mc_warning(t->diag, mc_noloc,
               "%s: a block of %d x %d is not possible for '%s'; measuring again", t->o->tune,
               e->rows, e->vectors * 16, key);
  return p;
}

static void find_problems(tuner *t) {
  mc_map seen;
  mc_map_init(&seen, t->arena);
  const char *target = target_key(t->plan->target, t->arena);
  t->problem_of = MC_NEWN(t->arena, int, t->plan->ngroup + 1);
  t->p = MC_NEWN(t->arena, problem, t->plan->ngroup + 1);
  for (int i = 0; i < t->plan->ngroup; i++) {
    mc_attrs_group *at = MC_ATTRS(t->plan->group[i], group);
    t->problem_of[i] = -1;
    if (at->blocking.n) continue; /* the text has decided */
    mc_choices c = mc_plan_choices(t->plan, i, t->arena);
    if (c.n < 2) continue;
    const char *key = mc_arena_printf(t->arena, "%s: %s", target, c.key);
    void **slot = mc_map_str_slot(&seen, key);
    if (!*slot) {
      t->p[t->n] = problem_for(t, key, &c);
      t->open += !t->p[t->n].known;
      *slot = (void *)(intptr_t)++t->n;
    }
    t->problem_of[i] = (int)(intptr_t)*slot - 1;
  }
}

/* ---- running ---- */

static double now_us(void) { return 1e6 * mc_seconds(); }

/* Times of groups in one run, and the least of many. */
typedef struct stopwatch {
  double at, *least;
} stopwatch;

static void mark(void *ctx, int i) {
  stopwatch *c = ctx;
  double t = now_us();
  if (i > 0 && t - c->at < c->least[i - 1]) c->least[i - 1] = t - c->at;
  c->at = now_us();
}

static bool make_arrays(tuner *t, const mc_jit *j) {
  int nin = mc_jit_nin(j), nout = mc_jit_nout(j);
  t->in = MC_NEWN(t->arena, void *, nin + 1);
  t->out = MC_NEWN(t->arena, void *, nout + 1);
  for (int i = 0; i < nin; i++) {
    t->in[i] = mc_arena_alloc(t->arena, (size_t)mc_type_bytes(mc_jit_in_type(j, i)));
    mc_random_fill(t->plan->graph->in[i], 1, t->in[i]);
  }
  for (int i = 0; i < nout; i++)
    t->out[i] = mc_arena_alloc(t->arena, (size_t)mc_type_bytes(mc_jit_out_type(j, i)));
  char *raw = mc_arena_alloc(t->arena, (size_t)mc_jit_arena_bytes(j) + 64);
  t->run_arena = raw + (64 - (uintptr_t)raw % 64) % 64;
  return true;
}

static mc_jit *compile_variant(tuner *t, int k) {
  mc_plan one = *t->plan;
  one.next = NULL;
  one.threads = 1;
  for (int i = 0; i < one.ngroup; i++) {
    if (t->problem_of[i] < 0) continue;
    const problem *p = &t->p[t->problem_of[i]];
    const mc_blocking *b = &p->cand[!p->known && k < p->n ? k : 0];
    mc_ints *at = &MC_ATTRS(one.group[i], group)->blocking;
    *at = (mc_ints){ MC_NEWN(t->arena, int64_t, 2), 2 };
    at->v[0] = b->rows;
    at->v[1] = b->vectors;
  }
  mc_codegen_opts co = {
    .target = one.target, .prefix = "tune", .opt_level = t->o->opt_level, .watch = true
  };
  return mc_jit_create(&one, &co, t->diag);
}

/* A turn: one run that brings code and weights into the caches, then some that count. */
static void turn(tuner *t, mc_jit *j, stopwatch *c, int runs) {
  stopwatch none = { .least = MC_NEWN(t->arena, double, t->plan->ngroup + 1) };
  mc_jit_watch(j, (const void *const *)t->in, t->out, t->run_arena, mark, &none, NULL, NULL);
  for (int r = 0; r < runs; r++)
    mc_jit_watch(j, (const void *const *)t->in, t->out, t->run_arena, mark, c, NULL, NULL);
}

static stopwatch new_clock(tuner *t) {
  stopwatch c = { .least = MC_NEWN(t->arena, double, t->plan->ngroup + 1) };
  for (int i = 0; i <= t->plan->ngroup; i++) c.least[i] = 1e30;
  return c;
}

/* Variant k against the model's blocks, in turns. */
static void compare(tuner *t, mc_jit *base, mc_jit *var, int k) {
  stopwatch b = new_clock(t), v = new_clock(t);
  double start = now_us();
  turn(t, base, &b, 1);
  double one = (now_us() - start) / 2;
  int runs = one < turn_us ? (int)(turn_us / one) : 1,
      rounds = (int)(session_us / (2 * one * (runs + 1)));
  rounds = rounds < MIN_ROUNDS ? MIN_ROUNDS : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
  for (int r = 0; r < rounds; r++) {
    turn(t, base, &b, runs);
    turn(t, var, &v, runs);
  }
  double *sum = MC_NEWN(t->arena, double, 2 * t->n);
  for (int i = 0; i < t->plan->ngroup; i++) {
    if (t->problem_of[i] < 0) continue;
    sum[2 * t->problem_of[i]] += b.least[i];
    sum[2 * t->problem_of[i] + 1] += v.least[i];
  }
  for (int i = 0; i < t->n; i++) {
    problem *p = &t->p[i];
    if (p->known || k >= p->n) continue;
    p->base_us = p->base_us == 0 || sum[2 * i] < p->base_us ? sum[2 * i] : p->base_us;
    p->ratio[k] = sum[2 * i + 1] / sum[2 * i];
  }
}

/* ---- deciding ---- */

static bool runs_here(const mc_target *t) {
  return t->arch == mc_host_arch() && !(t->isa & ~mc_host_isa()) && mc_host_permit(t->isa);
}

static bool can_measure(tuner *t) {
  const mc_target *target = t->plan->target;
  if (runs_here(target)) return true;
  mc_error(t->diag, mc_noloc, "-tune measures on this machine, which cannot run code for '%s'",
           target->name);
  if (*t->o->tune)
    mc_note(t->diag, mc_noloc,
            "%s lacks %d of %d blocks; complete it on a machine of that level (-tune=%s), and no "
            "measuring is needed here",
            t->o->tune, t->open, t->n, t->o->tune);
  return false;
}

static bool measure(tuner *t) {
  int most = 0;
  for (int i = 0; i < t->n; i++)
    if (!t->p[i].known && t->p[i].n > most) most = t->p[i].n;
  mc_jit *base = compile_variant(t, 0);
  if (!base || !make_arrays(t, base)) return false;
  bool ok = true;
  for (int k = 1; k < most && ok; k++) {
    if (t->o->tune_progress) t->o->tune_progress(t->o->tune_ctx, k, most);
    mc_jit *var = compile_variant(t, k);
    ok = var != NULL;
    if (ok) compare(t, base, var, k);
    mc_jit_destroy(var);
  }
  mc_jit_destroy(base);
  return ok;
}

static void decide(tuner *t) {
  for (int i = 0; i < t->n; i++) {
    problem *p = &t->p[i];
    if (p->known) continue;
    int best = 0;
    double ratio = worth;
    for (int k = 1; k < p->n; k++)
      if (p->ratio[k] < ratio && (1 - p->ratio[k]) * p->base_us >= least_gain_us)
        best = k, ratio = p->ratio[k];
    p->chosen = (tune_entry){ p->cand[best].rows, p->cand[best].vectors,
                              p->base_us * (best ? ratio : 1), p->base_us };
    tune_cache_put(&t->cache, p->key, p->chosen);
  }
}

/* Groups that keep the model's block get no attribute: nothing is to be overruled. */
static void apply(tuner *t) {
  for (int i = 0; i < t->plan->ngroup; i++) {
    if (t->problem_of[i] < 0) continue;
    const problem *p = &t->p[t->problem_of[i]];
    mc_node *g = t->plan->group[i];
    mc_ints *at = &MC_ATTRS(g, group)->blocking;
    *at = (mc_ints){ NULL, 0 };
    bool same = p->chosen.rows == p->cand[0].rows && p->chosen.vectors == p->cand[0].vectors;
    if (same) continue;
    *at = (mc_ints){ MC_NEWN(t->plan->graph->module->arena, int64_t, 2), 2 };
    at->v[0] = p->chosen.rows;
    at->v[1] = p->chosen.vectors;
    mc_remark(t->diag, g->loc,
              "group %d: -tune takes %d x %d, %.3g of the time of the cost model's %d x %d", i,
              p->chosen.rows, p->chosen.vectors * 16,
              p->chosen.model_us > 0 ? p->chosen.us / p->chosen.model_us : 1.0, p->cand[0].rows,
              p->cand[0].vectors * 16);
  }
}

/* One of several levels that this machine cannot run: blocks that are not in the cache stay the
 * model's. */
static void leave_open(tuner *t) {
  mc_warning(t->diag, mc_noloc,
             "-tune cannot measure '%s' on this machine: %d of %d blocks stay the cost model's",
             t->plan->target->name, t->open, t->n);
  for (int i = 0; i < t->n; i++) {
    problem *p = &t->p[i];
    if (!p->known) p->chosen = (tune_entry){ p->cand[0].rows, p->cand[0].vectors, 0, 0 };
    p->known = true;
  }
  t->open = 0;
}

bool tune_plan(mc_plan *p, const mc_compile_opts *o, mc_arena *a, mc_diag *d) {
  tuner t = { .plan = p, .o = o, .arena = a, .diag = d };
  if (!tune_cache_read(&t.cache, o->tune, a, d)) return false;
  find_problems(&t);
  if (!t.n)
    mc_warning(d, mc_noloc,
               "-tune: no layer has blocks to choose from on '%s': nothing is measured",
               p->target->name);
  if (t.open && o->target->next && !runs_here(p->target)) leave_open(&t);
  if (t.open && (!can_measure(&t) || !measure(&t))) return false;
  bool write = *o->tune && (t.open || !t.cache.read);
  decide(&t);
  apply(&t);
  return !write || tune_cache_write(&t.cache, o->tune, d);
}
