#include "rewrite.h"
#include <math.h>
#include <string.h>

enum { INLINE_ELEMS = 64 }; /* constants up to this size may be in the text */

mc_builder build_at(mc_pass_context *cx, mc_node *n) {
  return (mc_builder){
    .graph = n->graph, .before = n, .diag = cx->diag, .loc = n->loc, .source = n->source
  };
}

void erase_if_dead(mc_node *n) {
  if (!n->graph || mc_op_has(n->op, MC_T_TERM)) return;
  for (int i = 0; i < n->nout; i++)
    if (n->out[i]->uses) return;
  int nin = n->nin;
  mc_node *from[4];
  if (nin > 4) nin = 0; /* wide ops leave their operands to dce */
  for (int i = 0; i < nin; i++) from[i] = n->in[i]->def;
  mc_node_remove(n);
  for (int i = 0; i < nin; i++)
    if (from[i]) erase_if_dead(from[i]);
}

void erase_dead_constants(mc_graph *g) {
  MC_FOR_NODES (n, g)
    if (mc_op_has(n->op, MC_T_CONST)) erase_if_dead(n);
}

void replace_node(mc_node *n, mc_value *v) {
  mc_value_replace(n->out[0], v);
  erase_if_dead(n);
}

bool is_f32(const mc_value *v) { return v->type->dtype == MC_f32 && v->type->q.kind == MC_Q_NONE; }

bool same_dims(const mc_type *a, const mc_type *b) { return mc_type_same_shape(a, b); }

/* ---- constants ---- */
const float *constant_f32(const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  return t && is_f32(v) && t->dtype == MC_f32 ? t->data : NULL;
}

bool constant_splat(const mc_value *v, float *x) {
  const float *d = constant_f32(v);
  if (!d) return false;
  for (int64_t i = 1, n = mc_type_elems(v->type); i < n; i++)
    if (memcmp(&d[i], &d[0], sizeof *d)) return false;
  *x = d[0];
  return true;
}

bool constant_near(const mc_value *v, double x) {
  float c;
  return constant_splat(v, &c) && fabs((double)c - x) <= 1e-3 * fabs(x);
}

/* "fc.weight.1", made from "fc.weight", gives "fc.weight" again: the next is "fc.weight.2", not
 * "fc.weight.1.1". */
static const char *first_name(mc_module *m, const char *name) {
  const char *dot = strrchr(name, '.');
  if (!dot || !dot[1] || dot[1 + strspn(dot + 1, "0123456789")]) return name;
  const char *stem = mc_arena_strndup(m->arena, name, (size_t)(dot - name));
  return mc_module_tensor(m, stem) ? stem : name;
}

const char *constant_name(const mc_builder *b, const mc_value *like, int64_t elems) {
  const mc_tensor *t = like ? mc_value_tensor(like) : NULL;
  if (t && t->name) return first_name(b->graph->module, t->name);
  if (elems <= INLINE_ELEMS) return NULL;
  return b->source && *b->source ? b->source : "constant";
}

mc_value *constant_new(mc_builder *b, const mc_value *like, int rank, const int64_t *dim,
                       float **data) {
  int64_t elems = 1;
  for (int i = 0; i < rank; i++) elems *= dim[i];
  void *p;
  mc_tensor *t =
      mc_tensor_create(b->graph->module, constant_name(b, like, elems), MC_f32, rank, dim, &p);
  *data = p;
  return mc_build_tensor(b, t, NULL);
}

mc_value *constant_scalar(mc_builder *b, float x) {
  float *d;
  mc_value *v = constant_new(b, NULL, 0, NULL, &d);
  *d = x;
  return v;
}

mc_value *constant_reshaped(mc_builder *b, const mc_value *v, int rank, const int64_t *dim) {
  const float *d = constant_f32(v);
  float *to;
  if (!d) return NULL;
  mc_value *r = constant_new(b, v, rank, dim, &to);
  memcpy(to, d, (size_t)mc_type_bytes(v->type));
  return r;
}

float *per_channel(const mc_value *c, const mc_value *x, int64_t *count, mc_arena *a) {
  const float *d = constant_f32(c);
  const mc_type *ct = c->type, *xt = x->type;
  if (!d || ct->rank > xt->rank) return NULL;
  int64_t n = xt->rank ? xt->dim[xt->rank - 1] : 1, k = mc_type_elems(ct);
  if (k != 1 && (k != n || ct->dim[ct->rank - 1] != n)) return NULL;
  float *out = MC_NEWN(a, float, n);
  for (int64_t i = 0; i < n; i++) out[i] = d[k == 1 ? 0 : i];
  *count = n;
  return out;
}
