/* How a timing is taken on a machine that is not alone: subjects take turns, a burst on both sides
 * of a turn says whether the core was ours (bench/README.md). */
#include "bench.h"
#include "mc/support/clock.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LANES = 8, CHAINS = 12, STEPS = 1500, CLOCK_STEPS = 20000, ENOUGH = 5 };

static const double shortest_sample = 20e-6, calm_share = 0.93;

/* Turns are short enough that all subjects see the same weather, and long against the millisecond
 * that the tiles of AMX need to wake up. */
typedef struct pace {
  double turn, uncounted, sleep; /* seconds: of runs that count, of runs before them, and idle */
} pace;

static const pace paces[] = {
  [BENCH_STEADY] = { 27e-3, 3e-3, 0 }, [BENCH_CAMERA] = { 0, 0, 33e-3 }
};
const char *const bench_regimes[] = { "steady", "camera", NULL };

const char *bench_settle(int cpu, bool fifo) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu >= 0) CPU_SET((size_t)cpu, &set);
  if (cpu >= 0 && sched_setaffinity(0, sizeof set, &set)) return strerror(errno);
  return fifo && sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 5 })
             ? strerror(errno)
             : NULL;
}

/* ---- the machine ---- */

/* A burst of independent multiply-adds that wants the whole core, as steps a second: less when
 * somebody else is there, or the clock is lower. */
typedef float vec __attribute__((vector_size(4 * LANES)));

static double burst(void) {
  vec acc[CHAINS] = { 0 }, a, b;
  for (int i = 0; i < LANES; i++) a[i] = 0.999f, b[i] = 1e-3f;
  double t0 = mc_seconds();
  for (int s = 0; s < STEPS; s++)
    for (int i = 0; i < CHAINS; i++) {
      acc[i] = acc[i] * a + b;
      __asm__ volatile("" : : "m"(acc[i]) :);
    }
  return (double)STEPS / (mc_seconds() - t0);
}

/* Cycles a second, from a chain of multiplications that wait for one another: 3 cycles each on
 * x86-64 since 2008 and on Arm's cores. */
static double clock_rate(void) {
  double best = 0;
  for (int k = 0; k < 20; k++) {
    uint64_t x = 88172645463325253u;
    double t0 = mc_seconds();
    for (int i = 0; i < CLOCK_STEPS; i++) {
      x *= x | 1;
      __asm__ volatile("" : "+r"(x));
    }
    double rate = (double)CLOCK_STEPS / (mc_seconds() - t0);
    if (rate > best) best = rate;
  }
  return 4 * best; /* three of the product, one of the or */
}

static bool calm(machine *m, double before, double after) {
  double least = before < after ? before : after, most = before < after ? after : before;
  if (most > m->best) m->best = most;
  bool ok = least >= calm_share * m->best;
  m->turns++;
  m->calm += ok;
  return ok;
}

/* ---- samples ---- */

static void add(sample_list *l, double t, mc_arena *a) { MC_PUSH(a, l, t); }

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static times order(const sample_list *l) {
  if (!l->n) return (times){ 0 };
  qsort(l->v, l->n, sizeof *l->v, by_value);
  return (times){ l->v[0], l->v[l->n / 2], l->v[(size_t)((double)(l->n - 1) * 0.9)], l->n };
}

static int repeat(const subject *s, int n, double *seconds) {
  double t0 = mc_seconds();
  for (int i = 0; i < n; i++) {
    int rc = mc_jit_run_parallel(s->jit, s->in, s->out, s->arena,
                                 s->threads > 1 ? mcrt_parallel_for : NULL, s->pool);
    if (rc) return rc;
  }
  *seconds = mc_seconds() - t0;
  return 0;
}

/* Warm caches, clock and page tables, and find how many runs make a sample. */
static int warm_up(subject *s, const pace *p, double limit) {
  double t, spent = 0, best = 1e9;
  do {
    int rc = repeat(s, 1, &t);
    if (rc) return rc;
    spent += t;
    if (t < best) best = t;
  } while (spent < limit);
  bool single = p->sleep > 0 || best >= shortest_sample;
  s->batch = single ? 1 : (int)(shortest_sample / (best > 1e-9 ? best : 1e-9)) + 1;
  return 0;
}

static void sleep_for(double seconds) {
  struct timespec t = { 0, (long)(seconds * 1e9) };
  while (nanosleep(&t, &t) && errno == EINTR) continue;
}

/* The first runs of a turn are not counted: they bring code and weights back that others have
 * evicted. Where the core sleeps before, only what comes after says whether it was ours. */
static int turn(subject *s, const pace *p, mc_arena *a, machine *m) {
  bool sleeps = p->sleep > 0;
  double t, before = sleeps ? 0 : burst(), start = mc_seconds();
  size_t first = s->all.n;
  int rc = 0;
  if (sleeps) sleep_for(p->sleep);
  while (!sleeps && !rc && (rc = repeat(s, 1, &t)) == 0 && mc_seconds() < start + p->uncounted)
    continue;
  start = mc_seconds();
  do {
    if (rc || (rc = repeat(s, s->batch, &t))) return rc;
    add(&s->all, t / s->batch, a);
  } while (mc_seconds() < start + p->turn);
  double after = burst();
  bool ok = calm(m, sleeps ? after : before, after);
  for (size_t i = first; ok && i < s->all.n; i++) add(&s->calm, s->all.v[i], a);
  if (!ok) s->busy += s->all.n - first;
  return 0;
}

int bench_subjects(subject *s, int n, bench_regime r, double seconds, mc_arena *a, machine *m,
                   int *who) {
  int rc;
  m->clock = clock_rate();
  m->regime = r;
  for (*who = 0; *who < n; ++*who)
    if ((rc = warm_up(&s[*who], &paces[r], seconds < 0.5 ? seconds / 5 : 0.1))) return rc;
  double end = mc_seconds() + seconds * n;
  do {
    for (*who = 0; *who < n; ++*who)
      if ((rc = turn(&s[*who], &paces[r], a, m))) return rc;
  } while (mc_seconds() < end);
  for (int i = 0; i < n; i++) {
    s[i].gated = s[i].calm.n >= ENOUGH;
    double least = order(&s[i].all).min;
    s[i].t = order(s[i].gated ? &s[i].calm : &s[i].all);
    s[i].t.min = least;
  }
  return 0;
}

/* ---- groups ---- */

typedef struct marks {
  double *at;
} marks;

static void mark(void *ctx, int i) { ((marks *)ctx)->at[i] = mc_seconds(); }

/* What a mark itself costs. */
static double mark_seconds(void) {
  double best = 1;
  for (int k = 0; k < 200; k++) {
    double t0 = mc_seconds(), t = mc_seconds() - t0;
    if (t < best) best = t;
  }
  return best;
}

static int watch(subject *s, marks *w, double cost, mc_arena *a, bool count) {
  int rc = mc_jit_watch(s->jit, s->in, s->out, s->arena, mark, w, mcrt_parallel_for, s->pool);
  for (int i = 0; !rc && count && i < s->nlayer; i++) {
    double t = w->at[i + 1] - w->at[i] - cost;
    add(&s->layer[i].samples, t > 0 ? t : 0, a);
  }
  return rc;
}

/* One turn of the groups of a subject, as turn(). */
static int turn_layers(subject *s, const pace *p, marks *w, double cost, mc_arena *a, machine *m) {
  bool sleeps = p->sleep > 0;
  double before = sleeps ? 0 : burst(), start = mc_seconds();
  int rc = 0;
  if (sleeps) sleep_for(p->sleep);
  while (!sleeps && !(rc = watch(s, w, cost, a, false)) && mc_seconds() < start + p->uncounted)
    continue;
  start = mc_seconds();
  do
    if (rc || (rc = watch(s, w, cost, a, true))) return rc;
  while (mc_seconds() < start + p->turn);
  double after = burst();
  calm(m, sleeps ? after : before, after);
  return 0;
}

int bench_layers(subject *s, int n, bench_regime r, double seconds, mc_arena *a, machine *m,
                 int *who) {
  enum { MOST = 20000 };

  double cost = mark_seconds(), end = mc_seconds() + seconds * n;
  marks *w = MC_NEWN(a, marks, n);
  for (int i = 0; i < n; i++) w[i].at = MC_NEWN(a, double, s[i].nlayer + 1);
  do {
    for (*who = 0; *who < n; ++*who) {
      subject *x = &s[*who];
      if (!x->nlayer || x->layer[0].samples.n > MOST) continue;
      int rc = turn_layers(x, &paces[r], &w[*who], cost, a, m);
      if (rc) return rc;
    }
  } while (mc_seconds() < end);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < s[i].nlayer; k++) s[i].layer[k].t = order(&s[i].layer[k].samples);
  return 0;
}
