/* mc-bench: how long one run takes. */
#include "bench.h"
#include "common/tool.h"
#include "mc/driver/compile.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
  tool t;
  const char *out, *arch, *march, *calib, *level;
  int64_t threads, seed, batch;
  int quant;
  double seconds;
  bool json;
} options;

/* ---- what runs ---- */

static mc_jit *compile(options *o, const char *path) {
  mc_module *m = mc_driver_load(path, &o->t.diag);
  if (!m) return NULL;
  mc_compile_opts co = mc_compile_defaults();
  mc_compile_report rep;
  co.opt_level = o->level[0] - '0';
  co.quant = o->quant ? MC_QUANT_INT8 : MC_QUANT_NONE;
  co.calib = o->calib;
  co.target = mc_target_find(o->arch, o->march, o->t.arena, &o->t.diag);
  bool ok = co.target && (!o->batch || mc_driver_set_batch(m->graphs, o->batch, &o->t.diag));
  mc_jit *j = ok ? mc_compile_jit(m, &co, &rep, o->t.arena, &o->t.diag) : NULL;
  tool_flush(&o->t); /* places are in the module's text */
  mc_module_destroy(m);
  return j;
}

static bool ends_with(const char *s, const char *end) {
  size_t n = strlen(s), k = strlen(end);
  return n >= k && strcmp(s + n - k, end) == 0;
}
static mc_jit *load(options *o, const char *path) { return ends_with(path, ".o") ? mc_jit_load(path, &o->t.diag) : compile(o, path); }

/* ---- inputs ---- */

static uint64_t next_random(uint64_t *s) {
  *s ^= *s << 13;
  *s ^= *s >> 7;
  return *s ^= *s << 17;
}

/* Bytes for integers, [-1, 1) for floats; 64-bit integers are indices: small. */
static void fill(void *data, const mc_type *t, uint64_t *seed) {
  int64_t n = mc_type_elems(t);
  float *f = data;
  int64_t *i64 = data;
  unsigned char *bytes = data;
  for (int64_t i = 0; i < n; i++) {
    uint64_t r = next_random(seed);
    if (t->dtype == MC_f32) f[i] = (float)(r >> 40) / (float)(1 << 23) - 1.0f;
    else if (t->dtype == MC_i64) i64[i] = (int64_t)(r & 7);
    else memset(bytes + i * (int64_t)mc_dtype_size(t->dtype), (int)(r >> 56), mc_dtype_size(t->dtype));
  }
}

static void make_arrays(options *o, const mc_jit *j, bench *b) {
  uint64_t seed = (uint64_t)o->seed * 0x9e3779b97f4a7c15u + 1;
  const void **in = MC_NEWN(o->t.arena, const void *, mc_jit_nin(j));
  b->out = MC_NEWN(o->t.arena, void *, mc_jit_nout(j));
  for (int i = 0; i < mc_jit_nin(j); i++) {
    void *data = mc_arena_alloc(o->t.arena, (size_t)mc_type_bytes(mc_jit_in_type(j, i)));
    fill(data, mc_jit_in_type(j, i), &seed);
    in[i] = data;
  }
  b->in = in;
  for (int i = 0; i < mc_jit_nout(j); i++) b->out[i] = mc_arena_alloc(o->t.arena, (size_t)mc_type_bytes(mc_jit_out_type(j, i)));
}

/* ---- results ---- */

static void text(mc_strbuf *s, const bench_result *r) {
  mc_sb_printf(s, "median %.3f ms  min %.3f  p90 %.3f  (%d samples of %d run%s, 1 thread)\n", r->median * 1e3, r->min * 1e3, r->p90 * 1e3, r->samples, r->batch, r->batch == 1 ? "" : "s");
  mc_sb_printf(s, "machine: %s (a fixed loop took between %.0f and %.0f us around the samples)\n", r->probe_max > 1.15 * r->probe_min ? "busy, take these numbers with care" : "calm", r->probe_min * 1e6,
               r->probe_max * 1e6);
}

static void json(mc_strbuf *s, const char *file, const mc_jit *j, const bench_result *r) {
  json_t *o = json_pack("{s:s, s:f, s:f, s:f, s:i, s:i, s:i, s:I, s:f, s:b}", "file", file, "median_ms", r->median * 1e3, "min_ms", r->min * 1e3, "p90_ms", r->p90 * 1e3, "samples", r->samples, "batch",
                        r->batch, "threads", 1, "arena_bytes", (json_int_t)mc_jit_arena_bytes(j), "probe_ratio", r->probe_max / r->probe_min, "calm", r->probe_max <= 1.15 * r->probe_min);
  char *t = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(6) | JSON_PRESERVE_ORDER);
  mc_sb_puts(s, t ? t : "");
  mc_sb_putc(s, '\n');
  json_decref(o);
  free(t);
}

static int run(options *o) {
  const char *path = o->t.args.v[0];
  mc_jit *j = load(o, path);
  if (!j) return MC_EXIT_INPUT;
  bench b = { .jit = j, .seconds = o->seconds, .arena = o->t.arena };
  bench_result r;
  make_arrays(o, j, &b);
  int rc = bench_run(&b, &r), code = MC_EXIT_INPUT;
  if (rc != 0) {
    mc_error(&o->t.diag, mc_noloc, "%s: the entry returned %d", path, rc);
  } else {
    mc_strbuf s = { 0 };
    if (o->json) json(&s, path, j, &r);
    else text(&s, &r);
    code = mc_write_file(o->out, mc_sb_str(&s), s.n, &o->t.diag) ? MC_EXIT_OK : MC_EXIT_INPUT;
    mc_sb_free(&s);
  }
  mc_jit_destroy(j);
  return code;
}

int main(int argc, char **argv) {
  options o = { .out = "-", .threads = 1, .seconds = 2, .level = "3", .march = "native" };
  static const char *const levels[] = { "0", "1", "2", "3", NULL };
  const mc_option table[] = {
    { "seconds", MC_O_F64, &o.seconds, .arg = "S", .help = "how long to measure, above 0" },
    { "threads", MC_O_I64, &o.threads, .arg = "N", .help = "threads of one run; objects use one so far", .lo = 1, .hi = 1024 },
    { "json", MC_O_FLAG, &o.json, .help = "JSON instead of a line" },
    { "o", MC_O_STR, &o.out, .arg = "FILE|-", .help = "where the result goes; '-' (the default): standard output" },
    { "seed", MC_O_I64, &o.seed, .arg = "N", .help = "seed of the random inputs", .lo = 0, .hi = INT32_MAX },
    { "O", MC_O_JOINED, &o.level, .arg = "LEVEL", .help = "for .mir and .onnx", .words = levels },
    { "quant", MC_O_WORD, &o.quant, .arg = "HOW", .help = "for .mir and .onnx", .words = mc_quant_names },
    { "calib", MC_O_STR, &o.calib, .arg = "FILE.npz", .help = "for .mir and .onnx: samples for -quant=int8" },
    { "batch", MC_O_I64, &o.batch, .arg = "N", .help = "for .mir and .onnx: compile for another batch", .lo = 1, .hi = 1 << 20 },
    { "march", MC_O_STR, &o.march, .arg = "LEVEL", .help = "for .mir and .onnx; default: native" },
    { 0 }
  };
  const mc_command cmd = { .name = "mc-bench", .usage = "[options] FILE.o|FILE.mir|FILE.onnx", .summary = "time a compiled network on random inputs", .options = table, .min_args = 1, .max_args = 1,
                           .example = "mc-bench net.o --threads=1 --seconds=2\nmc-bench net.mir -quant=int8 -calib=calib.npz --json" };
  int rc = tool_start(&o.t, &cmd, argc, argv);
  if (rc >= 0) return rc;
  if (o.threads != 1) mc_error(&o.t.diag, mc_noloc, "--threads=%lld: objects have a single-threaded entry so far; use --threads=1", (long long)o.threads);
  else if (!(o.seconds > 0) || o.seconds > 3600) mc_error(&o.t.diag, mc_noloc, "--seconds must be above 0 and at most 3600");
  if (o.t.diag.errors) return tool_end(&o.t, MC_EXIT_USAGE);
  rc = run(&o);
  return tool_end(&o.t, rc);
}
