/* Every op on every engine that this machine runs, against the reference evaluator: integers and
 * everything but fp32 products bit for bit.
 *
 *   kernels-sweep [--march=LEVEL] [--opt=0..3] [--every=N] [--list] [--emit=DIR] [--compile]
 *     [--emulate] [--engine=ID] [--threads=N] [--random=N] [TEXT]  only cases whose name holds
 *     TEXT, only every N-th
 *
 * --emulate executes AMX and AVX-VNNI instructions in software where the processor lacks them
 * (test/emulate). --engine sends every product to one engine of the level (engines.def) that can
 * compute it. --threads: every group is divided, however small, and its shares are run apart
 * (sweep_shares.c). --emit writes objects, inputs and expected results to DIR instead, for
 * sweep_run.c on another machine. --random=N: instead of the lists of cases, N random shapes of
 * each family of products. --levels lists the levels of this machine's architecture: LEVEL runs,
 * emulated (with --emulate) or lacks. --compile only compiles, for any level, one that this machine
 * cannot run too. */
#include "sweep.h"
#include "emulate.h"
#include "host.h"
#include "mc/codegen/codegen.h"
#include "mc/decide/engine.h"
#include "mc/plan/decisions.h"
#include "mc/pass/pass.h"
#include "mc/support/blob.h"
#include "mc/support/fixed.h"
#include <stdio.h>
#include <stdlib.h>

bool sweep_small_weights;

static struct {
  const char *march, *filter, *dir, *engine;
  int every, opt, threads, random, shared, sparse, kept;
  bool list, compile;
  int seen, run, failed;
  mc_arena *a;
  const mc_target *target;
  mc_strbuf table, data;
} s = { .every = 1, .opt = 2, .threads = 1 };

/* ---- random numbers, building ---- */
uint64_t rnd(tcase *t) {
  uint64_t z = t->seed += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

int64_t rnd_in(tcase *t, int64_t lo, int64_t hi) {
  return lo + (int64_t)(rnd(t) % (uint64_t)(hi - lo + 1));
}

float rnd_f32(tcase *t, float lo, float hi) {
  return lo + (hi - lo) * (float)((double)(rnd(t) >> 11) * 0x1p-53);
}

int64_t sweep_size(uint64_t *state, int64_t lo, int64_t hi) {
  tcase t = { .seed = *state };
  int64_t most = hi;
  for (uint64_t r = rnd(&t) % 4; r && most > lo + 3; r--) most = lo + (most - lo) / 3;
  int64_t v = rnd_in(&t, lo, most);
  *state = t.seed;
  return v;
}

/* Extremes a quarter of the time. */
static int64_t rnd_edge(tcase *t, int64_t lo, int64_t hi) {
  return rnd(t) % 4 ? rnd_in(t, lo, hi) : rnd(t) % 2 ? lo : hi;
}

static mc_value *input(tcase *t, const mc_type *type) {
  char name[16];
  snprintf(name, sizeof name, "x%d", t->g->nin);
  return mc_graph_add_input(t->g, mc_arena_strdup(t->m->arena, name), type, mc_noloc);
}

mc_value *in_f32(tcase *t, int rank, const int64_t *dim) {
  return input(t, mc_type_make(t->m, MC_f32, rank, dim));
}

mc_value *in_real(tcase *t, mc_dtype dtype, int rank, const int64_t *dim) {
  return input(t, mc_type_make(t->m, dtype, rank, dim));
}

mc_value *in_q(tcase *t, mc_dtype dtype, float scale, int32_t zero, int rank, const int64_t *dim) {
  return input(t, mc_type_make_q(t->m, dtype, rank, dim, scale, zero));
}

mc_value *in_int(tcase *t, mc_dtype dtype, int rank, const int64_t *dim) {
  return input(t, mc_type_make(t->m, dtype, rank, dim));
}

mc_value *const_f32(tcase *t, float lo, float hi, int rank, const int64_t *dim) {
  void *data;
  mc_tensor *w = mc_tensor_create(t->m, "w", MC_f32, rank, dim, &data);
  for (int64_t i = 0; i < mc_tensor_elems(w); i++) ((float *)data)[i] = rnd_f32(t, lo, hi);
  return mc_build_tensor(&t->b, w, NULL);
}

mc_value *const_real(tcase *t, mc_dtype dtype, float lo, float hi, int rank, const int64_t *dim) {
  if (dtype == MC_f32) return const_f32(t, lo, hi, rank, dim);
  void *data;
  mc_tensor *w = mc_tensor_create(t->m, "w", MC_bf16, rank, dim, &data);
  for (int64_t i = 0; i < mc_tensor_elems(w); i++)
    ((uint16_t *)data)[i] = mc_fx_bf16(rnd_f32(t, lo, hi));
  return mc_build_tensor(&t->b, w, NULL);
}

static mc_tensor *scales(tcase *t, int64_t n, const char *name) {
  void *data;
  mc_tensor *s1 = mc_tensor_create(t->m, name, MC_f32, 1, &n, &data);
  for (int64_t i = 0; i < n; i++) ((float *)data)[i] = rnd_f32(t, 0.001f, 0.02f);
  return s1;
}

mc_value *const_w8(tcase *t, bool per_axis, int rank, const int64_t *dim) {
  void *data;
  mc_tensor *w = mc_tensor_create(t->m, "w", MC_i8, rank, dim, &data);
  for (int64_t i = 0; i < mc_tensor_elems(w); i++)
    ((int8_t *)data)[i] = (int8_t)rnd_edge(t, -127, 127);
  mc_type type = { .dtype = MC_i8,
                   .rank = rank,
                   .q = { .kind = MC_Q_TENSOR, .scale = 0.0078125f } };
  memcpy(type.dim, dim, sizeof(int64_t) * (size_t)rank);
  if (per_axis)
    type.q = (mc_quant){ .kind = MC_Q_AXIS, .axis = 0, .scales = scales(t, dim[0], "s") };
  return mc_build_tensor(&t->b, w, mc_type_intern(t->m, &type));
}

mc_value *const_i32(tcase *t, int64_t lo, int64_t hi, int64_t n) {
  void *data;
  mc_tensor *w = mc_tensor_create(t->m, "b", MC_i32, 1, &n, &data);
  for (int64_t i = 0; i < n; i++) ((int32_t *)data)[i] = (int32_t)rnd_in(t, lo, hi);
  return mc_build_tensor(&t->b, w, NULL);
}

mc_value *const_q(tcase *t, mc_dtype dtype, float scale, int32_t zero, int rank,
                  const int64_t *dim) {
  void *data;
  mc_tensor *w = mc_tensor_create(t->m, "q", dtype, rank, dim, &data);
  for (int64_t i = 0; i < mc_tensor_elems(w); i++) ((uint8_t *)data)[i] = (uint8_t)rnd(t);
  return mc_build_tensor(&t->b, w, mc_type_make_q(t->m, dtype, rank, dim, scale, zero));
}

const mc_type *acc_type(tcase *t, const mc_value *x, const mc_value *w, int axis) {
  if (is_real(x)) return NULL;
  mc_type p = { .dtype = MC_i32,
                .rank = 1,
                .dim = { 1 },
                .q = { .kind = MC_Q_TENSOR, .scale = x->type->q.scale * w->type->q.scale } };
  if (w->type->q.kind == MC_Q_AXIS) {
    void *data;
    int64_t n = w->type->dim[0];
    mc_tensor *acc = mc_tensor_create(t->m, "acc", MC_f32, 1, &n, &data);
    for (int64_t c = 0; c < n; c++)
      ((float *)data)[c] = x->type->q.scale * mc_type_scale(w->type, c);
    p = (mc_type){ .dtype = MC_i32,
                   .rank = axis + 1,
                   .q = { .kind = MC_Q_AXIS, .axis = axis, .scales = acc } };
    for (int d = 0; d <= axis; d++) p.dim[d] = d == axis ? n : 1;
  }
  return mc_type_intern(t->m, &p);
}

mc_value *op1(tcase *t, mc_opcode op, mc_value *x, const void *attrs) {
  return mc_build1(&t->b, op, &x, 1, attrs);
}

mc_value *op2(tcase *t, mc_opcode op, mc_value *x, mc_value *y, const void *attrs) {
  return mc_build1(&t->b, op, (mc_value *[]){ x, y }, 2, attrs);
}

mc_value *op1_as(tcase *t, mc_opcode op, mc_value *x, const void *attrs, mc_dtype dtype) {
  int64_t one = 1;
  return mc_build1_as(&t->b, op, &x, 1, attrs, mc_type_make(t->m, dtype, 1, &one));
}

mc_value *op2_as(tcase *t, mc_opcode op, mc_value *x, mc_value *y, const void *attrs,
                 mc_dtype dtype) {
  int64_t one = 1;
  return mc_build1_as(&t->b, op, (mc_value *[]){ x, y }, 2, attrs,
                      mc_type_make(t->m, dtype, 1, &one));
}

mc_value *as_q(tcase *t, mc_opcode op, mc_value *x, const void *attrs, mc_dtype dtype, float scale,
               int32_t zero) {
  int64_t one = 1;
  return mc_build1_as(&t->b, op, &x, 1, attrs, mc_type_make_q(t->m, dtype, 1, &one, scale, zero));
}

mc_value *op2_q(tcase *t, mc_opcode op, mc_value *x, mc_value *y, mc_dtype dtype, float scale,
                int32_t zero) {
  int64_t one = 1;
  return mc_build1_as(&t->b, op, (mc_value *[]){ x, y }, 2, NULL,
                      mc_type_make_q(t->m, dtype, 1, &one, scale, zero));
}

mc_value *requant(tcase *t, mc_value *acc, int64_t k, mc_dtype dtype, int rounding) {
  mc_attrs_requantize at;
  mc_attrs_init(MC_OP_requantize, &at, t->a);
  at.rounding = rounding;
  float s0 = mc_type_scale(acc->type, 0), spread = 60.0f * sqrtf((float)k);
  return as_q(t, MC_OP_requantize, acc, &at, dtype, s0 * spread,
              (int32_t)rnd_in(t, dtype == MC_u8 ? 0 : -128, dtype == MC_u8 ? 255 : 127));
}

mc_ints ints(tcase *t, int n, const int64_t *v) {
  return (mc_ints){ n ? mc_arena_copy(t->a, v, sizeof *v * (size_t)n) : NULL, n };
}

void result(tcase *t, mc_value *v) {
  if (!v)
    fprintf(stderr, "%s: not built: %s\n", t->name,
            t->d.list.n ? t->d.list.v[t->d.list.n - 1].text : "?");
  if (v) t->out[t->nout++] = v;
}

/* ---- cases ---- */
tcase *sweep_begin(const char *fmt, ...) {
  char name[160];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(name, sizeof name, fmt, ap);
  va_end(ap);
  if ((s.filter && !strstr(name, s.filter)) || s.seen++ % s.every) return NULL;
  if (s.list) {
    printf("%s\n", name);
    return NULL;
  }
  mc_arena *a = mc_arena_create();
  tcase *t = MC_NEW(a, tcase);
  t->a = a;
  t->name = mc_arena_strdup(a, name);
  mc_diag_init(&t->d, a);
  t->m = mc_module_create();
  t->g = mc_graph_create(t->m, "g", mc_noloc);
  t->b = (mc_builder){ .graph = t->g, .diag = &t->d };
  for (const char *p = name; *p; p++) t->seed = t->seed * 131 + (uint64_t)*p;
  return t;
}

/* Numbers of all sizes; halfway between two numbers of 16 bits and next to that; what no other type
 * holds. */
static double some_f64(tcase *t, int64_t i) {
  static const double edge[] = { 0.0,
                                 -0.0,
                                 1e300,
                                 -1e300,
                                 INFINITY,
                                 -INFINITY,
                                 1e-310,
                                 2147483647.5,
                                 -2147483648.75,
                                 9.3e18,
                                 -1e19,
                                 0x1.ffffffffp-127,
                                 65519.999999,
                                 65520.0,
                                 0x1.fffffffep-1,
                                 3.4028235677973366e38,
                                 1e-45,
                                 0x1p-25,
                                 0x1.00001p-25 };
  double near = (double)(rnd_in(t, -1, 1)) * 0x1p-40;
  switch (i < (int64_t)(sizeof edge / sizeof *edge) ? 0 : 1 + (int)(rnd(t) % 4)) {
  case 0: return edge[i];
  case 1: return (double)rnd_f32(t, -1, 1);
  case 2: return (double)rnd_f32(t, -1e6f, 1e6f) * (1 + near);
  case 3: return (1 + (double)(2 * rnd_in(t, 0, 1023) + 1) * 0x1p-11) * (1 + near);
  default: return -(1 + (double)(2 * rnd_in(t, 0, 127) + 1) * 0x1p-8) * (1 + near);
  }
}

static void fill(tcase *t, const mc_type *ty, void *data) {
  for (int64_t i = 0; i < mc_type_elems(ty); i++) switch (ty->dtype) {
    case MC_f32: ((float *)data)[i] = rnd_f32(t, -1, 1); break;
    case MC_f64: ((double *)data)[i] = some_f64(t, i); break;
    case MC_u8: ((uint8_t *)data)[i] = (uint8_t)rnd_edge(t, 0, 255); break;
    case MC_i8: ((int8_t *)data)[i] = (int8_t)rnd_edge(t, -128, 127); break;
    case MC_bool: ((uint8_t *)data)[i] = rnd(t) & 1; break;
    case MC_i32: ((int32_t *)data)[i] = (int32_t)rnd_in(t, -40, 40); break;
    case MC_i64: ((int64_t *)data)[i] = rnd_in(t, -40, 40); break;
    case MC_bf16:
      ((uint16_t *)data)[i] =
          t->tolerance > 0 || rnd(t) % 16 ? mc_fx_bf16(rnd_f32(t, -1, 1)) : (uint16_t)rnd(t);
      break;
    default: ((uint16_t *)data)[i] = (uint16_t)rnd(t); break;
    }
  if (ty->dtype != MC_f32 || t->tolerance > 0) return;
  static const float edge[] = {
    0.0f,  -0.0f,       1e30f,       -1e30f,        INFINITY, -INFINITY, 1e-40f, 127.5f, -3.0f,
    88.8f, 1.00390625f, 1.01171875f, 3.3961775e38f, 65519.9f, 65520.0f,  3e-8f,  -6e-5f
  }; /* bit-exact code must handle these too */
  for (size_t i = 0; i < sizeof edge / sizeof *edge; i++)
    if (mc_type_elems(ty) > 24) ((float *)data)[rnd(t) % (uint64_t)mc_type_elems(ty)] = edge[i];
}

/* A last place of the number when it is stored in 16 bits: sums that differ by little may round to
 * neighbours. */
static double last_place(mc_dtype t, double x) { return t == MC_bf16 ? fabs(x) * 0x1p-7 : 0; }

static bool same(const tcase *t, const mc_type *ty, const void *got, const void *want,
                 int64_t *at) {
  size_t es = mc_dtype_size(ty->dtype);
  for (int64_t i = 0; i < mc_type_elems(ty); i++) {
    const char *a = (const char *)got + (size_t)i * es, *b = (const char *)want + (size_t)i * es;
    *at = i;
    if (memcmp(a, b, es) == 0) continue;
    if (!mc_dtype_is_float(ty->dtype)) return false;
    mc_array p = { ty, (void *)(uintptr_t)got }, q = { ty, (void *)(uintptr_t)want };
    double x = mc_array_real(&p, i), y = mc_array_real(&q, i);
    if (x != x && y != y) continue;
    if (!(t->tolerance > 0 && fabs(x - y) <= t->tolerance + last_place(ty->dtype, y))) return false;
  }
  return true;
}

static double value_at(const mc_type *ty, const void *p, int64_t i) {
  mc_array x = { ty, (void *)(uintptr_t)p };
  return mc_array_real(&x, i);
}

static bool complain(tcase *t, const char *what) {
  fprintf(stderr, "%s: %s\n", t->name, what);
  for (size_t i = 0; i < t->d.list.n; i++) fprintf(stderr, "  %s\n", t->d.list.v[i].text);
  return false;
}

static mc_plan *plan(tcase *t) {
  mc_pass_context cx = {
    .module = t->m, .graph = t->g, .scratch = t->a, .diag = &t->d, .target = s.target
  };
  mc_opts_form_groups o = { 0 };
  bool changed = false;
  mc_plan_opts po = { .threads = s.threads, .split_small = s.threads > 1 };
  if (!mc_pass_form_groups(&cx, &o, &changed)) return NULL;
  mc_opts_winograd all = { .force = true, .ready = t->ready };
  if (t->winograd && !mc_pass_winograd(&cx, &all, &changed)) return NULL;
  mc_plan *p = mc_plan_make(t->g, s.target, &po, t->a, &t->d);
  return p && mc_plan_check(p, &t->d) ? p : NULL;
}

enum { GUARD = 64 };

/* Memory with a pattern before and after: graph results must be written exactly. */
static unsigned char *guarded(tcase *t, size_t n) {
  unsigned char *p = mc_arena_alloc(t->a, n + 2 * GUARD);
  memset(p, 0xa5, n + 2 * GUARD);
  return p + GUARD;
}

static bool guards_whole(const unsigned char *p, size_t n) {
  for (int i = 0; i < GUARD; i++)
    if (p[-1 - i] != 0xa5 || p[n + (size_t)i] != 0xa5) return false;
  return true;
}

static bool check_result(tcase *t, int i, const mc_array *want, void *const *out) {
  int64_t at = 0;
  if (!same(t, want[i].type, out[i], want[i].data, &at)) {
    fprintf(stderr, "%s: result %d element %lld is %g, expected %g\n", t->name, i, (long long)at,
            value_at(want[i].type, out[i], at), value_at(want[i].type, want[i].data, at));
    return false;
  }
  return guards_whole(out[i], (size_t)mc_type_bytes(want[i].type)) ||
         complain(t, "writes outside a result");
}

static bool run_jit(tcase *t, const mc_plan *p, const mc_array *in, const mc_array *want) {
  mc_codegen_opts o = { .target = s.target, .prefix = "g", .opt_level = s.opt };
  mc_jit *j = mc_jit_create(p, &o, &t->d);
  if (!j) return complain(t, "does not compile");
  const void *inp[32];
  void *out[16];
  for (int i = 0; i < t->g->nin; i++) inp[i] = in[i].data;
  for (int i = 0; i < t->nout; i++) out[i] = guarded(t, (size_t)mc_type_bytes(want[i].type));
  unsigned char *arena = mc_arena_alloc(t->a, (size_t)p->arena_bytes + 2 * GUARD);
  memset(arena, 0xa5, (size_t)p->arena_bytes + 2 * GUARD);
  memset(arena + GUARD, 0xff, (size_t)p->arena_bytes); /* NaN in every float type */
  shares sh = { .name = t->name };
  bool ok = true;
  shares_add(&sh, arena + GUARD, (size_t)p->arena_bytes);
  for (int i = 0; i < t->nout; i++) shares_add(&sh, out[i], (size_t)mc_type_bytes(want[i].type));
  for (int round = 0; round < 2 + (s.threads > 1) && ok;
       round++) { /* the second run finds a dirty arena; the third is divided, on a clean one */
    for (int i = 0; round == 2 && i < sh.n; i++) memset(sh.part[i].p, 0xa5, sh.part[i].n);
    mc_jit_run_parallel(j, inp, out, arena + GUARD, round == 2 ? shares_run : NULL, &sh);
    ok = sh.overlaps == 0 || complain(t, "two shares write the same byte");
    for (int i = 0; i < t->nout && ok; i++) ok = check_result(t, i, want, out);
    if (ok && !guards_whole(arena + GUARD, (size_t)p->arena_bytes))
      ok = complain(t, "writes outside the arena");
  }
  s.shared += sh.calls;
  mc_jit_destroy(j);
  return ok;
}

/* DIR/cN.o and the case's line of the table: name, tolerance, then bytes of inputs and results,
 * whose contents go to the data file. */
static bool emit(tcase *t, const mc_plan *p, const mc_array *in, const mc_array *want) {
  mc_strbuf obj = { 0 };
  char *prefix = mc_arena_printf(t->a, "c%d", s.run);
  mc_codegen_opts o = { .target = s.target, .prefix = prefix, .opt_level = s.opt };
  if (!mc_codegen_emit(&obj, p, &o, MC_EMIT_OBJ, &t->d)) return complain(t, "does not compile");
  bool ok = mc_write_file(mc_arena_printf(t->a, "%s/%s.o", s.dir, prefix), obj.s, obj.n, &t->d);
  mc_sb_free(&obj);
  mc_sb_printf(&s.table, "CASE(%s, \"%s\", %g, %lld, %d, %d)\n", prefix, t->name, t->tolerance,
               (long long)p->arena_bytes, t->g->nin, t->nout);
  for (int i = 0; i < t->g->nin + t->nout; i++) {
    const mc_array *x = i < t->g->nin ? &in[i] : &want[i - t->g->nin];
    mc_dtype e = x->type->dtype;
    int64_t n = mc_type_bytes(x->type), f = e == MC_f32    ? 1
                                            : e == MC_bf16 ? 2
                                            : e == MC_f16  ? 3
                                            : e == MC_f64  ? 4
                                                           : 0;
    mc_sb_write(&s.data, &n, 8);
    mc_sb_write(&s.data, &f, 8);
    mc_sb_write(&s.data, x->data, (size_t)n);
  }
  return ok;
}

static mc_array new_array(tcase *t, const mc_type *type) {
  return (mc_array){ type, mc_arena_alloc(t->a, (size_t)mc_type_bytes(type)) };
}

static bool against_reference(tcase *t) {
  mc_array in[32], want[16];
  for (int i = 0; i < t->g->nin; i++) {
    in[i] = new_array(t, t->g->in[i]->type);
    fill(t, in[i].type, in[i].data);
  }
  for (int i = 0; i < t->nout; i++) want[i] = new_array(t, t->out[i]->type);
  if (!mc_eval_graph(t->g, in, want, NULL, &t->d)) return complain(t, "has no reference");
  mc_plan *p = plan(t);
  if (!p) return complain(t, "has no plan");
  for (int i = 0; (t->zeros || t->kept) && i < p->ngroup; i++)
    s.kept += strstr(mc_plan_describe(p, i, t->a), "weights kept as ") != NULL;
  for (int i = 0; t->zeros && i < p->ngroup; i++)
    s.sparse += strstr(mc_plan_describe(p, i, t->a), "multiplied, the others are 0") != NULL;
  return s.dir ? emit(t, p, in, want) : run_jit(t, p, in, want);
}

static bool compiles(tcase *t) {
  mc_strbuf obj = { 0 };
  mc_codegen_opts o = { .target = s.target, .prefix = "g", .opt_level = s.opt };
  mc_plan *p = plan(t);
  if (!p) return complain(t, "has no plan");
  bool ok = mc_codegen_emit(&obj, p, &o, MC_EMIT_OBJ, &t->d);
  mc_sb_free(&obj);
  return ok || complain(t, "does not compile");
}

void sweep_end(tcase *t) {
  bool ok = t->nout > 0;
  s.run++;
  if (ok) {
    mc_node_insert(t->g, NULL, mc_node_create(t->m, MC_OP_return, t->out, t->nout, 0, mc_noloc));
    ok = s.compile ? compiles(t) : against_reference(t);
  }
  s.failed += !ok;
  mc_module_destroy(t->m);
  mc_arena_destroy(t->a);
}

/* Cores of AArch64 have more than isa.def asks about: rows for any machine with the instructions
 * alone. */
static void list_levels(void) {
  uint64_t real = mc_host_isa(), all = emulate_host() ? mc_host_isa() : real;
  for (int i = 0; i < mc_target_count(); i++) {
    const mc_target *t = mc_target_at(i);
    if (t->arch != mc_host_arch()) continue;
    if (t->arch == MC_ARCH_aarch64 && strcmp(t->cpu, "generic") != 0) continue;
    printf("%s %s\n", t->name, t->isa & ~all ? "lacks" : t->isa & ~real ? "emulated" : "runs");
  }
}

static bool option(const char *arg, const char *name, const char **value) {
  size_t n = strlen(name);
  if (strncmp(arg, name, n) != 0) return false;
  *value = arg + n;
  return true;
}

/* `--name=N`: N from `lo` to `hi`, else *bad is set. */
static bool number(const char *arg, const char *name, int lo, int hi, int *out, const char **bad) {
  const char *v;
  char *end;
  if (!option(arg, name, &v)) return false;
  long n = strtol(v, &end, 10);
  if (!*v || *end || n < lo || n > hi) *bad = arg;
  *out = (int)n;
  return true;
}

/* Engines are named by their rows; the target must have the instructions. */
static bool engine_is_there(void) {
  const mc_engine *e;
  for (int i = 0; (e = mc_engine_at(i)) != NULL; i++)
    if (!strcmp(e->name, s.engine)) return mc_engine_fits(e, s.target);
  return false;
}

int main(int argc, char **argv) {
  const char *bad = NULL;
  bool emulating = false;
  s.march = "native";
  for (int i = 1; i < argc; i++) {
    if (option(argv[i], "--march=", &s.march) || option(argv[i], "--emit=", &s.dir) ||
        option(argv[i], "--engine=", &s.engine) ||
        number(argv[i], "--every=", 1, 1 << 20, &s.every, &bad) ||
        number(argv[i], "--opt=", 0, 3, &s.opt, &bad) ||
        number(argv[i], "--threads=", 1, 64, &s.threads, &bad) ||
        number(argv[i], "--random=", 1, 1 << 20, &s.random, &bad))
      continue;
    if (strcmp(argv[i], "--small-weights") == 0)
      sweep_small_weights = true;
    else if (strcmp(argv[i], "--list") == 0)
      s.list = true;
    else if (strcmp(argv[i], "--levels") == 0)
      return list_levels(), 0;
    else if (strcmp(argv[i], "--compile") == 0)
      s.compile = true;
    else if (strcmp(argv[i], "--emulate") == 0)
      emulating = emulate_host();
    else if (argv[i][0] == '-')
      bad = argv[i];
    else
      s.filter = argv[i];
  }
  if (bad) return fprintf(stderr, "no option, or not its range: %s\n", bad), 2;
  mc_diag d;
  s.a = mc_arena_create();
  mc_diag_init(&d, s.a);
  s.target = mc_target_find(NULL, s.march, s.a, &d);
  if (!s.target) return fprintf(stderr, "unknown level %s\n", s.march), 2;
  if (s.engine && !engine_is_there())
    return fprintf(stderr, "%s has no engine %s\n", s.target->name, s.engine), 2;
  if (s.engine) {
    mc_target *t = mc_arena_copy(s.a, s.target, sizeof *s.target);
    t->engine = s.engine;
    s.target = t;
  }
  if (sweep_small_weights) s.target = mc_target_small_weights(s.target, s.a);
  if (!s.dir && !s.compile && (s.target->isa & ~mc_host_isa()))
    return 0; /* this machine cannot run it */
  if (s.random) {
    sweep_random_products(s.random);
    sweep_random_depthwise(s.random);
  } else if (sweep_small_weights) {
    sweep_sparse();
    sweep_few_bits();
  } else {
    sweep_products();
    sweep_sparse();
    sweep_few_bits();
    sweep_depthwise();
    sweep_elementwise();
    sweep_shapes();
  }
  if (!s.seen) {
    fprintf(stderr, "no case has '%s' in its name\n", s.filter ? s.filter : "");
    s.failed++;
  }
  if (s.dir) {
    mc_write_file(mc_arena_printf(s.a, "%s/cases.def", s.dir), mc_sb_str(&s.table), s.table.n, &d);
    mc_write_file(mc_arena_printf(s.a, "%s/cases.bin", s.dir), mc_sb_str(&s.data), s.data.n, &d);
  }
  if (emulating)
    printf("emulated: %llu tile products, %llu vector dot products\n",
           (unsigned long long)emulate_count(EMULATE_product),
           (unsigned long long)emulate_count(EMULATE_vnni));
  if (s.sparse) printf("%d products leave out zeros\n", s.sparse);
  if (s.kept) printf("%d products keep weights small\n", s.kept);
  if (s.threads > 1) printf("%d functions divided into up to %d shares\n", s.shared, s.threads);
  if (s.failed && s.run) fprintf(stderr, "%d of %d cases failed\n", s.failed, s.run);
  mc_sb_free(&s.table);
  mc_sb_free(&s.data);
  mc_arena_destroy(s.a);
  return s.failed != 0;
}
