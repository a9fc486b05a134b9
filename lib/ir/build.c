#include "mc/ir/build.h"
#include <string.h>

void mc_attrs_init(mc_opcode op, void *attrs, mc_arena *a) {
  memset(attrs, 0, mc_ops[op].attrs_size);
  mc_field_defaults(mc_ops[op].attrs, attrs, a);
}

/* Lists and strings of the caller's attributes are copied, so that they may live on its stack. */
static void copy_attrs(mc_opcode op, void *to, const void *from, mc_arena *a) {
  memcpy(to, from, mc_ops[op].attrs_size);
  for (const mc_field *f = mc_ops[op].attrs; f->name; f++) {
    char *p = (char *)to + f->offset;
    if (f->kind == MC_F_INTS) {
      mc_ints *l = (mc_ints *)(void *)p;
      if (l->n) l->v = mc_arena_copy(a, l->v, sizeof *l->v * (size_t)l->n);
    } else if (f->kind == MC_F_STR) {
      const char **s = (const char **)(void *)p;
      if (*s) *s = mc_arena_strdup(a, *s);
    }
  }
}

/* How many results: fixed, or (split) as many as the attribute lists. */
static int result_count(mc_opcode op, const void *attrs) {
  if (op == MC_OP_split) return ((const mc_attrs_split *)attrs)->sizes.n;
  return mc_ops[op].outs < 0 ? 0 : mc_ops[op].outs;
}

mc_node *mc_build_as(mc_builder *b, mc_opcode op, mc_value *const *in, int nin, const void *attrs,
                     const mc_type *elem) {
  mc_module *m = b->graph->module;
  int nout = attrs ? result_count(op, attrs) : mc_ops[op].outs < 0 ? 0 : mc_ops[op].outs;
  mc_node *n = mc_node_create(m, op, in, nin, nout, b->loc);
  if (attrs) copy_attrs(op, n->attrs, attrs, m->arena);
  n->source = b->source;
  mc_node_insert(b->graph, b->before, n);
  mc_type *out = MC_NEWN(m->arena, mc_type, nout ? nout : 1);
  if (!mc_infer_node(m, n, elem, out, b->diag)) {
    mc_node_remove(n);
    return NULL;
  }
  for (int i = 0; i < nout; i++) n->out[i]->type = mc_type_intern(m, &out[i]);
  return n;
}

mc_node *mc_build(mc_builder *b, mc_opcode op, mc_value *const *in, int nin, const void *attrs) {
  return mc_build_as(b, op, in, nin, attrs, NULL);
}

mc_value *mc_build1_as(mc_builder *b, mc_opcode op, mc_value *const *in, int nin, const void *attrs,
                       const mc_type *elem) {
  mc_node *n = mc_build_as(b, op, in, nin, attrs, elem);
  return n ? n->out[0] : NULL;
}

mc_value *mc_build1(mc_builder *b, mc_opcode op, mc_value *const *in, int nin, const void *attrs) {
  return mc_build1_as(b, op, in, nin, attrs, NULL);
}

mc_value *mc_build_tensor(mc_builder *b, mc_tensor *t, const mc_type *type) {
  if (t->name) return mc_build1_as(b, MC_OP_weight, NULL, 0, &(mc_attrs_weight){ .name = t }, type);
  return mc_build1_as(b, MC_OP_const, NULL, 0, &(mc_attrs_const){ .value = t }, type);
}
