/* layout: transposes move through ops until they meet their inverse, and both go.
 *
 *   %1 = conv2d %0, %w                   : f32[1,8,8,4]          %1 = conv2d %0, %w  : f32[1,8,8,4]
 *   %2 = transpose %1 {perm=[0, 3, 1, 2]} : f32[1,4,8,8]         %2 = relu %1        : f32[1,8,8,4]
 *   %3 = relu %2                         : f32[1,4,8,8]      ->  %3 = conv2d %2, %k  : f32[1,8,8,4]
 *   %4 = transpose %3 {perm=[0, 2, 3, 1]} : f32[1,8,8,4]
 *   %5 = conv2d %4, %k                   : f32[1,8,8,4]
 *
 * For a permutation p each op is computed either as it stands or on operands v' with v =
 * transpose(v', p). Elementwise ops, concat, split, slice, pad, softmax, reductions, broadcast can
 * do both (axes in their attributes and constant operands are permuted); a reshape that flattens
 * before linear ops takes v' too, their weights' columns are reordered. A value costs its size
 * when it must exist in both forms. The cheapest choice for all ops at once is a minimum cut; it is
 * taken when it is cheaper than what is there, for each permutation of the graph in turn until
 * nothing improves, so the moved elements never grow; of equals, the choice with more ops in NHWC.
 *
 * Graph inputs and outputs keep their form. Not moved through: ops whose axes have a fixed meaning
 * (conv2d, pools, resize, linear, matmul, batch_norm, layer_norm, gather), values quantized per
 * axis, sums whose order of addition would change. Contract: EXACT. */
#include "layout.h"
#include <string.h>

typedef struct side {
  mc_map var;
  cut *cut;
  int64_t now;
  const perm *p, *inverse;
} side; /* var: movable op -> node of the cut */

/* Moved elements weigh this much against the order of equals below. */
enum { ELEMENT = 1 << 16 };

static void *tag(int i) {
  return (void *)(uintptr_t)(unsigned)i;
} /* nodes 0 and 1 are the ends: a variable is never NULL */

/* ---- the choice ---- */
static int node_of(const side *s, const mc_node *n) {
  return (int)(uintptr_t)mc_map_ptr_get(&s->var, n);
}

/* Where v's definition is: source when v' exists anyway, sink when only v does. */
static int def_side(const side *s, const mc_value *v, flip_kind *kind) {
  perm q;
  *kind = FLIP_NO;
  if (!v->def) return CUT_SINK;
  if (perm_of(v->def, &q) && perm_equal(&q, s->p)) return CUT_SOURCE;
  *kind = flip_kind_of(v->def, s->p);
  return *kind == FLIP_MOVES && node_of(s, v->def) ? node_of(s, v->def) : CUT_SINK;
}

/* -1: a transpose that takes either form at the same cost. */
static int user_side(const side *s, const mc_node *user) {
  perm q;
  if (perm_of(user, &q)) return perm_equal(&q, s->inverse) ? CUT_SOURCE : -1;
  int var = node_of(s, user);
  return var ? var : CUT_SINK;
}

static void add_value(side *s, const mc_value *v) {
  if (v->type->rank != s->p->n || mc_value_tensor(v)) return;
  flip_kind kind;
  int def = def_side(s, v, &kind), down = -1, up = -1;
  int64_t cost = mc_type_elems(v->type) * ELEMENT;
  bool plain = false, flipped = false;
  for (const mc_use *u = v->uses; u; u = u->next) {
    int user = user_side(s, mc_node_in(v->def ? v->def->graph : v->graph, u->user));
    if (user < 0) continue;
    plain |= user != CUT_SOURCE;
    flipped |= user == CUT_SOURCE;
    if (def == user) continue;
    if (def != CUT_SINK) { /* v' here, v there */
      if (down < 0) cut_edge(s->cut, def, down = cut_node(s->cut), cost);
      cut_edge(s->cut, down, user, CUT_NEVER);
    }
    if (def != CUT_SOURCE) { /* v here, v' there */
      if (up < 0) cut_edge(s->cut, up = cut_node(s->cut), def, cost);
      cut_edge(s->cut, user, up, CUT_NEVER);
    }
  }
  if (def == CUT_SOURCE ? plain : flipped) s->now += cost;
}

static void add_values(side *s, mc_graph *g) {
  for (int i = 0; i < g->nin; i++) add_value(s, g->in[i]);
  MC_FOR_NODES (n, g)
    for (int i = 0; i < n->nout; i++) add_value(s, n->out[i]);
}

static bool is_perm(const perm *p, int a, int b, int c, int d) {
  return p->n == 4 && p->p[0] == a && p->p[1] == b && p->p[2] == c && p->p[3] == d;
}

/* Of equally cheap choices, the one with more ops in NHWC, where they can join the layers' kernels:
 * 1 for an op in NCHW. */
static void prefer_nhwc(side *s, int var) {
  if (is_perm(s->p, 0, 3, 1, 2)) cut_edge(s->cut, CUT_SOURCE, var, 1), s->now++;
  if (is_perm(s->p, 0, 2, 3, 1)) cut_edge(s->cut, var, CUT_SINK, 1);
}

/* The ops to flip for p, as `side`; false: nothing is gained. */
static bool choose(side *s, mc_graph *g, mc_arena *a) {
  mc_map_init(&s->var, a);
  s->cut = cut_create(a);
  bool any = false;
  MC_FOR_NODES (n, g) {
    if (n->op == MC_OP_transpose || flip_kind_of(n, s->p) == FLIP_NO) continue;
    int var = cut_node(s->cut);
    *mc_map_ptr_slot(&s->var, n) = tag(var);
    prefer_nhwc(s, var);
    any = true;
  }
  if (!any) return false;
  add_values(s, g);
  return s->now > 0 && cut_solve(s->cut) < s->now;
}

/* ---- carrying it out ---- */
/* v' for an operand v, made right after v when it does not exist. */
static mc_value *prime(mc_pass_context *cx, mc_value *v, const side *s, mc_map *made) {
  perm q;
  if (v->def && perm_of(v->def, &q) && perm_equal(&q, s->p)) return v->def->in[0];
  void **at = mc_map_ptr_slot(made, v);
  if (*at) return *at;
  mc_node *next = v->def ? v->def->next : cx->graph->first;
  mc_builder b = { .graph = cx->graph,
                   .before = next,
                   .diag = cx->diag,
                   .loc = v->loc,
                   .source = v->def ? v->def->source : NULL };
  return *at = build_transpose(&b, v, s->inverse);
}

/* The results of n, computed from `now` on transposed operands, for those that want them as they
 * were. */
static bool restore(mc_pass_context *cx, mc_node *n, mc_node *now, const side *s, bool moved) {
  mc_builder b = build_at(cx, n);
  for (int i = 0; i < n->nout; i++) {
    mc_value *v = n->out[i], *w = now->out[i];
    w->range = v->range;
    w->name = v->name;
    v->name = NULL;
    mc_value *back = moved ? build_transpose(&b, w, s->p) : w;
    if (!back) return false;
    mc_value_replace(v, back);
  }
  mc_node_remove(n);
  return true;
}

static bool flip(mc_pass_context *cx, mc_node *n, const side *s, mc_map *made) {
  mc_value **in = MC_NEWN(cx->scratch, mc_value *, n->nin);
  bool moved = flip_kind_of(n, s->p) == FLIP_MOVES;
  for (int i = 0; i < n->nin; i++)
    if (flip_operand(n, i, s->p) && (in[i] = prime(cx, n->in[i], s, made)) == NULL) return false;
  mc_node *now = flip_build(cx, n, in, s->p);
  return now && restore(cx, n, now, s, moved);
}

static bool apply(mc_pass_context *cx, const side *s) {
  mc_map made;
  mc_map_init(&made, cx->scratch);
  MC_FOR_NODES (n, cx->graph) {
    int var = node_of(s, n);
    if (var && cut_side(s->cut, var) && !flip(cx, n, s, &made)) return false;
  }
  return true;
}

/* ---- transposes among themselves ---- */
/* transpose(transpose(x)) is one transpose or none. */
static bool combine(mc_pass_context *cx, mc_node *n) {
  perm outer, inner;
  perm_of(n, &outer);
  mc_value *v = n->in[0];
  if (perm_identity(&outer)) {
    replace_node(n, v);
    return true;
  }
  if (!v->def || !perm_of(v->def, &inner)) return true;
  perm both = perm_compose(&inner, &outer);
  if (perm_identity(&both)) {
    replace_node(n, v->def->in[0]);
    return true;
  }
  mc_builder b = build_at(cx, n);
  mc_value *r = build_transpose(&b, v->def->in[0], &both);
  if (r) replace_node(n, r);
  return r != NULL;
}

/* The same transpose of the same value, made before. */
static void merge(mc_node *n, mc_map *seen) {
  struct {
    const void *v;
    perm p;
  } key;

  memset(&key, 0, sizeof key); /* padding is part of the key */
  key.v = n->in[0];
  perm_of(n, &key.p);
  void **at = mc_map_bytes_slot(seen, &key, sizeof key);
  if (*at)
    replace_node(n, ((mc_node *)*at)->out[0]);
  else
    *at = n;
}

static bool clean(mc_pass_context *cx) {
  mc_map seen;
  MC_FOR_NODES (n, cx->graph) {
    if (n->op == MC_OP_transpose && !combine(cx, n)) return false;
  }
  MC_FOR_NODES (n, cx->graph)
    if (n->op == MC_OP_transpose) erase_if_dead(n);
  erase_dead_constants(cx->graph);
  mc_map_init(&seen, cx->scratch);
  MC_FOR_NODES (n, cx->graph)
    if (n->op == MC_OP_transpose) merge(n, &seen);
  return true;
}

static int64_t count(const mc_graph *g, bool all) {
  int64_t k = 0;
  MC_FOR_NODES (n, g) k += all || n->op == MC_OP_transpose;
  return k;
}

/* ---- the pass ---- */
static bool try_perm(mc_pass_context *cx, const perm *p, bool *better) {
  perm inverse = perm_inverse(p);
  side s = { .p = p, .inverse = &inverse };
  if (!choose(&s, cx->graph, cx->scratch)) return true;
  *better = true;
  return apply(cx, &s) && clean(cx);
}

/* Each permutation that the graph has now, and its inverse. */
static bool try_all(mc_pass_context *cx, bool *better) {
  MC_VEC(perm) perms = { 0 };
  MC_FOR_NODES (n, cx->graph) {
    perm p;
    size_t k = 0;
    if (!perm_of(n, &p)) continue;
    while (k < perms.n && !perm_equal(&perms.v[k], &p)) k++;
    if (k < perms.n) continue;
    MC_PUSH(cx->scratch, &perms, p);
    MC_PUSH(cx->scratch, &perms, perm_inverse(&p));
  }
  for (size_t i = 0; i < perms.n; i++)
    if (!try_perm(cx, &perms.v[i], better)) return false;
  return true;
}

bool mc_pass_layout(mc_pass_context *cx, const mc_opts_layout *o, bool *changed) {
  (void)o; /* has no options */
  int64_t before = count(cx->graph, false), nodes = count(cx->graph, true);
  unsigned id = cx->module->next_id;
  if (!before) return true;
  if (!clean(cx)) return false;
  bool better = true;
  for (int round = 0; better && round < 16; round++) {
    better = false;
    if (!try_all(cx, &better)) return false;
  }
  int64_t after = count(cx->graph, false);
  if (after < before) MC_STAT_ADD(cx, layout, cancelled, before - after);
  *changed = count(cx->graph, true) != nodes || cx->module->next_id != id;
  return true;
}
