#include "testpass.h"
#include "mc/ir/build.h"
#include <stdlib.h>
#include <string.h>

enum { BREAK_TYPE, BREAK_VALUE, BREAK_LIE, BREAK_FAIL, BREAK_SILENT, BREAK_CRASH };

static const char *const kinds[] = { "type", "value", "lie", "fail", "silent", "crash", NULL };

typedef struct break_opts {
  mc_field_ENUM kind;
} break_opts;

typedef struct shift_opts {
  mc_field_F64 by, bound;
} shift_opts;

/* Add `by` to the first result of the graph. */
static bool shift_result(mc_pass_context *cx, float by) {
  mc_node *ret = cx->graph->last;
  mc_builder b = { .graph = cx->graph, .before = ret, .diag = cx->diag, .loc = ret->loc };
  void *data;
  mc_tensor *t = mc_tensor_create(cx->module, NULL, MC_f32, 0, NULL, &data);
  memcpy(data, &by, sizeof by);
  mc_value *c = mc_build_tensor(&b, t, NULL);
  mc_value *sum = c ? mc_build1(&b, MC_OP_add, (mc_value *[]){ ret->in[0], c }, 2, NULL) : NULL;
  if (sum) mc_node_set_in(ret, 0, sum);
  return sum != NULL;
}

/* Give the first node a shape that its operands do not give. */
static void break_type(mc_graph *g) {
  MC_FOR_NODES (n, g) {
    if (n->nout == 0 || mc_op_has(n->op, MC_T_CONST)) continue;
    const int64_t dim[] = { 7, 7, 7 };
    n->out[0]->type = mc_type_with_dims(g->module, n->out[0]->type, 3, dim);
    return;
  }
}

static bool run_break(mc_pass_context *cx, const void *opts, bool *changed) {
  const break_opts *o = opts;
  *changed = o->kind != BREAK_LIE;
  switch (o->kind) {
  case BREAK_TYPE: break_type(cx->graph); return true;
  case BREAK_VALUE:
  case BREAK_LIE: return shift_result(cx, 0.5f);
  case BREAK_FAIL: return mc_error(cx->diag, cx->loc, "test-break fails as asked");
  case BREAK_SILENT: return false;
  case BREAK_CRASH: abort();
  }
  return false;
}

static bool run_shift(mc_pass_context *cx, const void *opts, bool *changed) {
  const shift_opts *o = opts;
  cx->bound = o->bound;
  return *changed = shift_result(cx, (float)o->by);
}

static const mc_field break_fields[] = {
  { "kind", MC_F_ENUM, 1, offsetof(break_opts, kind), "type", kinds, "what goes wrong" }, { 0 }
};
static const mc_field shift_fields[] = { { "by", MC_F_F64, 1, offsetof(shift_opts, by), "0.0", NULL,
                                           "added to the first result" },
                                         { "bound", MC_F_F64, 1, offsetof(shift_opts, bound), "0.0",
                                           NULL, "relative L2 that is promised" },
                                         { 0 } };
static const mc_stat_info no_stats[] = { { 0 } };
static const mc_pass_info passes[] = {
  { "test-break", "misbehave", MC_EXACT, sizeof(break_opts), break_fields, no_stats, 0, run_break },
  { "test-round", "shift the result, promise rounding", MC_ROUNDS, sizeof(shift_opts), shift_fields,
    no_stats, 0, run_shift },
  { "test-lossy", "shift the result, promise a bound", MC_LOSSY, sizeof(shift_opts), shift_fields,
    no_stats, 0, run_shift },
};

const mc_registry *testpass_registry(const mc_registry *r, mc_arena *a) {
  int n = (int)(sizeof passes / sizeof *passes);
  mc_pass_info *all = MC_NEWN(a, mc_pass_info, r->npass + n);
  memcpy(all, r->pass, sizeof *all * (size_t)r->npass);
  memcpy(all + r->npass, passes, sizeof passes);
  mc_registry *out = MC_NEW(a, mc_registry);
  *out = (mc_registry){ all, r->npass + n, r->alias, r->nalias };
  return out;
}
