/* -check: the object against the reference evaluator, which runs the planned graph that it was made
 * from, on the same samples, on every level that runs here. Integers must be the same. Where all
 * layers are fp32 their sums may be taken in another order (docs/reference/numerics.md): then the
 * results must lie within the rounding that a pass of contract ROUNDS is allowed. Where such sums
 * are rounded to bf16 or INT8 in the middle, one last place may flip there, and what counts is the
 * relative L2 distance over all samples. */
#include "common/threads.h"
#include "mc/driver/network.h"
#include "mc/pass/samples.h"
#include "mcc.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { RANDOM_SAMPLES = 4, FILE_SAMPLES = 16 };

typedef enum kind { EXACT, ROUNDS, FLIPS } kind;

static const double flips_l2 =
    0.05; /* flipped last places of bf16 stay well below, a wrong kernel is near 1 */

typedef struct exact {
  mcc *o;
  const mc_plan *p;
  mc_network *net;
  mcrt_pool *pool;
  mc_dataset *data;          /* NULL: random samples */
  mc_array *in, *want, *got; /* got: the object's results */
  int samples;
  kind kind;
  int64_t values, differ;
  double worst;      /* largest difference, as a share of what rounding may do */
  double err2, ref2; /* sums of squares, over all samples and results */
  const char *how;   /* the level and entry that run */
} exact;

bool exact_possible(mcc *o) {
  mc_diag *d = &o->t.diag;
  const mc_target *t = o->co.target;
  bool runs = false;
  for (const mc_target *k = t; k; k = k->next)
    runs |= k->arch == mc_host_arch() && !(k->isa & ~mc_host_isa());
  if (strcmp(o->out, "-") == 0)
    return mc_error(d, mc_noloc,
                    "-check runs the object before it is written: give it a name with -o");
  if (runs) return true;
  return mc_error(d, mc_noloc,
                  "-check runs the object, and this machine cannot run code for '%s' (%s)", t->name,
                  mc_arch_name(t->arch));
}

/* ---- samples ---- */
static void **pointers(exact *e, const mc_array *x, int n) {
  void **p = MC_NEWN(e->o->t.arena, void *, n + 1);
  for (int i = 0; i < n; i++) p[i] = x[i].data;
  return p;
}

static bool open_samples(exact *e) {
  const char *path = e->o->exact;
  mc_arena *a = e->o->t.arena;
  e->in = mc_graph_input_arrays(e->p->graph, a);
  e->want = mc_graph_output_arrays(e->p->graph, a);
  e->got = mc_graph_output_arrays(e->p->graph, a);
  e->samples = RANDOM_SAMPLES;
  if (!*path) return true;
  e->data = mc_network_data(e->net, path, &(mc_dataset_opts){ 0 }, &e->o->t.diag);
  if (!e->data) return false;
  int64_t n = mc_dataset_count(e->data), batch = mc_dataset_batch(e->data);
  e->samples = (int)((n < FILE_SAMPLES ? n : FILE_SAMPLES) + batch - 1) / (int)batch;
  return true;
}

static void fetch(exact *e, int k) {
  const mc_graph *g = e->p->graph;
  if (e->data) mc_dataset_fetch(e->data, k * mc_dataset_batch(e->data), pointers(e, e->in, g->nin));
  for (int i = 0; !e->data && i < g->nin; i++)
    mc_random_fill(g->in[i], e->o->co.manager.seed + (uint64_t)k + 1, e->in[i].data);
}

/* ---- results ---- */
static double largest(const mc_array *x, int64_t n) {
  double m = 0;
  for (int64_t i = 0; i < n; i++) {
    double v = fabs(mc_array_real(x, i));
    if (isfinite(v) && v > m) m = v;
  }
  return m;
}

static double distance(double a, double b) {
  if (a == b || (isnan(a) && isnan(b))) return 0;
  return isnan(a - b) ? INFINITY : fabs(a - b);
}

/* ROUNDS, as in -check-numerics: 1e-4 of the value and of the largest one, and a step of a
 * quantized result. */
static void judge(exact *e, const mc_array *want, const mc_array *got) {
  int64_t n = mc_type_elems(want->type);
  double top = largest(want, n),
         step = want->type->q.kind == MC_Q_TENSOR ? (double)want->type->q.scale : 0;
  for (int64_t i = 0; i < n; i++) {
    double v = mc_array_real(want, i), d = distance(v, mc_array_real(got, i)),
           size = isfinite(v) ? fabs(v) : 0;
    double allowed = e->kind == EXACT ? 0 : 1e-4 * top + 1e-4 * size + step + 1e-30;
    e->values++;
    e->differ += d > 0;
    if (d > 0 && d / allowed > e->worst) e->worst = d / allowed;
    e->err2 += d * d;
    e->ref2 += size * size;
  }
}

static double relative_l2(const exact *e) { return e->err2 > 0 ? sqrt(e->err2 / e->ref2) : 0; }

static bool holds(const exact *e) {
  return e->kind == FLIPS ? relative_l2(e) <= flips_l2 : e->worst <= 1;
}

static bool run_once(exact *e, int k, bool parallel) {
  const mc_graph *g = e->p->graph;
  int nout = mc_graph_nout(g);
  mc_network_set_parallel(e->net, parallel ? mcrt_parallel_for : NULL, parallel ? e->pool : NULL);
  const void *const *in = (const void *const *)pointers(e, e->in, g->nin);
  if (!mc_network_run(e->net, in, pointers(e, e->got, nout), &e->o->t.diag)) return false;
  for (int i = 0; i < nout; i++) judge(e, &e->want[i], &e->got[i]);
  if (holds(e)) return true;
  mc_error(&e->o->t.diag, mc_noloc,
           "the object's results are not the reference's: %lld of %lld values differ, relative L2 "
           "%.3g (sample %d, %s%s)",
           (long long)e->differ, (long long)e->values, relative_l2(e), k, e->how,
           parallel ? ", several threads" : "");
  mc_note(&e->o->t.diag, mc_noloc,
          "this is a mistake of mcc, not of the network; please report it. Nothing was written");
  e->o->rep.passes.bug = true;
  return false;
}

/* Every level of the object that runs here, with one thread and with several. */
static bool run_levels(exact *e, int k) {
  mc_target host = { .isa = mc_host_isa() };
  for (const mc_target *t = e->o->co.target; t; t = t->next) {
    if (t->isa & ~host.isa || !mc_host_permit(t->isa)) continue;
    e->how = t->name;
    if (e->o->co.target->next && !mc_network_set_level(e->net, t->name, &e->o->t.diag))
      return false;
    if (!run_once(e, k, false) || (e->pool && !run_once(e, k, true))) return false;
  }
  return true;
}

static bool run_samples(exact *e) {
  progress p = progress_start("checking");
  bool ok = true;
  for (int k = 0; ok && k < e->samples; k++) {
    fetch(e, k);
    ok = mc_eval_graph(e->p->graph, e->in, e->want, NULL, &e->o->t.diag) && run_levels(e, k);
    progress_step(&p, k + 1, e->samples);
  }
  progress_end(&p);
  return ok;
}

/* ---- the line ---- */
static const char *levels_run(exact *e) {
  const char *run = "", *not = "";
  for (const mc_target *t = e->o->co.target; t; t = t->next) {
    bool here = !(t->isa & ~mc_host_isa()) && mc_host_permit(t->isa);
    const char **list = here ? &run : &not;
    *list = mc_arena_printf(e->o->t.arena, "%s%s%s", *list, **list ? ", " : "", t->name);
  }
  return mc_arena_printf(e->o->t.arena, "%s%s%s", run, *not? "; not on this machine: " : "", not);
}

static void tell(exact *e) {
  int nout = mc_graph_nout(e->p->graph);
  const char *what = e->kind == EXACT ? "bit-exact" : "within rounding", *size = "";
  if (e->kind == ROUNDS && e->differ)
    size = mc_arena_printf(e->o->t.arena, " (%.2g of what the order of fp32 sums may change)",
                           e->worst);
  if (e->kind == FLIPS)
    size = mc_arena_printf(e->o->t.arena, " (relative L2 %.2g)", relative_l2(e));
  e->o->exact_text = mc_arena_printf(e->o->t.arena, "%s: %d samples, %d output%s [%s]%s", what,
                                     e->samples, nout, nout == 1 ? "" : "s", levels_run(e), size);
}

/* A temporary beside the output holds the object meanwhile. */
static const char *temporary(mcc *o, const mc_code *code) {
  char *path = mc_arena_printf(o->t.arena, "%s.check%ld.o", o->out, (long)getpid());
  return mc_write_pieces(path, code->piece, code->n, &o->t.diag) ? path : NULL;
}

bool exact_check(mcc *o, const mc_plan *p, const mc_code *code) {
  const mc_plan *last = p;
  while (last->next) last = last->next;
  const mc_compile_report *r = &o->rep;
  kind how = r->layers_bf16 || (r->layers_f32 && r->layers_int8) ? FLIPS
             : r->layers_f32                                     ? ROUNDS
                                                                 : EXACT;
  exact e = { .o = o, .p = last, .kind = how };
  const char *path = temporary(o, code);
  if (!path) return false;
  e.net = mc_network_open(path, MC_HOW_REF, 1, &o->t.diag);
  unlink(path);
  bool ok = e.net && threads_open(&e.pool, &o->t, o->co.threads > 1 ? o->co.threads : 1, -1) &&
            open_samples(&e) && run_samples(&e);
  if (ok) tell(&e);
  mc_dataset_close(e.data);
  mc_network_close(e.net);
  mcrt_pool_destroy(e.pool);
  return ok;
}
