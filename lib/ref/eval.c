/* Walk a graph, keep values while they are needed. */
#include "eval.h"
#include <stdlib.h>

static bool (*const table[MC_NUM_OPS])(mc_eval_cx *) = {
#define MC_OP(id, lo, hi, outs, traits, doc) mc_eval_##id,
#include "mc/ir/ops.def"
};

bool mc_eval_no_form(mc_eval_cx *cx) {
  mc_strbuf s = { 0 };
  for (int i = 0; i < cx->nin; i++) {
    if (i) mc_sb_puts(&s, ", ");
    mc_type_print(&s, cx->in[i].type);
  }
  mc_sb_puts(&s, " -> ");
  for (int i = 0; i < cx->nout; i++) {
    if (i) mc_sb_puts(&s, ", ");
    mc_type_print(&s, cx->out[i].type);
  }
  mc_error(cx->diag, cx->node->loc, "%s cannot be evaluated on these types: %s",
           mc_ops[cx->node->op].text, mc_sb_str(&s));
  mc_sb_free(&s);
  return false;
}

/* Structure ops are handled by the walk below. */
bool mc_eval_group(mc_eval_cx *cx) {
  return mc_error(cx->diag, cx->node->loc, "a group cannot be evaluated outside its graph");
}

bool mc_eval_return(mc_eval_cx *cx) {
  return mc_error(cx->diag, cx->node->loc, "return cannot be evaluated outside its graph");
}

static bool copy_tensor(mc_eval_cx *cx) {
  memcpy(cx->out[0].data, mc_value_tensor(cx->node->out[0])->data,
         (size_t)mc_type_bytes(cx->out[0].type));
  return true;
}

bool mc_eval_weight(mc_eval_cx *cx) { return copy_tensor(cx); }

bool mc_eval_const(mc_eval_cx *cx) { return copy_tensor(cx); }

/* ---- bf16: a form of storage ---- */
/* Ops that only copy elements, or convert them themselves. */
static bool takes_bf16(const mc_node *n) {
  switch (n->op) {
  case MC_OP_max_pool:
  case MC_OP_global_max_pool:
  case MC_OP_reduce_max: return false;
  case MC_OP_resize: return MC_ATTRS(n, resize)->mode == mc_resize_nearest;
  case MC_OP_cast: return true;
  default: return mc_op_has(n->op, MC_T_MOVE | MC_T_CONST);
  }
}

static const mc_type *as_f32(mc_eval_cx *cx, const mc_type *t) {
  mc_type *f = mc_arena_copy(cx->scratch, t, sizeof *t);
  f->dtype = MC_f32;
  return f;
}

/* Operands in bf16 become fp32 (exactly), results in bf16 are first computed in fp32: every op is
 * its fp32 self. */
static void in_fp32(mc_eval_cx *cx, mc_array *in, mc_array *out) {
  if (takes_bf16(cx->node)) return;
  for (int i = 0; i < cx->nin; i++) {
    if (in[i].type->dtype != MC_bf16) continue;
    int64_t n = mc_type_elems(in[i].type);
    float *x = MC_NEWN(cx->scratch, float, n);
    for (int64_t k = 0; k < n; k++) x[k] = mc_fx_from_bf16(((const uint16_t *)in[i].data)[k]);
    in[i] = (mc_array){ as_f32(cx, in[i].type), x };
  }
  for (int i = 0; i < cx->nout; i++) {
    if (out[i].type->dtype != MC_bf16) continue;
    out[i].type = as_f32(cx, out[i].type);
    out[i].data = MC_NEWN(cx->scratch, float, mc_type_elems(out[i].type));
  }
}

static void round_to_bf16(const mc_array *x, uint16_t *to) {
  for (int64_t i = 0, n = mc_type_elems(x->type); i < n; i++)
    to[i] = mc_fx_bf16(((const float *)x->data)[i]);
}

bool mc_eval_node(const mc_node *n, const mc_array *in, mc_array *out, mc_diag *d) {
  mc_eval_cx cx = {
    .node = n, .diag = d, .nin = n->nin, .nout = n->nout, .scratch = mc_arena_create()
  };
  mc_array *a = MC_NEWN(cx.scratch, mc_array, n->nin), *y = MC_NEWN(cx.scratch, mc_array, n->nout);
  for (int i = 0; i < n->nin; i++)
    a[i] = (mc_array){ in[i].type ? in[i].type : n->in[i]->type, in[i].data };
  for (int i = 0; i < n->nout; i++) y[i] = (mc_array){ n->out[i]->type, out[i].data };
  cx.in = a;
  cx.out = y;
  in_fp32(&cx, a, y);
  bool ok = table[n->op](&cx);
  for (int i = 0; ok && i < n->nout; i++)
    if (y[i].type != n->out[i]->type) round_to_bf16(&y[i], out[i].data);
  mc_arena_destroy(cx.scratch);
  return ok;
}

/* ---- the walk ---- */
typedef struct slot {
  mc_array x;
  bool owned;
  int uses_left;
} slot;

typedef struct walk {
  mc_arena *arena;
  mc_map slots;
  const mc_eval_opts *opts;
  mc_diag *diag;
} walk;

static void *new_data(const mc_type *t) {
  size_t n = ((size_t)mc_type_bytes(t) + 63) & ~(size_t)63;
  void *p = aligned_alloc(64, n);
  if (!p) abort();
  return p;
}

static slot *slot_of(walk *w, const mc_value *v) {
  void **p = mc_map_ptr_slot(&w->slots, v);
  if (!*p) *p = MC_NEW(w->arena, slot);
  return *p;
}

static void drop(slot *s) {
  if (s->owned) free(s->x.data);
  *s = (slot){ 0 };
}

/* A value has come into being: note how often it will be read, show it to the observer. */
static bool define(walk *w, const mc_value *v, void *data, bool owned) {
  slot *s = slot_of(w, v);
  *s = (slot){ .x = { v->type, data }, .owned = owned, .uses_left = mc_value_nuses(v) };
  bool constant = v->def && mc_op_has(v->def->op, MC_T_CONST);
  bool go_on =
      constant || !w->opts || !w->opts->observe || w->opts->observe(w->opts->ctx, v, &s->x);
  if (s->uses_left == 0) drop(s);
  return go_on;
}

static void used(walk *w, const mc_value *v) {
  slot *s = slot_of(w, v);
  if (--s->uses_left == 0) drop(s);
}

/* Constants are read where they lie, unless a mapped file put them at an odd address. */
static bool define_constant(walk *w, const mc_node *n) {
  const mc_tensor *t = mc_value_tensor(n->out[0]);
  size_t size = mc_dtype_size(t->dtype);
  if ((uintptr_t)t->data % size == 0)
    return define(w, n->out[0], (void *)(uintptr_t)t->data, false);
  void *data = new_data(n->out[0]->type);
  memcpy(data, t->data, (size_t)mc_type_bytes(n->out[0]->type));
  return define(w, n->out[0], data, true);
}

static bool walk_nodes(walk *w, const mc_graph *g, mc_array *results);

static bool walk_group(walk *w, const mc_node *n) {
  mc_array *y = MC_NEWN(w->arena, mc_array, n->nout);
  for (int i = 0; i < n->nout; i++) y[i] = (mc_array){ n->out[i]->type, new_data(n->out[i]->type) };
  bool ok = walk_nodes(w, n->region, y);
  int i = 0;
  for (; ok && i < n->nout; i++) ok = define(w, n->out[i], y[i].data, true);
  for (; i < n->nout; i++) free(y[i].data);
  return ok;
}

static bool walk_plain(walk *w, const mc_node *n) {
  mc_array *a = MC_NEWN(w->arena, mc_array, n->nin), *y = MC_NEWN(w->arena, mc_array, n->nout);
  for (int i = 0; i < n->nin; i++) a[i] = slot_of(w, n->in[i])->x;
  for (int i = 0; i < n->nout; i++) y[i] = (mc_array){ n->out[i]->type, new_data(n->out[i]->type) };
  bool ok = mc_eval_node(n, a, y, w->diag);
  int i = 0;
  for (; ok && i < n->nout; i++) ok = define(w, n->out[i], y[i].data, true);
  for (; i < n->nout; i++) free(y[i].data);
  for (i = 0; ok && i < n->nin; i++) used(w, n->in[i]);
  return ok;
}

static void walk_return(walk *w, const mc_node *n, mc_array *results) {
  for (int i = 0; i < n->nin; i++)
    memcpy(results[i].data, slot_of(w, n->in[i])->x.data, (size_t)mc_type_bytes(n->in[i]->type));
  for (int i = 0; i < n->nin; i++) used(w, n->in[i]);
}

static bool walk_nodes(walk *w, const mc_graph *g, mc_array *results) {
  for (const mc_node *n = g->first; n; n = n->next) {
    if (n->op == MC_OP_return) return walk_return(w, n, results), true;
    bool ok = n->op == MC_OP_group           ? walk_group(w, n)
              : mc_op_has(n->op, MC_T_CONST) ? define_constant(w, n)
                                             : walk_plain(w, n);
    if (!ok) return false;
  }
  return mc_error(w->diag, g->loc, "the graph has no return");
}

bool mc_eval_graph(const mc_graph *g, const mc_array *in, mc_array *out, const mc_eval_opts *opts,
                   mc_diag *d) {
  walk w = { .arena = mc_arena_create(), .opts = opts, .diag = d };
  mc_map_init(&w.slots, w.arena);
  bool ok = true;
  for (int i = 0; ok && i < g->nin; i++) ok = define(&w, g->in[i], in[i].data, false);
  ok = ok && walk_nodes(&w, g, out);
  for (size_t i = 0; i < w.slots.n; i++)
    if (w.slots.entries[i].val) drop(w.slots.entries[i].val); /* what a failure left */
  mc_arena_destroy(w.arena);
  return ok;
}
