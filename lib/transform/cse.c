/* cse: equal ops on equal operands become one.
 *
 *   %a = relu %x : f32[4]                 %a = relu %x : f32[4]
 *   %b = relu %x : f32[4]           ->    %c = add %a, %a : f32[4]
 *   %c = add %a, %b : f32[4]
 *
 * Equal: the same op, operands, attributes and result types; inline constants are compared by
 * content, named ones by name. Ops with a region (groups) are left alone: the planner made them on
 * purpose. The first of the equals stays, with its name; ranges are kept when only the later one
 * has them. Contract: EXACT. */
#include "rewrite.h"
#include <string.h>

typedef struct seen {
  mc_node *node;
  struct seen *next;
} seen;

static bool same_tensor(const mc_tensor *a, const mc_tensor *b) {
  if (a == b) return true;
  if (a->name || b->name || a->dtype != b->dtype || a->rank != b->rank || a->size != b->size)
    return false;
  return !memcmp(a->dim, b->dim, sizeof *a->dim * (size_t)a->rank) &&
         !memcmp(a->data, b->data, a->size);
}

static bool same_attrs(const mc_node *a, const mc_node *b) {
  if (a->op == MC_OP_const)
    return same_tensor(MC_ATTRS(a, const)->value, MC_ATTRS(b, const)->value);
  return mc_field_equal(mc_ops[a->op].attrs, a->attrs, b->attrs);
}

static bool same_node(const mc_node *a, const mc_node *b) {
  if (a->op != b->op || a->nin != b->nin || a->nout != b->nout) return false;
  for (int i = 0; i < a->nin; i++)
    if (a->in[i] != b->in[i]) return false;
  for (int i = 0; i < a->nout; i++)
    if (a->out[i]->type != b->out[i]->type) return false;
  return same_attrs(a, b);
}

/* Nodes that may be equal share a bucket: op, first operand (weights: the tensor), first result
 * type. */
static seen **bucket(mc_map *m, const mc_node *n) {
  const void *first = n->nin                  ? (const void *)n->in[0]
                      : n->op == MC_OP_weight ? (const void *)MC_ATTRS(n, weight)->name
                                              : NULL;

  struct {
    uintptr_t op;
    const void *in, *type;
  } key = { n->op, first, n->out[0]->type };

  return (seen **)mc_map_bytes_slot(m, &key, sizeof key);
}

static bool merge(mc_map *m, mc_node *n, mc_arena *a) {
  seen **at = bucket(m, n);
  for (seen *s = *at; s; s = s->next) {
    if (!same_node(s->node, n)) continue;
    for (int i = 0; i < n->nout; i++) mc_value_replace(n->out[i], s->node->out[i]);
    mc_node_remove(n);
    return true;
  }
  seen *s = MC_NEW(a, seen);
  *s = (seen){ n, *at };
  *at = s;
  return false;
}

bool mc_pass_cse(mc_pass_context *cx, const mc_opts_cse *o, bool *changed) {
  (void)o; /* has no options */
  mc_map m;
  mc_map_init(&m, cx->scratch);
  MC_FOR_NODES (n, cx->graph) {
    if (n->region || mc_op_has(n->op, MC_T_TERM) || n->nout == 0 || !merge(&m, n, cx->scratch))
      continue;
    MC_STAT_ADD(cx, cse, merged, 1);
    *changed = true;
  }
  return true;
}
