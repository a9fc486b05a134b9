/* One network: fp32, INT8 and bf16, each with options that its name chooses, for several levels. */
#include "nets.h"
#include "mc/driver/driver.h"
#include "mc/import/dataset.h"
#include "mc/pass/pass.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { GUARD = 64 };

/* What one arithmetic is compiled with; `head` and `tail` are the pipeline, cut where levels part
 * ways. */
typedef struct variant {
  net *n;
  mc_compile_opts o;
  const char *head, *tail, *say;
  mc_module *m; /* after `head` */
  arrays want;  /* what the evaluator makes of it */
} variant;

/* ---- findings ---- */
bool nets_finding(net *n, const char *fmt, ...) {
  char text[1024];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  for (char *p = text; *p; p++)
    if (*p == '\n') *p = ' ';
  printf("%s: %s: %s\n", n->path, n->stage, text);
  n->findings++;
  return false;
}

bool nets_diagnostics(net *n, const char *what) {
  const char *text = what;
  for (size_t i = 0; i < n->d.list.n; i++)
    if (n->d.list.v[i].sev == MC_ERROR)
      text = mc_arena_printf(n->a, "%s: %s", text, n->d.list.v[i].text);
  return nets_finding(n, "%s", text);
}

static void stage(net *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void stage(net *n, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(n->stage, n->stage_size, fmt, ap);
  va_end(ap);
}

/* ---- arrays ---- */
static arrays room_for(net *n, const mc_graph *g, bool results) {
  arrays y = { .n = results ? mc_graph_nout(g) : g->nin };
  for (int r = 0; r < NETS_RUNS; r++) {
    y.x[r] = MC_NEWN(n->a, mc_array, y.n);
    for (int i = 0; i < y.n; i++) {
      const mc_value *v = results ? mc_graph_out(g, i) : g->in[i];
      y.x[r][i] = (mc_array){ v->type, mc_arena_alloc(n->a, (size_t)mc_type_bytes(v->type)) };
    }
  }
  return y;
}

static bool read_samples(net *n) {
  const mc_graph *g = n->m->graphs;
  n->in = room_for(n, g, false);
  mc_dataset *s = mc_dataset_open(n->samples, g, NULL, &n->d, mc_noloc);
  if (!s) return nets_diagnostics(n, "no samples");
  int64_t at = 0, batch = g->nin && g->in[0]->type->rank ? g->in[0]->type->dim[0] : 1;
  for (int r = 0; r < NETS_RUNS; r++, at += batch) {
    void *data[64];
    for (int i = 0; i < g->nin; i++) data[i] = n->in.x[r][i].data;
    mc_dataset_fetch(s, at, data);
  }
  mc_dataset_close(s);
  return true;
}

static bool evaluate(net *n, const mc_graph *g, arrays *out) {
  *out = room_for(n, g, true);
  for (int r = 0; r < NETS_RUNS; r++)
    if (!mc_eval_graph(g, n->in.x[r], out->x[r], NULL, &n->d))
      return nets_diagnostics(n, "the evaluator");
  return true;
}

/* ---- comparing ---- */
/* Same bytes; which zero and which NaN is free. */
static bool same_element(const mc_array *a, const mc_array *b, int64_t i) {
  size_t es = mc_dtype_size(a->type->dtype);
  if (memcmp((const char *)a->data + (size_t)i * es, (const char *)b->data + (size_t)i * es, es) ==
      0)
    return true;
  if (!mc_dtype_is_float(a->type->dtype)) return false;
  double x = mc_array_real(a, i), y = mc_array_real(b, i);
  return x == y || (isnan(x) && isnan(y));
}

static double rms_of(const double *far, int64_t e) {
  double sum = 0;
  int64_t k = 0;
  for (int64_t i = 0; i < e; i++)
    if (isfinite(far[i])) sum += far[i] * far[i], k++;
  return k ? sqrt(sum / (double)k) : 0;
}

static double unit_of(const mc_type *t, double y) {
  if (mc_type_is_quant(t)) return 1.01 * (double)mc_type_scale(t, 0);
  return t->dtype == MC_bf16  ? fabs(y) * 0x1p-7
         : t->dtype == MC_f32 ? fabs(y) * 0x1p-22 + 1e-37
                              : 0;
}

typedef struct place {
  int run, result;
  int64_t at;
  double got, want, room;
} place;

/* The worst element that is further off than its room; far == NULL: any that is not the same. */
static bool beyond(place *p, const arrays *got, const arrays *want, double ***far) {
  bool found = false;
  for (int r = 0; r < NETS_RUNS; r++)
    for (int i = 0; i < want->n; i++) {
      const mc_array *x = &got->x[r][i], *y = &want->x[r][i];
      int64_t e = mc_type_elems(y->type);
      double rms = far ? rms_of(far[r][i], e) : 0;
      for (int64_t k = 0; k < e; k++) {
        if (same_element(x, y, k)) continue;
        double u = mc_array_real(x, k), v = mc_array_real(y, k);
        double room = far ? 4 * fmax(far[r][i][k], rms) + unit_of(y->type, v) : 0;
        if (fabs(u - v) <= room || room == INFINITY) continue;
        if (!found || !(fabs(u - v) <= fabs(p->got - p->want))) *p = (place){ r, i, k, u, v, room };
        found = true;
      }
    }
  return found;
}

/* The same, or as near as noise of that kind in g explains, whose results are `base` (few draws
 * first, more in doubt). */
static bool compare(net *n, const mc_graph *g, const arrays *base, const arrays *got,
                    const arrays *want, bool exact, noise kind) {
  place p;
  n->checks++;
  if (!beyond(&p, got, want, NULL)) return true;
  for (int draws = 3; !exact && draws <= 27; draws *= 3) {
    double ***far = noise_far(n, g, &n->in, base, kind, draws);
    if (!far) return nets_diagnostics(n, "the evaluator");
    if (!beyond(&p, got, want, far)) return true;
  }
  return nets_finding(n, "run %d result %d element %lld is %.9g, expected %.9g (room %.3g)", p.run,
                      p.result, (long long)p.at, p.got, p.want, p.room);
}

/* The network against what another runtime has made of it (NET.want.npz, arrays "RUN.RESULT"),
 * where there is such a file. */
static bool check_expected(net *n) {
  const mc_graph *g = n->m->graphs;
  const char *path =
      mc_arena_printf(n->a, "%.*s.want.npz", (int)(strlen(n->samples) - 4), n->samples);
  if (access(path, R_OK) != 0) return true;
  stage(n, "expected");
  mc_npz *z = mc_npz_open(path, &n->d, mc_noloc);
  if (!z) return nets_diagnostics(n, "not read");
  arrays want = { .n = n->real.n };
  for (int r = 0; r < NETS_RUNS; r++) {
    want.x[r] = MC_NEWN(n->a, mc_array, want.n);
    for (int i = 0; i < want.n; i++) {
      mc_npy y;
      if (!mc_npz_read(z, mc_arena_printf(n->a, "%d.%d", r, i), &y, n->a, &n->d, mc_noloc))
        return nets_diagnostics(n, "not read");
      want.x[r][i] = (mc_array){ n->real.x[r][i].type, (void *)(uintptr_t)y.data };
      const mc_type *t = want.x[r][i].type;
      bool same = y.dtype == t->dtype && y.rank == t->rank &&
                  memcmp(y.dim, t->dim, sizeof *y.dim * (size_t)y.rank) == 0;
      if (!same) return nets_finding(n, "result %d: another type or shape than expected", i);
    }
  }
  mc_npz_close(z);
  return compare(n, g, &n->real, &n->real, &want, false, NOISE_ROUNDING);
}

/* Result i against the fp32 network's, in L2 over all runs: distance, size, and what noise of the
 * arithmetic explains. */
typedef struct distance {
  double err, ref, room;
} distance;

static distance measure(const variant *v, int i, double ***far) {
  const net *n = v->n;
  distance d = { 0 };
  for (int r = 0; r < NETS_RUNS; r++)
    for (int64_t k = 0, e = mc_type_elems(n->real.x[r][i].type); k < e; k++) {
      double y = mc_array_real(&n->real.x[r][i], k), x = mc_array_real(&v->want.x[r][i], k),
             room = far[r][i][k];
      if (!isfinite(y) || !isfinite(room)) continue;
      d.err += (x - y) * (x - y), d.ref += y * y, d.room += room * room;
    }
  return (distance){ sqrt(d.err), sqrt(d.ref), sqrt(d.room) };
}

/* Far from the fp32 network by more than its arithmetic explains: the first such result; -1: none.
 * An index that jumps where values are nearly equal may be far. */
static int far_result(const variant *v, noise kind, double ***far, distance *d) {
  for (int i = 0; i < v->n->real.n; i++) {
    double base = !mc_dtype_is_float(v->n->real.x[0][i].type->dtype) ? 0.2
                  : kind == NOISE_INT8                               ? 0.1
                                                                     : 0.02;
    *d = measure(v, i, far);
    if (!(d->err <= base * d->ref + 6 * d->room + 1e-6)) return i;
  }
  return -1;
}

/* Ranges that cut values off on purpose (methods other than max) are not judged. */
static bool near_real(variant *v, noise kind) {
  net *n = v->n;
  distance d;
  int worst = -1;
  if (v->o.calib_method) return true;
  n->checks++;
  for (int draws = 4; draws <= 36; draws *= 3) {
    double ***far = noise_far(n, n->m->graphs, &n->in, &n->real, kind, draws);
    if (!far) return nets_diagnostics(n, "the evaluator");
    if ((worst = far_result(v, kind, far, &d)) < 0) return true;
  }
  return nets_finding(n, "result %d is %.3g (relative L2) from fp32, noise explains %.3g", worst,
                      d.err / d.ref, d.room / d.ref);
}

/* ---- options by the network's name ---- */
static unsigned take(uint64_t *s, unsigned n) {
  unsigned v = (unsigned)(*s % n);
  *s /= n;
  return v;
}

static mc_compile_opts choose(net *n, mc_quant_how how) {
  static const int levels[] = { 3, 3, 3, 3, 2, 1, 0, 3 };
  static const char *const methods[] = { NULL, NULL, NULL, "percentile", "entropy", "mse" };
  uint64_t s = n->seed ^ (uint64_t)how * 77;
  noise_next(&s);
  s >>= 16;
  mc_compile_opts o = mc_compile_defaults();
  unsigned k = take(&s, 8);
  o.quant = how;
  o.opt_level = levels[k];
  o.small = k == 7;
  o.threads = take(&s, 3) == 0 ? 3 : 1;
  o.winograd = (double[]){ 15, 15, 400, 0 }[take(&s, 4)];
  o.chain = o.threads > 1 ? MC_CHAIN_AUTO
                          : (mc_chain_how[]){ MC_CHAIN_AUTO, MC_CHAIN_AUTO, MC_CHAIN_MEMORY,
                                              MC_CHAIN_OFF }[take(&s, 4)];
  if (how == MC_QUANT_INT8) {
    o.calib = n->samples;
    o.calib_method = methods[take(&s, 6)];
    o.mixed = take(&s, 12) == 0;
  }
  o.share = take(&s, 4) != 0;
  o.prefix = "net";
  return o;
}

static const char *say(net *n, const mc_compile_opts *o) {
  return mc_arena_printf(
      n->a, "%s -O%c%s%s%s%s%s", o->quant ? mc_quant_names[o->quant] : "fp32",
      o->small ? 's' : (char)('0' + o->opt_level), o->threads > 1 ? " -threads=3" : "",
      o->chain ? mc_arena_printf(n->a, " -chain=%s", mc_chain_names[o->chain]) : "",
      o->winograd == 15 ? "" : mc_arena_printf(n->a, " -winograd=%g", o->winograd),
      o->calib_method ? mc_arena_printf(n->a, " -calib-method=%s", o->calib_method) : "",
      o->mixed ? " -mixed" : "");
}

/* ---- passes ---- */
static bool run_head(variant *v) {
  net *n = v->n;
  const char *text = mc_compile_pipeline(v->m, &v->o, n->a, &n->d),
             *cut = text ? strstr(text, "storage{") : NULL;
  if (!text) return nets_diagnostics(n, "no pipeline");
  v->tail = cut;
  v->head = mc_arena_strndup(n->a, text, cut > text ? (size_t)(cut - text) - 1 : 0);
  if (!*v->head) return true;
  mc_source *src = MC_NEW(n->a, mc_source);
  *src = (mc_source){ "<pipeline>", v->head, strlen(v->head) };
  mc_pipeline p;
  mc_manager_report rep;
  mc_manager_opts mo = { .bisect_limit = -1, .verify_each = true, .target = v->o.target };
  bool ok = mc_pipeline_parse(mc_driver_registry(), src, &p, n->a, &n->d) &&
            mc_manager_run(v->m, &p, &mo, &rep, n->a, &n->d);
  return ok || nets_diagnostics(n, "passes");
}

static mc_plan *make_plan(variant *v, const mc_target *t, mc_module **m) {
  mc_compile_opts o = v->o;
  mc_compile_report rep;
  *m = mc_module_copy(v->m);
  o.pipeline = v->tail;
  o.target = t;
  o.manager.verify_each = true;
  mc_plan *p = mc_compile_plan(*m, &o, &rep, v->n->a, &v->n->d);
  if (!p) nets_diagnostics(v->n, "plan");
  return p;
}

/* ---- running ---- */
static unsigned char *guarded(net *n, size_t size) {
  unsigned char *p = mc_arena_alloc(n->a, size + 2 * GUARD);
  memset(p, 0xa5, size + 2 * GUARD);
  return p + GUARD;
}

static bool guards_whole(const unsigned char *p, size_t size) {
  for (size_t i = 0; i < GUARD; i++)
    if (p[i - GUARD] != 0xa5 || p[size + i] != 0xa5) return false;
  return true;
}

static void backwards(void *ctx, int ntasks, void (*task)(void *arg, int i), void *arg) {
  (void)ctx;
  for (int i = ntasks; i-- > 0;) task(arg, i);
}

static bool run_once(net *n, mc_jit *j, unsigned char *arena, size_t arena_bytes,
                     const mc_array *in, mc_array *out, int nout) {
  const void *inp[64];
  void *outp[64];
  for (int i = 0; i < n->in.n; i++) inp[i] = in[i].data;
  for (int i = 0; i < nout; i++) outp[i] = guarded(n, (size_t)mc_type_bytes(out[i].type));
  int rc = mc_jit_run_parallel(j, inp, outp, arena, mc_jit_threads(j) > 1 ? backwards : NULL, NULL);
  if (rc) return nets_finding(n, "the code returned %d", rc);
  for (int i = 0; i < nout; i++) {
    size_t size = (size_t)mc_type_bytes(out[i].type);
    if (!guards_whole(outp[i], size)) return nets_finding(n, "writes outside result %d", i);
    out[i].data = outp[i];
  }
  return guards_whole(arena, arena_bytes) || nets_finding(n, "writes outside the arena");
}

static bool run_code(variant *v, const mc_plan *p, const mc_target *t, arrays *got) {
  net *n = v->n;
  mc_codegen_opts co = {
    .target = t, .prefix = "net", .opt_level = v->o.opt_level, .apart = !v->o.share
  };
  mc_jit *j = mc_jit_create(p, &co, &n->d);
  if (!j) return nets_diagnostics(n, "code");
  size_t bytes = (size_t)mc_jit_arena_bytes(j);
  unsigned char *arena = guarded(n, bytes);
  memset(arena, 0xff, bytes); /* NaN in every float type; later runs find it dirty */
  bool ok = true;
  *got = room_for(n, p->graph, true);
  for (int r = 0; ok && r < NETS_RUNS; r++)
    ok = run_once(n, j, arena, bytes, n->in.x[r], got->x[r], got->n);
  mc_jit_destroy(j);
  return ok;
}

/* Integers that fp32 sums lead to may be a step off, which the other side does not know: such
 * networks are left out there. */
static bool emit_code(variant *v, const mc_plan *p, const mc_target *t, const arrays *planned) {
  net *n = v->n;
  bool sums = noise_has_sums(p->graph), integers = false;
  for (int i = 0; i < planned->n; i++) integers |= !mc_dtype_is_float(planned->x[0][i].type->dtype);
  if (sums && integers) return true;
  double ***far = sums ? noise_far(n, p->graph, &n->in, planned,
                                   v->o.quant == MC_QUANT_BF16 ? NOISE_BF16 : NOISE_SUMS, 6)
                       : NULL;
  if (sums && !far) return nets_diagnostics(n, "the evaluator");
  const char *prefix = mc_arena_printf(n->a, "c0%llx_%s_%d", (unsigned long long)n->seed,
                                       mc_quant_names[v->o.quant], n->checks++);
  mc_codegen_opts co = {
    .target = t, .prefix = prefix, .opt_level = v->o.opt_level, .apart = !v->o.share
  };
  return nets_emit(n, p, &co, planned, far);
}

static bool build_code(variant *v, const mc_target *t) {
  net *n = v->n;
  mc_module *m;
  mc_code code;
  stage(n, "%s %s", v->say, t->name);
  mc_plan *p = make_plan(v, t, &m);
  mc_codegen_opts co = {
    .target = t, .prefix = "net", .opt_level = v->o.opt_level, .apart = !v->o.share
  };
  n->checks++;
  if (!p) return false;
  if (!mc_codegen_object(&code, p, &co, &n->d)) return nets_diagnostics(n, "code");
  mc_code_free(&code);
  return true;
}

static bool check_level(variant *v, const mc_target *t) {
  net *n = v->n;
  mc_module *m;
  arrays planned, got;
  stage(n, "%s %s", v->say, t->name);
  mc_plan *p = make_plan(v, t, &m);
  if (!p || !evaluate(n, p->graph, &planned)) return false;
  bool sums = noise_has_sums(p->graph);
  if (v->o.quant != MC_QUANT_BF16 &&
      !compare(n, p->graph, &planned, &planned, &v->want, true, NOISE_SUMS))
    return false;
  if (n->set->emit) return emit_code(v, p, t, &planned);
  if (!run_code(v, p, t, &got)) return false;
  return compare(n, p->graph, &planned, &got, &planned, !sums,
                 v->o.quant == MC_QUANT_BF16 ? NOISE_BF16 : NOISE_SUMS);
}

/* ---- one arithmetic ---- */
static const mc_target *first_level(const settings *s) {
  return s->nrun ? s->run[s->nrun - 1] : s->build[0];
}

static bool check_how(net *n, mc_quant_how how) {
  const settings *s = n->set;
  variant v = { .n = n, .o = choose(n, how), .m = mc_module_copy((mc_module *)(uintptr_t)n->m) };
  v.say = say(n, &v.o);
  v.o.target = first_level(s);
  stage(n, "%s", v.say);
  if (!run_head(&v) || !evaluate(n, v.m->graphs, &v.want)) return false;
  bool ok = how == MC_QUANT_NONE
                ? compare(n, n->m->graphs, &n->real, &v.want, &n->real, false, NOISE_ROUNDING)
                : near_real(&v, how == MC_QUANT_INT8 ? NOISE_INT8 : NOISE_BF16);
  int each = s->each && s->each < s->nrun ? s->each : s->nrun;
  for (int k = 0; k < each; k++)
    ok &= check_level(
        &v,
        s->run[(n->seed / 7 + (uint64_t)how + (uint64_t)(k * s->nrun / each)) % (uint64_t)s->nrun]);
  if (s->nbuild && (n->seed / 3 + (uint64_t)how) % 3 == 0)
    ok &= build_code(&v, s->build[(n->seed / 11) % (uint64_t)s->nbuild]);
  return ok;
}

bool nets_check(net *n) {
  stage(n, "read");
  mc_module *m = mc_driver_load(n->path, &n->d);
  n->m = m;
  if (!m) return nets_diagnostics(n, "not read");
  bool ok = read_samples(n) && evaluate(n, m->graphs, &n->real) && check_expected(n);
  for (int how = 0; ok && how < 3; how++)
    if (n->set->how[how]) ok = check_how(n, (mc_quant_how)how) || n->findings < 6;
  mc_module_destroy(m);
  return n->findings == 0;
}
