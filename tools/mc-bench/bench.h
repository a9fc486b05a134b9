/* mc-bench: networks as subjects of a measurement, how they are timed, how results are shown. */
#ifndef BENCH_H
#define BENCH_H
#include "common/threads.h"
#include "mc/analysis/cost.h"
#include "mc/analysis/model.h"
#include "mc/driver/compile.h"
#include "mc/driver/importing.h"

/* Order statistics of times in seconds. */
typedef struct sample_list {
  double *v;
  size_t n, cap;
} sample_list;

typedef struct times {
  double min, median, p90;
  size_t n;
} times;

/* A group of the planned graph. */
typedef struct layer {
  const char *name, *kernel, *result,
      *how; /* of the network; family; type text; what -remarks says */
  mc_family family;
  bool joined; /* a later link of a chain: the first one's line has its time */
  mc_cost cost;
  mc_estimate model;
  double rate;
  const char *engine; /* products a cycle of its engine, and its name; 0: it has no products */
  sample_list samples;
  times t;
} layer;

/* Does it have a line in reports? */
static inline bool layer_listed(const layer *l) {
  return !l->joined && !mc_family_has(l->family, MC_FAM_NOCODE);
}

/* One network in one form. */
typedef struct subject {
  const char *label, *file;
  mc_jit *jit;
  mcrt_pool *pool; /* NULL: one thread */
  int threads;
  mc_module *module; /* NULL for objects */
  const mc_target *target;
  mc_compile_report report;
  layer *layer;
  int nlayer; /* with --layers */
  const void *const *in;
  void **out;
  void *arena;
  int batch;   /* runs of a sample: short ones are measured several at a time */
  size_t busy; /* samples taken while the machine was not calm */
  sample_list calm, all;
  times t; /* of the calm samples, or of all where fewer than five were calm */
  bool gated;
} subject;

/* How a network is compiled: the command line, changed by one --variant. */
typedef struct form {
  const char *name, *level, *march, *run; /* level: of -O; run: the level to run */
  int sparse;
  int64_t batch;
  mc_compile_opts co;
  const mc_import_args *imp;
} form;

/* ---- subject.c ---- */
/* Load an object, or compile a network; `layers`: with what --layers needs. False after reporting.
 */
bool subject_open(subject *s, tool *t, const char *file, const form *f, uint64_t seed, bool layers);
void subject_close(subject *s);
/* "quant=int8,march=x86-64-v3,name=avx2": changes f. False after reporting. */
bool form_apply(form *f, tool *t, const char *text);

/* ---- timing.c ---- */
/* How networks are run: one run after the other, or once for each picture of a camera, 33 ms apart,
 * with a core that has slept meanwhile. */
typedef enum bench_regime { BENCH_STEADY, BENCH_CAMERA } bench_regime;

extern const char *const bench_regimes[];

typedef struct machine {
  bench_regime regime;
  double clock, best;
  size_t turns, calm;
} machine; /* cycles a second; the best burst; turns of the subjects and how many were calm */

/* Measure all subjects in turns of some milliseconds for `seconds` each. 0, or what an entry
 * returned (*who: the subject). */
int bench_subjects(subject *s, int n, bench_regime r, double seconds, mc_arena *a, machine *m,
                   int *who);
/* The same for the groups of each. */
int bench_layers(subject *s, int n, bench_regime r, double seconds, mc_arena *a, machine *m,
                 int *who);
/* Keep to one core; fifo: with real-time priority. NULL, or why not. */
const char *bench_settle(int cpu, bool fifo);

/* ---- report.c ---- */
void report_text(mc_strbuf *out, const subject *s, int n, const machine *m);
void report_json(mc_strbuf *out, const subject *s, int n, const machine *m);
double layer_bytes(const layer *l);

/* ---- roofline.c ---- */
/* A picture of the layers of s between the roofs of the machine. */
void roofline_svg(mc_strbuf *out, const subject *s, const machine *m);
/* A page with a picture and a table for each subject. */
void roofline_html(mc_strbuf *out, const subject *s, int n, const machine *m);
#endif
