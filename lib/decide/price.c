/* What a group takes where nothing is known of its neighbours: values lie densely, one thread. */
#include "mc/decide/decide.h"

static mc_strides dense(const void *ctx, const mc_value *v) {
  (void)ctx;
  mc_strides s = mc_strides_dense(v->type);
  s.slack = true;
  return s;
}

/* On levels with tiles, chains were fitted (tuning.def) with the model's price of a nest of
 * vectors, not with that of the blocks that are emitted; they stay until such a machine fits them
 * again. */
static bool has_tiles(const mc_target *t) {
  return (t->isa & (MC_ISA_BIT(amx_int8) | MC_ISA_BIT(amx_bf16))) != 0;
}

mc_ask mc_ask_alone(const mc_node *group, const mc_target *t, int64_t weights) {
  return (mc_ask){
    .group = group, .target = t, .weights = weights, .tasks = 1, .workers = 1, .strides = dense
  };
}

mc_estimate mc_decide_price_as(const mc_node *group, mc_family as, const mc_target *t,
                               int64_t weights) {
  if (has_tiles(t)) return mc_model_group_as(group, as, t, weights);
  mc_arena *a = mc_arena_create();
  mc_diag quiet;
  mc_diag_init(&quiet, a);
  mc_ask ask = mc_ask_alone(group, t, weights);
  ask.as = as;
  const mc_decision *d = mc_decide(&ask, a, &quiet);
  mc_estimate e = d ? d->estimate : mc_model_group_as(group, as, t, weights);
  mc_arena_destroy(a);
  return e;
}

mc_estimate mc_decide_price(const mc_node *group, const mc_target *t, int64_t weights) {
  return mc_decide_price_as(group, mc_group_family(group), t, weights);
}
