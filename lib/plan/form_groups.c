/* form-groups: put every op that is not a constant into a group, the unit that becomes one
 * function.
 *
 *   %a = conv2d %x, %w, %b : i32<...>[1,8,8,16]
 *   %q = requantize %a : u8<...>[1,8,8,16]
 *   %y = add %q, %r : u8<...>[1,8,8,16]
 * becomes
 *   %2 = group {kernel="gemm"} : u8<...>[1,8,8,16] {
 *     %a = conv2d %x, %w, %b ...
 *     %q = requantize %a ...
 *     %y = add %q, %r ...
 *     return %y
 *   }
 *
 * A product of two computed values takes transposes of its operands (attention's heads), and it or
 * a linear layer the transpose of its result, where rows stay rows: only strides change. Products
 * take the chain of elementwise ops after them as long as each result has one reader and the shape
 * stays; from the last product to the first, so that a residual add joins the product that runs
 * last and nothing is delayed. Then elementwise ops join into maps, one result each: a producer
 * joins when all its readers are inside and the shape is the same. Every other op is a group of its
 * own. Nothing is computed twice, so the result is EXACT.
 *
 * Groups in the text are dissolved first; what their attributes ask for (block, engine, form, how
 * threads divide them) stays with the product or head, and the chain that a group is a link of.
 * Products read only the arena or constants: operands that are graph inputs are copied first (`pad`
 * of nothing). A graph result that has other readers, or that is an input, a constant or returned
 * twice, is copied at the end. */
#include "even_runs.h"
#include "families.h"
#include "mc/decide/ask.h"
#include "mc/ir/build.h"
#include "mc/ir/exits.h"
#include "mc/pass/pass.h"
#include <string.h>

typedef struct former {
  mc_pass_context *cx;
  mc_graph *g;
  mc_map grouped;
  mc_map copies;
  mc_map asked, chains; /* of ops that were in groups: mc_attrs_group of what their text asks for */
  MC_VEC(const mc_node *) waiting; /* those of `asked`, in order */
  bool changed, failed;
} former;

typedef MC_VEC(mc_node *) node_list;

/* ---- groups that are there already ---- */

/* What a group's text asks for: the attribute's name; NULL: nothing. */
static const char *asks_for(const mc_attrs_group *at) {
  return at->blocking.n              ? "blocking"
         : at->engine && *at->engine ? "engine"
         : at->form                  ? "form"
         : at->loop && *at->loop     ? "loop"
         : at->tasks                 ? "tasks"
         : at->divide && *at->divide ? "divide"
                                     : NULL;
}

/* Attributes of products alone. */
static const char *asks_of_product(const mc_attrs_group *at) {
  const char *what = asks_for(at);
  return what && strcmp(what, "tasks") && strcmp(what, "divide") ? what : NULL;
}

static void keep(former *f, const mc_node *n, const mc_node *group) {
  *mc_map_ptr_slot(&f->asked, n) = MC_ATTRS(group, group);
  MC_PUSH(f->cx->scratch, &f->waiting, n);
}

/* Ops come out of their groups, to be grouped anew: kernels and offsets of a text are never
 * trusted, and what it asks for goes with the product, or the head. */
static void dissolve(former *f, mc_node *group) {
  mc_graph *r = group->region;
  mc_node *product = NULL, *head = mc_group_head(group);
  const mc_attrs_group *at = MC_ATTRS(group, group);
  if (at->chain.n && head) *mc_map_ptr_slot(&f->chains, head) = (void *)&at->chain;
  MC_FOR_NODES (n, r) {
    if (n->op == MC_OP_group) dissolve(f, n);
    if (!mc_op_has(n->op, MC_T_ACCUM)) continue;
    product = n;
    if (asks_for(at)) keep(f, n, group);
  }
  if (!product && asks_of_product(at))
    mc_warning(f->cx->diag, group->loc,
               "'%s' has no effect: the group holds no product, and only those have it",
               asks_of_product(at));
  if (!product && head && (at->tasks || (at->divide && *at->divide))) keep(f, head, group);
  mc_node *ret = r->last;
  for (int i = 0; i < group->nout; i++) {
    mc_value *v = ret->in[i];
    if (group->out[i]->name && v->def && v->def->graph == r)
      v->name = NULL; /* the outer name is the one that the graph knows */
    mc_value_replace(group->out[i], v);
  }
  MC_FOR_NODES (n, r)
    if (n != ret) mc_node_move(group->graph, group, n);
  mc_node_remove(group);
  f->changed = true;
}

/* The family of a group that `head` heads, if the text does not ask for a form of another one. */
static mc_family asked_family(const former *f, const mc_node *head, mc_family family) {
  const mc_attrs_group *at = mc_map_ptr_get(&f->asked, head);
  mc_family other = at ? mc_kernel_forms[at->form].family : MC_FAMILY_none;
  return family == MC_FAMILY_gemm && mc_family_has(other, MC_FAM_WINOGRAD) ? other : family;
}

/* Give the new group what was asked for. */
static void obey(former *f, mc_node *group, const mc_node *head) {
  mc_attrs_group *to = MC_ATTRS(group, group);
  const mc_attrs_group *at = mc_map_ptr_get(&f->asked, head);
  mc_family family = mc_group_family(group);
  if (!at) return;
  *mc_map_ptr_slot(&f->asked, head) = NULL;
  if (family == MC_FAMILY_gemm)
    to->blocking = at->blocking;
  else if (at->blocking.n)
    mc_warning(f->cx->diag, head->loc,
               "'blocking' has no effect: kernel '%s' computes the group, and only '%s' takes it",
               mc_families[family].text, mc_families[MC_FAMILY_gemm].text);
  to->engine = at->engine;
  to->form = at->form;
  to->tasks = at->tasks;
  to->divide = at->divide;
  to->loop = at->loop;
}

static void tell_waiting(const former *f) {
  for (size_t i = 0; i < f->waiting.n; i++) {
    const mc_attrs_group *at = mc_map_ptr_get(&f->asked, f->waiting.v[i]);
    if (at)
      mc_warning(f->cx->diag, f->waiting.v[i]->loc,
                 "'%s' has no effect: '%s' heads no group any more", asks_for(at),
                 mc_ops[f->waiting.v[i]->op].text);
  }
}

/* ---- copies ---- */

static mc_value *copy_in_front(former *f, mc_node *before, mc_value *v) {
  mc_module *m = f->cx->module;
  int rank = v->type->rank;
  mc_builder b = { .graph = f->g,
                   .before = before,
                   .diag = f->cx->diag,
                   .loc = v->def ? v->def->loc : v->loc,
                   .source = v->def ? v->def->source : v->source };
  mc_ints zeros = { MC_NEWN(m->arena, int64_t, rank), rank },
          dims = { mc_arena_copy(m->arena, v->type->dim, sizeof(int64_t) * (size_t)rank), rank };
  mc_value *c;
  if (v->type->dtype == MC_f32 || v->type->dtype == MC_bf16 || v->type->q.kind == MC_Q_TENSOR) {
    mc_attrs_pad at;
    mc_attrs_init(MC_OP_pad, &at, f->cx->scratch);
    at.before = at.after = zeros;
    c = mc_build1(&b, MC_OP_pad, &v, 1, &at);
  } else if (v->type->q.kind == MC_Q_AXIS) { /* scales per axis follow transpose alone */
    mc_attrs_transpose at;
    mc_attrs_init(MC_OP_transpose, &at, f->cx->scratch);
    for (int i = 0; i < rank; i++) zeros.v[i] = i;
    at.perm = zeros;
    c = mc_build1(&b, MC_OP_transpose, &v, 1, &at);
  } else {
    mc_attrs_slice at;
    mc_attrs_init(MC_OP_slice, &at, f->cx->scratch);
    at.starts = zeros;
    at.sizes = dims;
    c = mc_build1(&b, MC_OP_slice, &v, 1, &at);
  }
  if (!c)
    f->failed = true;
  else
    c->range = v->range;
  return c;
}

/* The value whose memory v shares through reshapes. */
static const mc_value *past_reshapes(const mc_value *v) {
  while (v->def && v->def->op == MC_OP_reshape) v = v->def->in[0];
  return v;
}

static bool is_input(const mc_value *v) { return past_reshapes(v)->def == NULL; }

/* One copy of a value serves all products; it is built before the first. */
static mc_value *arena_copy(former *f, mc_node *before, mc_value *v) {
  void **slot = mc_map_ptr_slot(&f->copies, v);
  if (!*slot) *slot = copy_in_front(f, before, v);
  return *slot;
}

static void copy_product_inputs(former *f) {
  MC_FOR_NODES (n, f->g) {
    if (!mc_op_has(n->op, MC_T_ACCUM)) continue;
    for (int i = 0; i < n->nin && !f->failed; i++) {
      bool halo_of_constant = i == 0 && n->op == MC_OP_conv2d && mc_value_tensor(n->in[0]);
      if (!is_input(n->in[i]) && !halo_of_constant) continue;
      mc_value *c = arena_copy(f, n, n->in[i]);
      if (c) mc_node_set_in(n, i, c);
    }
  }
}

static void copy_shared_results(former *f) {
  mc_node *ret = f->g->last;
  for (int i = 0; i < ret->nin && !f->failed; i++) {
    mc_value *v = ret->in[i];
    if (v->def && !mc_value_tensor(v) && mc_value_single_user(v)) continue;
    mc_value *c = copy_in_front(f, ret, v);
    if (!c) return;
    mc_node_set_in(ret, i, c);
    if (!c->name && v->def)
      c->name = v->name ? mc_arena_printf(f->cx->module->arena, "%s.out", v->name) : NULL;
  }
}

/* ---- groups ---- */

static bool is_grouped(const former *f, const mc_node *n) {
  return mc_map_ptr_get(&f->grouped, n) != NULL;
}

static void mark(former *f, mc_node *n) { *mc_map_ptr_slot(&f->grouped, n) = n; }

/* An op of this graph that may still join a group. */
static bool is_free(const former *f, const mc_node *n) {
  return n && n->graph == f->g && !mc_op_has(n->op, MC_T_CONST | MC_T_TERM | MC_T_REGION) &&
         !is_grouped(f, n);
}

/* Move the ops (in graph order, the last one gives the results) into a new group at the place of
 * the last; it is named after the head. */
static void make_group(former *f, mc_family family, const mc_node *head, mc_node *const *op,
                       size_t n) {
  mc_node *root = op[n - 1];
  mc_module *m = f->cx->module;
  mc_node *group = mc_node_create(m, MC_OP_group, NULL, 0, root->nout, head->loc);
  mc_group_set_family(group, asked_family(f, head, family));
  obey(f, group, head);
  for (size_t i = 0; i < n; i++) {
    const mc_ints *chain = mc_map_ptr_get(&f->chains, op[i]);
    if (chain) MC_ATTRS(group, group)->chain = *chain;
  }
  group->source = head->source;
  mc_node_insert(f->g, root, group);
  mc_graph *r = mc_region_create(group);
  for (int i = 0; i < root->nout; i++) {
    group->out[i]->type = root->out[i]->type;
    mc_value_replace(root->out[i], group->out[i]);
  }
  for (size_t i = 0; i < n; i++) {
    mc_node_move(r, NULL, op[i]);
    mark(f, op[i]);
  }
  mc_node_insert(r, NULL, mc_node_create(m, MC_OP_return, root->out, root->nout, 0, root->loc));
  MC_STAT_ADD(f->cx, form_groups, groups, 1);
  f->changed = true;
}

/* Binary ops that a product's epilogue computes with an outer value. */
static bool is_epilogue_binary(mc_opcode op) {
  return op == MC_OP_add || op == MC_OP_sub || op == MC_OP_mul || op == MC_OP_min ||
         op == MC_OP_max;
}

static bool is_epilogue_unary(mc_opcode op) {
  return mc_op_has(op, MC_T_UNARY) || op == MC_OP_requantize || op == MC_OP_dequantize ||
         op == MC_OP_quantize || op == MC_OP_cast;
}

/* ---- how many values a group reads ---- */

/* Values from outside of a group, tables of scales included. A kernel has MC_SPACE_VIEWS places. */
typedef struct operands {
  mc_map seen;
  int n;
} operands;

static int tables(const mc_node *n) {
  return n->op == MC_OP_requantize || n->op == MC_OP_dequantize ? 2 : 0;
}

/* Operand i of n, unless it is `inside` of the group or known. */
static const mc_value *new_operand(operands *o, const mc_node *n, int i, const mc_value *inside) {
  for (int k = 0; k < i; k++)
    if (n->in[k] == n->in[i]) return NULL;
  return n->in[i] == inside || mc_map_ptr_get(&o->seen, n->in[i]) ? NULL : n->in[i];
}

/* Takes the operands of n, which reads `inside` of the group (NULL: nothing), and whose result
 * was counted when `made`. False, and nothing taken: they are too many. */
static bool take_operands(operands *o, const mc_node *n, const mc_value *inside, bool made) {
  int more = tables(n) - made;
  for (int i = 0; i < n->nin; i++) more += new_operand(o, n, i, inside) != NULL;
  if (o->n + more > MC_SPACE_VIEWS) return false;
  o->n += more;
  for (int i = 0; i < n->nin; i++)
    if (n->in[i] != inside) *mc_map_ptr_slot(&o->seen, n->in[i]) = n->in[i];
  return true;
}

static void first_operands(operands *o, const mc_node *head, mc_arena *a) {
  o->n = 0;
  mc_map_init(&o->seen, a);
  take_operands(o, head, NULL, false);
}

/* The op that can follow the chain ending in v, or NULL; its operands are taken. */
static mc_node *next_in_chain(const former *f, const mc_value *v, operands *o) {
  mc_node *n = mc_value_single_user(v);
  if (!is_free(f, n) || n->nout != 1 || !mc_type_same_shape(n->out[0]->type, v->type)) return NULL;
  bool unary = is_epilogue_unary(n->op);
  if (!unary && !is_epilogue_binary(n->op)) return NULL;
  const mc_value *other = unary ? v : n->in[n->in[0] == v];
  if (!mc_type_same_shape(other->type, v->type) || (!unary && is_input(other))) return NULL;
  return take_operands(o, n, v, false) ? n : NULL;
}

static bool keeps_last(const mc_node *transpose, int of) {
  const mc_ints *perm = &MC_ATTRS(transpose, transpose)->perm;
  return perm->n >= 2 && perm->v[perm->n - of] == perm->n - 1;
}

/* Operand i of a product of two computed values, when it is a transpose that the product can read
 * through: the elements that a row of A takes must stay together, and in B those of a row or of a
 * column. */
static mc_node *transpose_in_front(const former *f, const mc_node *head, int i) {
  mc_node *t = head->op == MC_OP_matmul ? head->in[i]->def : NULL;
  if (!is_free(f, t) || t->op != MC_OP_transpose || mc_value_single_user(t->out[0]) != head ||
      is_input(t->in[0]) || mc_value_tensor(t->in[0]) || mc_value_tensor(head->in[1]))
    return NULL;
  return keeps_last(t, 1) || (i == 1 && keeps_last(t, 2)) ? t : NULL;
}

/* A transpose after the chain: rows of the result go where it says. */
static mc_node *transpose_after(const former *f, const mc_node *head, const mc_value *v) {
  mc_node *t = mc_value_single_user(v);
  bool product = head->op == MC_OP_matmul || head->op == MC_OP_linear;
  return product && is_free(f, t) && t->op == MC_OP_transpose && keeps_last(t, 1) ? t : NULL;
}

static void group_product(former *f, mc_node *head) {
  node_list ops = { 0 };
  for (int i = 0; i < 2; i++) {
    mc_node *t = transpose_in_front(f, head, i);
    if (t) MC_PUSH(f->cx->scratch, &ops, t);
  }
  MC_PUSH(f->cx->scratch, &ops, head);
  operands o;
  first_operands(&o, head, f->cx->scratch);
  for (mc_node *n = head; (n = next_in_chain(f, n->out[0], &o));) MC_PUSH(f->cx->scratch, &ops, n);
  mc_node *after = transpose_after(f, head, ops.v[ops.n - 1]->out[0]);
  if (after) MC_PUSH(f->cx->scratch, &ops, after);
  make_group(f, mc_family_of(head), head, ops.v, ops.n);
}

static bool reads_are_inside(const mc_value *v, mc_map *in) {
  for (const mc_use *u = v->uses; u; u = u->next)
    if (!mc_map_ptr_get(in, u->user)) return false;
  return true;
}

static int position_of(mc_map *order, const mc_node *n) {
  return (int)(intptr_t)mc_map_ptr_get(order, n);
}

/* Insertion sort by position: groups are small and almost sorted. */
static void sort_by_position(node_list *l, mc_map *order) {
  for (size_t i = 1; i < l->n; i++)
    for (size_t j = i; j > 0 && position_of(order, l->v[j - 1]) > position_of(order, l->v[j]);
         j--) {
      mc_node *t = l->v[j];
      l->v[j] = l->v[j - 1];
      l->v[j - 1] = t;
    }
}

/* The elementwise op that makes v joins those that are in, if it has this shape and all its readers
 * are among them. */
static void push_producer(former *f, node_list *ops, mc_map *in, operands *o, const mc_value *v,
                          const mc_type *shape) {
  mc_node *p = v->def;
  if (!is_free(f, p) || !mc_op_has(p->op, MC_T_ELEM) || mc_map_ptr_get(in, p)) return;
  if (!mc_type_same_shape(p->out[0]->type, shape) || !reads_are_inside(p->out[0], in)) return;
  if (!take_operands(o, p, NULL, true)) return;
  *mc_map_ptr_slot(in, p) = p;
  MC_PUSH(f->cx->scratch, ops, p);
}

/* root and every producer of the same shape whose readers are all inside. */
static void group_map(former *f, mc_node *root, mc_map *order) {
  node_list ops = { 0 };
  mc_map in;
  mc_map_init(&in, f->cx->scratch);
  operands o;
  first_operands(&o, root, f->cx->scratch);
  MC_PUSH(f->cx->scratch, &ops, root);
  *mc_map_ptr_slot(&in, root) = root;
  for (size_t k = 0; k < ops.n; k++)
    for (int i = 0; i < ops.v[k]->nin; i++)
      push_producer(f, &ops, &in, &o, ops.v[k]->in[i], root->out[0]->type);
  sort_by_position(&ops, order);
  make_group(f, MC_FAMILY_map, ops.v[0], ops.v, ops.n);
}

/* softmax and layer_norm along the last axis take the elementwise ops before them, which they
 * compute in their first pass, and the chain after. Of integers they have forms of their own. */
static bool along_last(const mc_node *n) {
  int64_t axis =
              n->op == MC_OP_softmax ? MC_ATTRS(n, softmax)->axis : MC_ATTRS(n, layer_norm)->axis,
          rank = n->in[0]->type->rank;
  return axis == -1 || axis == rank - 1;
}

static void group_rows(former *f, mc_node *head, mc_map *order) {
  node_list ops = { 0 };
  mc_map in;
  mc_map_init(&in, f->cx->scratch);
  *mc_map_ptr_slot(&in, head) = head;
  operands o;
  first_operands(&o, head, f->cx->scratch);
  bool fuses = along_last(head) && !mc_type_is_quant(head->in[0]->type);
  if (fuses) push_producer(f, &ops, &in, &o, head->in[0], head->out[0]->type);
  for (size_t k = 0; k < ops.n; k++)
    for (int i = 0; i < ops.v[k]->nin; i++)
      push_producer(f, &ops, &in, &o, ops.v[k]->in[i], head->out[0]->type);
  sort_by_position(&ops, order);
  MC_PUSH(f->cx->scratch, &ops, head);
  for (mc_node *n = head; fuses && (n = next_in_chain(f, n->out[0], &o));)
    MC_PUSH(f->cx->scratch, &ops, n);
  make_group(f, mc_family_of(head), head, ops.v, ops.n);
}

static bool quantizes_whole(const mc_node *q) {
  const mc_type *t = q->out[0]->type;
  return q->op == MC_OP_quantize && t->q.kind == MC_Q_TENSOR && mc_dtype_size(t->dtype) == 1 &&
         q->in[0]->type->dtype == MC_f32;
}

/* An image on its way in: planes that become pixels of 2 to 4 channels are quantized while they
 * are, whichever comes first. */
static void group_image(former *f, mc_node *n) {
  if (n->op != MC_OP_transpose) return;
  const mc_type *t = n->out[0]->type;
  const mc_ints *perm = &MC_ATTRS(n, transpose)->perm;
  if (t->rank < 3 || t->dim[t->rank - 1] < 2 || t->dim[t->rank - 1] > 4 ||
      perm->v[t->rank - 2] != t->rank - 1)
    return;
  mc_node *after = mc_value_single_user(n->out[0]), *before = n->in[0]->def;
  if (is_free(f, after) && quantizes_whole(after))
    make_group(f, mc_family_of(n), n, (mc_node *[]){ n, after }, 2);
  else if (is_free(f, before) && quantizes_whole(before) &&
           mc_value_single_user(before->out[0]) == n)
    make_group(f, mc_family_of(n), before, (mc_node *[]){ before, n }, 2);
}

/* All nodes in order, and their positions: forming groups moves them. */
static node_list list_nodes(const former *f, mc_map *order) {
  node_list all = { 0 };
  mc_map_init(order, f->cx->scratch);
  MC_FOR_NODES (n, f->g) {
    MC_PUSH(f->cx->scratch, &all, n);
    *mc_map_ptr_slot(order, n) = (void *)(intptr_t)all.n;
  }
  return all;
}

bool mc_pass_form_groups(mc_pass_context *cx, const mc_opts_form_groups *o, bool *changed) {
  (void)o;
  former f = { .cx = cx, .g = cx->graph };
  mc_map order;
  mc_map_init(&f.grouped, cx->scratch);
  mc_map_init(&f.copies, cx->scratch);
  mc_map_init(&f.asked, cx->scratch);
  mc_map_init(&f.chains, cx->scratch);
  MC_FOR_NODES (n, f.g)
    if (n->op == MC_OP_group) dissolve(&f, n);
  if (!mc_even_runs(cx, &f.asked, &f.changed)) return false;
  copy_product_inputs(&f);
  if (!f.failed) copy_shared_results(&f);
  if (f.failed) return false;
  node_list all = list_nodes(&f, &order);
  for (size_t i = all.n; i-- > 0;)
    if (is_free(&f, all.v[i]) && mc_op_has(all.v[i]->op, MC_T_ACCUM)) group_product(&f, all.v[i]);
  for (size_t i = all.n; i-- > 0;)
    if (is_free(&f, all.v[i])) group_image(&f, all.v[i]);
  for (size_t i = all.n; i-- > 0;)
    if (is_free(&f, all.v[i]) &&
        (all.v[i]->op == MC_OP_softmax || all.v[i]->op == MC_OP_layer_norm))
      group_rows(&f, all.v[i], &order);
  for (size_t i = all.n; i-- > 0;)
    if (is_free(&f, all.v[i]) && mc_op_has(all.v[i]->op, MC_T_ELEM))
      group_map(&f, all.v[i], &order);
  for (size_t i = all.n; i-- > 0;)
    if (is_free(&f, all.v[i])) make_group(&f, mc_family_of(all.v[i]), all.v[i], &all.v[i], 1);
  mc_exits exits = mc_exits_of(f.g, cx->scratch);
  mc_exits_sort(f.g, &exits); /* what an exit spares comes after what tells whether it is taken */
  tell_waiting(&f);
  *changed = f.changed;
  return true;
}
