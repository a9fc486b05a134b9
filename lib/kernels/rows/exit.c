/* early_exit: the group that takes the rows of the first operand that is sure of itself, and the
 * functions that tell before whether all rows are, so that what comes between is left out
 * (docs/internals/exits.md). Both compute alike, so they agree. */
#include "lower.h"
#include "mc/ir/exits.h"
#include <math.h>

typedef struct ex {
  kgroup *g;
  kbuilder *k;
  const mc_node *head;
  kview threshold, x[MC_EXIT_MOST];
  int exits;
  int64_t rows, classes;
} ex;

static ex open_exit(kgroup *g) {
  ex e = { .g = g, .k = g->k, .head = group_first(g) };
  const mc_type *t = e.head->in[1]->type;
  e.exits = e.head->nin - 2;
  e.rows = t->dim[0];
  e.classes = t->dim[1];
  return e;
}

static kvalue row_of(const ex *e, const kview *v, kvalue row) {
  return build_address(e->k, v->base, build_mul_const(e->k, row, v->stride[0]));
}

static kvalue at(const ex *e, const kview *v, kvalue row, kvalue i) {
  return memory_load(e->k, build_address(e->k, row, build_mul_const(e->k, i, v->stride[1])), MC_f32,
                     view_elem_bytes(v), 1, 1, false);
}

static kvalue greater(const ex *e, kvalue a, kvalue b) {
  return LLVMBuildFCmp(e->k->b, LLVMRealOGT, a, b, "");
}

/* What the loop over the classes carries: the largest, the second largest; or the entropy. */
static void step(const ex *e, kvalue p, const kvalue *now, kvalue *next) {
  kbuilder *k = e->k;
  if (MC_ATTRS(e->head, early_exit)->metric == mc_sure_entropy) {
    kfmath f = { k, 1 };
    kvalue zero = build_f32(k, 0), h = LLVMBuildFMul(k->b, p, fmath_log(&f, p), "");
    next[0] = LLVMBuildFSub(k->b, now[0], build_select(k, greater(e, p, zero), h, zero), "");
    next[1] = now[1];
    return;
  }
  kvalue more = greater(e, p, now[0]);
  next[0] = build_select(k, more, p, now[0]);
  next[1] = build_select(k, more, now[0], build_select(k, greater(e, p, now[1]), p, now[1]));
}

/* i1: row `row` of operand x is sure. */
static kvalue sure(const ex *e, int x, kvalue row) {
  kbuilder *k = e->k;
  mc_e_sure metric = (mc_e_sure)MC_ATTRS(e->head, early_exit)->metric;
  bool entropy = metric == mc_sure_entropy;
  const kview *v = &e->x[x];
  kvalue p = row_of(e, v, row), zero = build_f32(k, 0), next[2],
         init[2] = { entropy ? zero : at(e, v, p, build_i64(k, 0)), build_f32(k, -INFINITY) };
  kloop l;
  build_for(k, &l, build_i64(k, entropy ? 0 : 1), build_i64(k, e->classes), 1, init, 2);
  step(e, at(e, v, p, l.iv), l.carried, next);
  build_end(k, &l, next);
  kvalue t = memory_load(k, build_offset(k, e->threshold.base, x * e->threshold.stride[0]), MC_f32,
                         view_elem_bytes(&e->threshold), 1, 1, false);
  kvalue how =
      metric == mc_sure_margin ? LLVMBuildFSub(k->b, l.carried[0], l.carried[1], "") : l.carried[0];
  return LLVMBuildFCmp(k->b, entropy ? LLVMRealOLE : LLVMRealOGE, how, t, "");
}

/* Views of the first n operands x, in the present function. */
static void open_views(ex *e, int n) {
  e->threshold = view_of(e->g, e->head->in[0]);
  for (int i = 0; i < n; i++) e->x[i] = view_of(e->g, e->head->in[i + 1]);
}

static void take(const ex *e, const kview *y, const kview *which, kvalue row) {
  kbuilder *k = e->k;
  kvalue from = row_of(e, &e->x[e->exits], row), number = build_i32(k, e->exits);
  for (int i = e->exits; i-- > 0;) {
    kvalue s = sure(e, i, row);
    from = build_select(k, s, row_of(e, &e->x[i], row), from);
    number = build_select(k, s, build_i32(k, i), number);
  }
  kvalue to = row_of(e, y, row);
  kloop l;
  build_for(k, &l, build_i64(k, 0), build_i64(k, e->classes), 1, NULL, 0);
  memory_store(k, at(e, &e->x[0], from, l.iv),
               build_address(k, to, build_mul_const(k, l.iv, y->stride[1])), MC_f32,
               view_elem_bytes(y), 1);
  build_end(k, &l, NULL);
  memory_store(k, number, row_of(e, which, row), MC_i32, view_elem_bytes(which), 1);
}

bool family_emit_exit(kgroup *g) {
  if (!group_single(g)) return false;
  ex e = open_exit(g);
  open_views(&e, e.exits + 1);
  kview y = view_of(g, g->group->out[0]), which = view_of(g, g->group->out[1]);
  kloop once, l;
  int split = split_nest(g, &once, 1, &e.rows, 1);
  split_range(g, &l, e.rows, 1, split == 0);
  take(&e, &y, &which, l.iv);
  build_end(g->k, &l, NULL);
  build_end(g->k, &once, NULL);
  return true;
}

kvalue exit_known(kgroup *g, int n, const char *name) {
  kbuilder *k = g->k;
  ex e = open_exit(g);
  kvalue f = build_function(k, name, k->i32, 2, 0, false);
  build_debug_function(k, f, name, e.head->loc);
  open_views(&e, n);
  kvalue all = build_i32(k, 1);
  kloop l;
  build_for(k, &l, build_i64(k, 0), build_i64(k, e.rows), 1, &all, 1);
  int first = e.rows == 1 ? n - 1 : 0; /* the row was not sure before */
  kvalue any = sure(&e, first, l.iv);
  for (int i = first + 1; i < n; i++) any = LLVMBuildOr(k->b, any, sure(&e, i, l.iv), "");
  kvalue next = build_select(k, any, l.carried[0], build_i32(k, 0));
  build_end(k, &l, &next);
  LLVMBuildRet(k->b, l.carried[0]);
  return f;
}
