#include "match.h"
#include <string.h>

bool mcm_same_inputs(const mc_graph *a, const mc_graph *b) {
  if (a->nin != b->nin) return false;
  for (int i = 0; i < a->nin; i++)
    if (!mc_type_same_shape(a->in[i]->type, b->in[i]->type) ||
        a->in[i]->type->dtype != b->in[i]->type->dtype)
      return false;
  return true;
}

static const char *name_of(const mc_product *p) {
  return p->node->source ? p->node->source : p->node->out[0]->name;
}

static const mc_product *last_named(const mc_products *p, const char *name, const mc_type *shape) {
  for (int i = p->n - 1; i >= 0; i--) {
    const char *n = name_of(&p->v[i]);
    if (n && !strcmp(n, name) && mc_type_same_shape(p->v[i].node->out[0]->type, shape))
      return &p->v[i];
  }
  return NULL;
}

mc_value **mcm_match(const mc_products *was, const mc_products *is, bool other, mc_arena *a) {
  mc_value **target = MC_NEWN(a, mc_value *, is->n + 1);
  for (int i = 0; i < is->n; i++) {
    if (!other) {
      target[i] = was->v[i].node->out[0];
      continue;
    }
    const char *name = name_of(&is->v[i]);
    const mc_type *shape = is->v[i].node->out[0]->type;
    const mc_product *p = name ? last_named(was, name, shape) : NULL;
    if (p && last_named(is, name, shape) == &is->v[i]) target[i] = p->node->out[0];
  }
  return target;
}
