/* Layers by name, as passes take them: skip="stem:layer*.conv". */
#ifndef MC_PASS_LAYERS_H
#define MC_PASS_LAYERS_H
#include "mc/pass/pass.h"

/* Warn of each of the ':'-separated patterns of the option that names no op of the module (source
 * names and results count), with the nearest name. `traits`: of the ops that count (MC_T_ACCUM:
 * layers); 0: all. */
void mc_layers_warn_unmatched(mc_pass_context *cx, const char *pass, const char *option,
                              const char *patterns, unsigned traits);
/* The same for names of ops. */
void mc_ops_warn_unmatched(mc_pass_context *cx, const char *pass, const char *option,
                           const char *patterns);
#endif
