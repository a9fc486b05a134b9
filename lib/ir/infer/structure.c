/* Constants, groups, return. */
#include "infer.h"
#include <string.h>

/* A constant's shape and dtype are its tensor's; the quantization is what the text says. */
static bool constant(mc_infer *f, const mc_tensor *t) {
  if (!t) return mc_infer_error(f, "has no tensor");
  const char *name = t->name ? mc_arena_printf(f->diag->arena, "@%s", t->name) : "the constant";
  if (f->want && f->want->dtype != t->dtype)
    return mc_infer_error(f, "%s is %s, not %s", name, mc_dtype_names[t->dtype],
                          mc_dtype_names[f->want->dtype]);
  f->out->dtype = t->dtype;
  mc_inf_set_dims(f->out, t->rank, t->dim);
  if (f->want) f->out->q = f->want->q;
  const char *wrong = mc_type_check(f->out);
  if (wrong) return mc_infer_error(f, "%s: %s", name, wrong);
  if (t->size != (size_t)mc_type_bytes(f->out))
    return mc_infer_error(f, "%s has %zu bytes, its type needs %lld", name, t->size,
                          (long long)mc_type_bytes(f->out));
  return true;
}

bool mc_infer_weight(mc_infer *f) { return constant(f, MC_ATTRS(f->node, weight)->name); }

bool mc_infer_const(mc_infer *f) { return constant(f, MC_ATTRS(f->node, const)->value); }

/* Planner's attributes are either absent or complete. */
static bool group_attrs(mc_infer *f) {
  const mc_attrs_group *at = MC_ATTRS(f->node, group);
  int nout = f->node->nout;
  if (at->offset.n && at->offset.n != nout)
    return mc_infer_error(f, "attribute 'offset' expects one value per result (%d), got %d", nout,
                          at->offset.n);
  if (at->halo.n && at->halo.n != 4 * nout)
    return mc_infer_error(f, "attribute 'halo' expects 4 values per result (%d), got %d", 4 * nout,
                          at->halo.n);
  for (int i = 0; i < at->offset.n; i++)
    if (at->offset.v[i] < -1)
      return mc_infer_error(f, "attribute 'offset' must be at least -1, got %lld",
                            (long long)at->offset.v[i]);
  if (!mc_inf_attr_range(f, "tasks", &at->tasks, 1, 0)) return false;
  if (at->divide && *at->divide && strcmp(at->divide, "rows") && strcmp(at->divide, "columns"))
    return mc_infer_error(f, "attribute 'divide' must be \"rows\" or \"columns\", got \"%s\"",
                          at->divide);
  return mc_inf_attr_range(f, "halo", at->halo.v, at->halo.n, 0);
}

bool mc_infer_group(mc_infer *f) {
  const mc_graph *r = f->node->region;
  if (!r || !r->last || r->last->op != MC_OP_return)
    return mc_infer_error(f, "has no region that ends with return");
  if (mc_graph_nout(r) != f->node->nout)
    return mc_infer_error(f, "has %d result%s, but its region returns %d", f->node->nout,
                          f->node->nout == 1 ? "" : "s", mc_graph_nout(r));
  for (int i = 0; i < f->node->nout; i++) {
    const mc_value *v = mc_graph_out(r, i);
    if (!v || !v->type) return mc_infer_error(f, "result %d of its region has no type", i);
    f->out[i] = *v->type;
  }
  return group_attrs(f);
}

bool mc_infer_return(mc_infer *f) {
  (void)f; /* any operands */
  return true;
}
