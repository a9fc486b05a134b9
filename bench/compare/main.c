/* compare: times several implementations of one network in alternation, on one pinned thread, or on
 * several.
 *
 *   compare [-seconds S] [-batch N] [-cpu N] [-fifo] [-regime steady|camera] [-ort LIBRARY]
 *           KIND[@THREADS]:LABEL:FILE ...
 *
 * KIND is object (a shared library of net_entry.c and mcc's object), ort (an .onnx file) or dnnl (a
 * list of layers, one thread).  Prints one JSON object.  How the samples are taken and which of
 * them count: bench/README.md. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "compare.h"
#include "mcrt.h"
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_VARIANTS = 16, MIN_RUNS_PER_TURN = 2 };

/* How a network is run: again and again, or once for each picture of a camera, with a core that has
 * gone to sleep meanwhile. Turns are short enough that all variants see the same weather, and long
 * against the millisecond that tiles need to wake up. */
typedef struct regime {
  const char *name;
  double turn, uncounted, sleep; /* seconds: of runs that count, of runs before them, and idle */
} regime;

static const regime regimes[] = { { "steady", 27e-3, 3e-3, 0 }, { "camera", 0, 0, 33e-3 } };

typedef struct variant {
  const char *kind, *label, *file;
  int threads;
  runner r;
  samples s;
} variant;

typedef struct options {
  double seconds;
  long batch;
  int cpu, n, threads; /* threads: the most of any variant */
  mcrt_pool *pool;
  bool fifo;
  const regime *regime;
  const char *ort;
  variant v[MAX_VARIANTS];
} options;

static const struct {
  const char *kind;
  bool (*open)(runner *, const char *, const setup *);
} kinds[] = {
  { "object", object_open }, { "ort", ort_open }, { "dnnl", dnnl_open }, { NULL, NULL }
};

static int usage(const char *why) {
  fprintf(stderr,
          "compare: %s\nusage: compare [-seconds S] [-batch N] [-cpu N] [-fifo] "
          "[-regime steady|camera] [-ort LIBRARY] object|ort|dnnl[@THREADS]:LABEL:FILE ...\n",
          why);
  return 2;
}

/* ---- options ---- */

static bool add_variant(options *o, char *text) {
  char *label = strchr(text, ':'), *file = label ? strchr(label + 1, ':') : NULL;
  if (!file || o->n == MAX_VARIANTS) return false;
  *label = *file = 0;
  char *at = strchr(text, '@');
  if (at) *at = 0;
  int threads = at ? atoi(at + 1) : 1;
  if (threads > o->threads) o->threads = threads;
  o->v[o->n++] =
      (variant){ .kind = text, .label = label + 1, .file = file + 1, .threads = threads };
  return threads > 0 && threads <= MCRT_MAX_THREADS;
}

static bool set_regime(options *o, const char *name) {
  for (size_t i = 0; i < sizeof regimes / sizeof regimes[0]; i++)
    if (!strcmp(name, regimes[i].name)) return o->regime = &regimes[i], true;
  return false;
}

static bool parse(options *o, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *a = argv[i];
    bool more = i + 1 < argc;
    if (a[0] != '-') {
      if (!add_variant(o, a)) return false;
    } else if (!strcmp(a, "-fifo"))
      o->fifo = true;
    else if (!more)
      return false;
    else if (!strcmp(a, "-seconds"))
      o->seconds = atof(argv[++i]);
    else if (!strcmp(a, "-batch"))
      o->batch = atol(argv[++i]);
    else if (!strcmp(a, "-cpu"))
      o->cpu = atoi(argv[++i]);
    else if (!strcmp(a, "-ort"))
      o->ort = argv[++i];
    else if (!strcmp(a, "-regime") && set_regime(o, argv[i + 1]))
      i++;
    else
      return false;
  }
  return o->n > 0 && o->seconds > 0 && o->batch > 0;
}

/* ---- threads and cores ---- */

static void bind(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set)) perror("compare: sched_setaffinity");
}

/* The thread goes to its core. Pools take theirs from the whole set, and leave out the core that
 * their maker is on: while they are made the set is whole. */
static bool settle(options *o) {
  cpu_set_t all;
  struct sched_param p = { .sched_priority = 5 };
  if (o->fifo && sched_setscheduler(0, SCHED_FIFO, &p)) perror("compare: -fifo");
  sched_getaffinity(0, sizeof all, &all);
  bind(o->cpu);
  if (o->threads == 1) return true;
  sched_setaffinity(0, sizeof all, &all);
  int rc = mcrt_pool_create(&o->pool, o->threads);
  if (rc) fprintf(stderr, "compare: %s\n", strerror(rc));
  return rc == 0;
}

/* ---- inputs and what comes out ---- */

static void fill(float *x, size_t n) { /* about normal: the sum of four uniform numbers */
  unsigned s = 12345;
  for (size_t i = 0; i < n; i++) {
    float v = 0;
    for (int k = 0; k < 4; k++)
      v += (float)((s = s * 1664525u + 1013904223u) >> 8) * 0x1p-24f - 0.5f;
    x[i] = v * 1.7320508f;
  }
}

static double cosine(const runner *a, const runner *b) {
  double ab = 0, aa = 0, bb = 0;
  if (!a->out || !b->out || a->out_elems != b->out_elems) return NAN;
  for (size_t i = 0; i < a->out_elems; i++) {
    double x = a->out[i], y = b->out[i];
    ab += x * y, aa += x * x, bb += y * y;
  }
  return ab / sqrt(aa * bb);
}

static bool open_all(options *o) {
  for (int i = 0; i < o->n; i++) {
    variant *v = &o->v[i];
    int k = 0;
    while (kinds[k].kind && strcmp(kinds[k].kind, v->kind)) k++;
    if (!kinds[k].kind) return usage("unknown kind"), false;
    setup with = { o->ort, o->batch, v->threads, v->threads > 1 ? o->pool : NULL };
    if (!kinds[k].open(&v->r, v->file, &with)) return false;
    if (v->r.in) fill(v->r.in, v->r.in_elems);
    if (!v->r.run(v->r.state)) return false;
  }
  return true;
}

/* ---- measuring ---- */

typedef struct weather {
  double best, worst;
} weather;

static void probe_task(void *arg, int i) { ((double *)arg)[i] = calm_probe(); }

/* The slowest core counts. */
static bool is_calm(weather *w, const options *o) {
  double rate[MCRT_MAX_THREADS], g;
  mcrt_parallel_for(o->pool, o->threads, probe_task, rate);
  g = rate[0];
  for (int i = 1; i < o->threads; i++)
    if (rate[i] < g) g = rate[i];
  if (g > w->best) w->best = g;
  if (g < w->worst) w->worst = g;
  return g > 0.93 * w->best;
}

typedef struct one {
  double t;
  bool stolen;
} one;

/* What comes before the timed runs: at least one run that fetches code and weights back into the
 * caches, or idle time. */
static bool approach(variant *v, const regime *r) {
  if (r->sleep > 0) {
    struct timespec t = { 0, (long)(r->sleep * 1e9) };
    return nanosleep(&t, NULL) == 0;
  }
  double end = now() + r->uncounted;
  do
    if (!v->r.run(v->r.state)) return false;
  while (now() < end);
  return true;
}

/* One turn of one variant.  Its runs count as calm when the core was calm on both sides (after
 * them, where it sleeps before) and the thread never lost it. */
static bool turn(variant *v, weather *w, const options *o) {
  enum { MAX = 1 << 16 };

  static one t[MAX];
  const regime *r = o->regime;
  int n = 0, least = r->sleep > 0 ? 1 : MIN_RUNS_PER_TURN;
  bool before = r->sleep > 0 || is_calm(w, o);
  if (!approach(v, r)) return false;
  double t0 = now(), end = t0 + r->turn;
  do {
    double c = cpu_now(), a = now();
    if (!v->r.run(v->r.state)) return false;
    double b = now();
    t[n++] = (one){ b - a, cpu_now() - c < 0.985 * (b - a) };
    t0 = b;
  } while (n < MAX && (t0 < end || n < least));
  bool calm = is_calm(w, o) && before;
  for (int i = 0; i < n; i++) samples_add(&v->s, t[i].t, calm && !t[i].stolen);
  return true;
}

static bool measure(options *o, weather *w) {
  for (int i = 0; i < 200; i++) is_calm(w, o); /* raises the clock, and finds the best rate */
  double end = now() + o->seconds;
  int rounds = 0;
  do {
    for (int i = 0; i < o->n; i++)
      if (!turn(&o->v[i], w, o)) return false;
  } while (++rounds < 3 || now() < end);
  return true;
}

static void report(options *o, const weather *w) {
  printf("{\"regime\": \"%s\", \"probe_gflops\": [%.1f, %.1f], \"variants\": {", o->regime->name,
         w->worst, w->best);
  for (int i = 0; i < o->n; i++) {
    variant *v = &o->v[i];
    summary s = samples_summary(&v->s);
    double c = cosine(&o->v[0].r, &v->r);
    printf("%s\n \"%s\": {\"min_ms\": %.6f, \"p10_ms\": %.6f, \"median_ms\": %.6f, \"p90_ms\": "
           "%.6f, \"calm\": %zu, \"busy\": %zu, \"gated\": %s, \"open_ms\": %.3f",
           i ? "," : "", v->label, s.min * 1e3, s.p10 * 1e3, s.median * 1e3, s.p90 * 1e3, s.n,
           s.nbusy, s.gated ? "true" : "false", v->r.open_seconds * 1e3);
    if (!isnan(c)) printf(", \"cosine\": %.6f", c);
    printf("}");
  }
  printf("}}\n");
}

int main(int argc, char **argv) {
  static options o = { .seconds = 3, .batch = 1, .threads = 1, .regime = &regimes[0] };
  weather w = { 0, 1e30 };
  if (!parse(&o, argc, argv)) return usage("bad arguments");
  if (!settle(&o) || !open_all(&o)) return 1;
  bind(o.cpu); /* pools have been made */
  if (!measure(&o, &w)) return 1;
  report(&o, &w);
  return 0;
}
