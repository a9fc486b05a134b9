/* compare: runs several implementations of one network in alternation in one process.  Each kind of
 * implementation is a row of the table in main.c. */
#ifndef COMPARE_H
#define COMPARE_H
#include <stdbool.h>
#include <stddef.h>

typedef struct runner {
  void *state;
  bool (*run)(void *state);   /* once; false with a message on standard error */
  size_t in_elems, out_elems; /* 0 where an implementation is only a list of layers */
  float *in, *out;            /* the caller fills `in` before the first run */
  double open_seconds;
} runner;

/* library: libonnxruntime, for ort_open. pool: of `threads` threads for objects; NULL for one. */
typedef struct setup {
  const char *library;
  long batch;
  int threads;
  struct mcrt_pool *pool;
} setup;

/* Each returns false with a message on standard error.  `file`: a shared object made from
 * net_entry.c and mcc's object / an .onnx file / a list of layers (models.py writes it). */
bool object_open(runner *r, const char *file, const setup *s);
bool ort_open(runner *r, const char *file, const setup *s);
bool dnnl_open(runner *r, const char *file, const setup *s);

/* ---- clock.c ---- */
double now(void);     /* seconds, monotonic */
double cpu_now(void); /* seconds this thread was on a core */
/* GFLOP/s of a short burst of independent multiply-adds that wants the whole core: less when a
 * sibling hyperthread or another process is there, or the clock is lower. */
double calm_probe(void);

typedef struct samples {
  double *calm, *busy;
  size_t ncalm, nbusy, cap;
} samples;

void samples_add(samples *s, double seconds, bool calm);

typedef struct summary {
  double min, p10, median, p90;
  size_t n, nbusy;
  bool gated;
} summary;

/* min: of all samples. The others: of the calm samples, or of all (gated = false) where fewer than
 * five were calm. */
summary samples_summary(samples *s);
#endif
