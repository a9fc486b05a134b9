/* The rows of passes.def with the addresses of their functions. A row without its function does not
 * link. */
#include "mc/driver/driver.h"

#define MC_PASS(id, text, contract, doc) static const mc_field fields_##id[] = {
#define MC_OPT(pass, name, KIND, dflt, doc)                                                        \
  { #name, MC_F_##KIND, 1, offsetof(mc_opts_##pass, name), dflt, NULL, doc },
#define MC_OPTE(pass, name, enm, dflt, doc)                                                        \
  { #name, MC_F_ENUM, 1, offsetof(mc_opts_##pass, name), dflt, mc_names_##enm, doc },
#define MC_PASS_END(id)                                                                            \
  {                                                                                                \
    NULL, MC_F_I64, 0, 0, NULL, NULL, NULL                                                         \
  }                                                                                                \
  }                                                                                                \
  ;
#include "mc/pass/passes.def"

#define MC_PASS(id, text, contract, doc) static const mc_stat_info stats_##id[] = {
#define MC_STAT(pass, name, doc) { #name, doc },
#define MC_PASS_END(id)                                                                            \
  {                                                                                                \
    NULL, NULL                                                                                     \
  }                                                                                                \
  }                                                                                                \
  ;
#include "mc/pass/passes.def"

#define MC_PASS(id, text, contract, doc)                                                           \
  static bool run_##id(mc_pass_context *cx, const void *o, bool *changed) {                        \
    return mc_pass_##id(cx, o, changed);                                                           \
  }
#include "mc/pass/passes.def"

static const mc_pass_info passes[] = {
#define MC_PASS(id, text, contract, doc)                                                           \
  { text,        doc,        MC_##contract,         sizeof(mc_opts_##id),                          \
    fields_##id, stats_##id, mc_stat_##id##_count_, run_##id },
#include "mc/pass/passes.def"
};

static const mc_pass_alias aliases[] = {
  { "prune", "prune-channels", "short for prune-channels" },
  { "lowrank", "lowrank-svd", "short for lowrank-svd" },
};

const mc_registry *mc_driver_registry(void) {
  static const mc_registry registry = { passes, sizeof passes / sizeof *passes, aliases,
                                        sizeof aliases / sizeof *aliases };
  return &registry;
}
