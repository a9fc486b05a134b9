/* What -march and -target stand for, and what the lowest level gives away. */
#include "mcc.h"
#include "mc/support/suggest.h"
#include <string.h>

/* The plan of -emit=mir is that of one level; objects and their text choose where they can. */
static const char *march_of(const mcc *o) {
  if (o->march || o->emit == EMIT_MIR) return o->march;
  return mc_target_default_march(o->arch);
}

static const char *arithmetic(mc_arith how) {
  return how == MC_ARITH_int8 ? "8-bit" : how == MC_ARITH_bf16 ? "bf16" : "fp32";
}

/* Another architecture without -march: what its better levels would bring. */
static void remark_lowest(mcc *o, const mc_target *t) {
  mc_arith how = mc_quant_arith(o->co.quant);
  double own = mc_target_best_rate(t, how);
  const char *list = NULL;
  const mc_target *all = mc_target_find_for(o->arch, "dispatch", how, o->t.arena, &o->t.diag);
  for (const mc_target *l = all ? all->next : NULL; l; l = l->next) {
    double times = mc_target_best_rate(l, how) / own;
    if (times <= 1) continue;
    const char *one = mc_arena_printf(o->t.arena, "'%s' %.3g times", l->name, times);
    list = list ? mc_arena_printf(o->t.arena, "%s, %s", list, one) : one;
  }
  if (!list) return;
  mc_remark(
      &o->t.diag, mc_noloc,
      "code is for '%s', the lowest level of %s; of %s products a cycle %s as many: name a level "
      "with -march=, or -march=dispatch for all of them in one object",
      t->name, mc_arch_name(t->arch), arithmetic(how), list);
}

const mc_target *level_find(mcc *o) {
  const char *march = march_of(o), *level = march ? mc_cpu_level(march) : NULL;
  mc_arith how = mc_quant_arith(o->co.quant);
  const mc_target *t = mc_target_find_for(o->arch, march, how, o->t.arena, &o->t.diag);
  if (t && level && mc_same_word(t->name, level))
    mc_remark(&o->t.diag, mc_noloc, "-march=%s: its best level is '%s'", march, level);
  if (t && !march && o->emit != EMIT_MIR) remark_lowest(o, t);
  if (t && o->sparse) t = mc_target_sparse(t, (mc_sparse_how)o->sparse, o->t.arena);
  bool small = o->compress_weights || mc_quant_only_weights(o->co.quant) ||
               (o->co.small && o->co.quant == MC_QUANT_W4A8);
  return t && small ? mc_target_small_weights(t, o->t.arena) : t;
}
