/* mc_runner on the JIT: the graph is copied, watched values become results of the copy, and the
 * copy is compiled for the host. */
#include "mc/driver/compile.h"

typedef struct exe {
  mc_arena *a;
  mc_module *m;
  mc_jit *jit;
  int nin, nout;
  const void **in;
  void **out;
} exe;

static void release(void *p) {
  exe *e = p;
  if (e->jit) mc_jit_destroy(e->jit);
  if (e->m) mc_module_destroy(e->m);
  mc_arena_destroy(e->a);
}

/* Copies keep the order of inputs, nodes and results, so walking both graphs pairs their values. */
static void pair_values(mc_map *to, const mc_graph *g, mc_graph *c) {
  for (int i = 0; i < g->nin; i++) *mc_map_ptr_slot(to, g->in[i]) = c->in[i];
  mc_node *k = c->first;
  for (const mc_node *n = g->first; n; n = n->next, k = k->next)
    for (int i = 0; i < n->nout; i++) *mc_map_ptr_slot(to, n->out[i]) = k->out[i];
}

/* The copied graph alone in its module, with the watched values after its results. */
static mc_graph *watched_copy(exe *e, const mc_graph *g, mc_value *const *watch, int nwatch) {
  mc_graph *c = mc_graph_clone(g);
  e->m = c->module;
  e->m->graphs = c;
  c->next = NULL;
  mc_map to;
  mc_map_init(&to, e->a);
  pair_values(&to, g, c);
  mc_node *ret = c->last;
  mc_value **out = MC_NEWN(e->a, mc_value *, ret->nin + nwatch);
  for (int i = 0; i < ret->nin; i++) out[i] = ret->in[i];
  for (int i = 0; i < nwatch; i++) out[ret->nin + i] = mc_map_ptr_get(&to, watch[i]);
  mc_node_set_nin(ret, out, ret->nin + nwatch);
  return c;
}

static void *prepare(void *ctx, const mc_graph *g, mc_value *const *watch, int nwatch, mc_diag *d) {
  mc_arena *a = mc_arena_create();
  exe *e = MC_NEW(a, exe);
  e->a = a;
  mc_graph *c = watched_copy(e, g, watch, nwatch);
  e->nin = c->nin;
  e->nout = mc_graph_nout(c);
  e->in = MC_NEWN(a, const void *, e->nin);
  e->out = MC_NEWN(a, void *, e->nout);
  mc_compile_opts o = mc_compile_defaults();
  mc_compile_report rep;
  o.opt_level = 1;
  o.target = ctx;
  o.pipeline = "dce,from-qdq{integers=false},form-groups";
  o.prefix = "calibrate";
  e->jit = mc_compile_jit(e->m, &o, &rep, a, d);
  if (e->jit) return e;
  release(e);
  return NULL;
}

static bool run(void *p, const mc_array *in, mc_array *out, mc_diag *d) {
  exe *e = p;
  for (int i = 0; i < e->nin; i++) e->in[i] = in[i].data;
  for (int i = 0; i < e->nout; i++) e->out[i] = out[i].data;
  int rc = mc_jit_run(e->jit, e->in, e->out, NULL);
  return rc == 0 || mc_error(d, mc_noloc, "the compiled graph failed with code %d", rc);
}

const mc_runner *mc_compile_runner(const mc_target *native, mc_arena *a) {
  mc_runner *r = MC_NEW(a, mc_runner);
  *r = (mc_runner){ .prepare = prepare,
                    .run = run,
                    .release = release,
                    .ctx = mc_arena_copy(a, native, sizeof *native) };
  return r;
}
