/* Every invariant of the graph. Mistakes of a text and bugs of a pass look alike here: both are
 * reported at the node. */
#include "mc/ir/verify.h"
#include "infer/infer.h"
#include <math.h>
#include <string.h>

typedef struct verifier {
  const mc_module *module;
  mc_diag *diag;
  mc_arena *arena;
  mc_map visible; /* value -> its counter while it may be used, NULL afterwards */
  bool ok;
} verifier;

typedef struct counter {
  int uses;
} counter;

static void fail(verifier *v, mc_loc loc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(verifier *v, mc_loc loc, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_report(v->diag, MC_ERROR, loc, fmt, ap);
  va_end(ap);
  v->ok = false;
}

static const char *op_text(const mc_node *n) { return mc_ops[n->op].text; }

static const char *value_text(verifier *v, const mc_value *x) {
  if (x->name) return mc_arena_printf(v->arena, "%%%s", x->name);
  if (x->def) return mc_arena_printf(v->arena, "result %d of %s", x->index, op_text(x->def));
  return mc_arena_printf(v->arena, "input %d", x->index);
}

/* ---- values and their types ---- */

static void check_type(verifier *v, mc_loc loc, const char *what, const mc_type *t) {
  if (!t) {
    fail(v, loc, "%s has no type", what);
    return;
  }
  const char *wrong = mc_type_check(t);
  if (wrong)
    fail(v, loc, "%s has an illegal type: %s", what, wrong);
  else if (t->q.kind == MC_Q_AXIS && mc_module_tensor(v->module, t->q.scales->name) != t->q.scales)
    fail(v, loc, "the scales @%s of %s are not a tensor of this module", t->q.scales->name, what);
}

static void check_value(verifier *v, mc_loc loc, const mc_value *x) {
  const char *what = value_text(v, x);
  check_type(v, loc, what, x->type);
  if (x->range.known &&
      !(isfinite(x->range.lo) && isfinite(x->range.hi) && x->range.lo <= x->range.hi))
    fail(v, loc, "the range of %s must be finite with low <= high", what);
}

static void enter_value(verifier *v, const mc_value *x) {
  *mc_map_ptr_slot(&v->visible, x) = MC_NEW(v->arena, counter);
}

/* The end of x's scope: its use list must hold exactly the uses that were seen. */
static void leave_value(verifier *v, mc_loc loc, const mc_value *x) {
  void **slot = mc_map_ptr_slot(&v->visible, x);
  int seen = ((counter *)*slot)->uses, listed = 0;
  *slot = NULL;
  const mc_use *prev = NULL;
  for (const mc_use *u = x->uses; u && listed <= seen; prev = u, u = u->next, listed++) {
    const mc_node *n = u->user;
    bool good = n && u->prev == prev && u->slot >= 0 && u->slot < n->nin &&
                &n->in_use[u->slot] == u && n->in[u->slot] == x;
    if (!good) {
      fail(v, loc, "the use list of %s is broken", value_text(v, x));
      return;
    }
  }
  if (listed > seen) fail(v, loc, "%s is used by a node outside of its scope", value_text(v, x));
  if (listed < seen) fail(v, loc, "the use list of %s lacks a use", value_text(v, x));
}

/* ---- nodes ---- */

static bool check_operands(verifier *v, const mc_node *n) {
  bool ok = true;
  for (int i = 0; i < n->nin; i++) {
    const mc_value *x = n->in[i];
    counter *c = x ? mc_map_ptr_get(&v->visible, x) : NULL;
    if (!x)
      fail(v, n->loc, "%s: operand %d is missing", op_text(n), i);
    else if (!c)
      fail(v, n->loc, "%s: operand %d (%s) is used before or outside of its definition", op_text(n),
           i, value_text(v, x));
    else
      c->uses++;
    if (x && (n->in_use[i].user != n || n->in_use[i].slot != i))
      fail(v, n->loc, "%s: the use entry of operand %d is broken", op_text(n), i);
    ok = ok && c && x->type;
  }
  return ok;
}

static bool type_equal(const mc_type *a, const mc_type *b) {
  return mc_type_same_shape(a, b) && mc_inf_same_elem(a, b);
}

/* Inference, asked for the element type that the first result has, must give the types that are
 * there. */
static void check_inference(verifier *v, const mc_node *n) {
  for (int i = 0; i < n->nout; i++)
    if (!n->out[i]->type) return; /* reported by check_value */
  mc_type *out = MC_NEWN(v->arena, mc_type, n->nout);
  mc_module *m = (mc_module *)(uintptr_t)v->module; /* inference does not change it */
  if (!mc_infer_node(m, n, n->nout ? n->out[0]->type : NULL, out, v->diag)) {
    v->ok = false;
    return;
  }
  for (int i = 0; i < n->nout; i++) {
    const mc_type *t = n->out[i]->type;
    if (type_equal(t, &out[i])) continue;
    mc_strbuf b = { 0 };
    mc_type_print(&b, t);
    mc_sb_puts(&b, ", but the op gives ");
    mc_type_print(&b, &out[i]);
    fail(v, n->loc, "%s: result %d is declared as %s", op_text(n), i, mc_sb_str(&b));
    mc_sb_free(&b);
  }
}

static void check_tensor_of(verifier *v, const mc_node *n) {
  if (n->op != MC_OP_weight || !MC_ATTRS(n, weight)->name) return;
  const mc_tensor *t = MC_ATTRS(n, weight)->name;
  if (!t->name || mc_module_tensor(v->module, t->name) != t)
    fail(v, n->loc, "weight: @%s is not a tensor of this module", t->name ? t->name : "");
}

static void check_graph(verifier *v, const mc_graph *g);

static void check_node(verifier *v, const mc_graph *g, const mc_node *n) {
  bool region_ok = true;
  if (n->graph != g || (n->prev ? n->prev->next != n : g->first != n))
    fail(v, n->loc, "%s: the list of nodes is broken", op_text(n));
  if (n->op == MC_OP_return && n != g->last)
    fail(v, n->loc, "return must be the last op of its graph");
  if (n->region && !mc_op_has(n->op, MC_T_REGION))
    fail(v, n->loc, "%s cannot have a region", op_text(n));
  if (n->region && mc_op_has(n->op, MC_T_REGION)) {
    bool before = v->ok;
    v->ok = true;
    if (n->region->parent != n) fail(v, n->loc, "%s: its region belongs to another op", op_text(n));
    check_graph(v, n->region);
    region_ok = v->ok;
    v->ok = before && region_ok;
  }
  bool operands_ok = check_operands(v, n);
  check_tensor_of(v, n);
  for (int i = 0; i < n->nout; i++) {
    if (n->out[i]->def != n || n->out[i]->index != i)
      fail(v, n->loc, "%s: result %d does not know its definition", op_text(n), i);
    check_value(v, n->loc, n->out[i]);
  }
  if (operands_ok && region_ok) check_inference(v, n);
  for (int i = 0; i < n->nout; i++) enter_value(v, n->out[i]);
}

/* ---- graphs ---- */

static void check_inputs(verifier *v, const mc_graph *g) {
  if (g->parent && g->nin) fail(v, g->loc, "a region has no inputs");
  for (int i = 0; i < g->nin; i++) {
    const mc_value *x = g->in[i];
    if (x->def || x->index != i || x->graph != g)
      fail(v, x->loc, "input %d does not know its graph", i);
    check_value(v, x->loc, x);
    enter_value(v, x);
  }
}

static void check_graph(verifier *v, const mc_graph *g) {
  check_inputs(v, g);
  for (const mc_node *n = g->first; n; n = n->next) check_node(v, g, n);
  const char *what = g->parent ? "a region" : "a graph";
  if (!g->last || g->last->op != MC_OP_return)
    fail(v, g->loc, "%s must end with return", what);
  else if (!g->last->nin)
    fail(v, g->last->loc, "%s must return at least one value", what);
  for (int i = 0; i < g->nin; i++) leave_value(v, g->in[i]->loc, g->in[i]);
  for (const mc_node *n = g->first; n; n = n->next)
    for (int i = 0; i < n->nout; i++) leave_value(v, n->loc, n->out[i]);
}

static verifier start(const mc_module *m, mc_diag *d) {
  verifier v = { .module = m, .diag = d, .arena = mc_arena_create(), .ok = true };
  mc_map_init(&v.visible, v.arena);
  return v;
}

bool mc_verify_graph(const mc_graph *g, mc_diag *d) {
  verifier v = start(g->module, d);
  check_graph(&v, g);
  mc_arena_destroy(v.arena);
  return v.ok;
}

/* ---- modules ---- */

static void check_tensor(verifier *v, const mc_map_entry *e) {
  const mc_tensor *t = e->val;
  if (!t || !t->name) {
    fail(v, mc_noloc, "a tensor of the module has no name");
    return;
  }
  mc_type type = { .dtype = t->dtype, .rank = t->rank };
  memcpy(type.dim, t->dim, sizeof type.dim);
  const char *wrong = mc_type_check(&type);
  if (wrong)
    fail(v, t->loc, "tensor @%s: %s", t->name, wrong);
  else if (!t->data || t->size != (size_t)mc_type_bytes(&type))
    fail(v, t->loc, "tensor @%s has %zu bytes of data, its type needs %lld", t->name, t->size,
         (long long)mc_type_bytes(&type));
}

static void check_graph_name(verifier *v, mc_map *names, const mc_graph *g) {
  if (!g->name || !*g->name) {
    fail(v, g->loc, "a graph must have a name");
    return;
  }
  void **slot = mc_map_str_slot(names, g->name);
  if (*slot) {
    fail(v, g->loc, "graph @%s is defined twice", g->name);
    mc_note(v->diag, ((const mc_graph *)*slot)->loc, "the first one is here");
  }
  *slot = (void *)(uintptr_t)g;
}

bool mc_verify_module(const mc_module *m, mc_diag *d) {
  verifier v = start(m, d);
  mc_map names;
  mc_map_init(&names, v.arena);
  for (size_t i = 0; i < m->tensors.n; i++) check_tensor(&v, &m->tensors.entries[i]);
  if (!m->graphs) fail(&v, mc_noloc, "there is no graph");
  for (const mc_graph *g = m->graphs; g; g = g->next) {
    check_graph_name(&v, &names, g);
    check_graph(&v, g);
  }
  mc_arena_destroy(v.arena);
  return v.ok;
}
