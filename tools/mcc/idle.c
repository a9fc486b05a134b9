/* Options that can do nothing beside the others that were given: a warning each, with the reason.
 * What depends on the network is said where it is known: names of layers in the passes, ranges and
 * samples in the pipeline, blocks in -tune. */
#include "mcc.h"
#include <string.h>

#define IDLE(o, why, ...) tool_no_effect(&(o)->t, (const char *const[]){ __VA_ARGS__, NULL }, why)

static void with_pipeline(mcc *o) {
  IDLE(o, "-pass-pipeline names the passes that run", "calib", "calib-method", "equalize", "mixed",
       "group", "winograd", "chain", "skip", "only", "quant-budget");
  if (!o->co.target || !o->co.target->next) /* -quant chooses the levels of a dispatch object */
    IDLE(o, "-pass-pipeline names the passes that run", "quant");
}

static void with_passes(mcc *o) {
  bool int8 = mc_quant_ints(o->co.quant);
  if (!o->budget) IDLE(o, "it is for -quant-budget", "eval");
  if (o->co.quant != MC_QUANT_W4A8 && o->co.quant != MC_QUANT_W4)
    IDLE(o, "it is for -quant=w4a8 and w4", "group");
  if (o->co.quant == MC_QUANT_NONE) IDLE(o, "it is for -quant=int8 and others", "skip", "only");
  if (!int8 && !mc_quant_rounds(o->co.quant))
    IDLE(o, "it is for -quant=int8, w4a8, w8 and w4", "calib");
  if (!int8) IDLE(o, "it is for -quant=int8 and w4a8", "winograd", "calib-method", "equalize");
  if (int8 && o->co.small)
    IDLE(o, "-Os leaves winograd out", "winograd");
  else if (int8 && o->co.opt_level < 2)
    IDLE(o, "winograd runs from -O2 on", "winograd");
  if (o->co.chain != MC_CHAIN_AUTO) return;
  if (o->co.small || o->co.opt_level < 2)
    IDLE(o, "without -O2 or -O3 no chains are formed (-chain=memory forms them)", "chain");
  else if (o->co.threads > 1)
    IDLE(o, "chains are for one thread, and this is for several", "chain");
}

static void with_code(mcc *o) {
  if (o->emit != EMIT_MIR) IDLE(o, "it is for -emit=mir", "decisions");
  if (o->emit == EMIT_MIR)
    IDLE(o, "-emit=mir stops before code", "g", "share", "name", "compress-weights");
  else if (o->co.share && (o->co.debug || o->co.opt_level == 0))
    IDLE(o,
         o->co.debug ? "with -g each layer has code of its own"
                     : "at -O0 each layer has code of its own",
         "share");
  if (o->emit != EMIT_OBJ) IDLE(o, "only an object can be run", "check");
}

void warn_idle(mcc *o) {
  if (o->print_pipeline) {
    const char *why = "-print-pipeline runs nothing and writes no file";
    IDLE(o, why, "o", "g", "share", "name", "emit", "decisions", "remarks", "tune", "json", "check",
         "compress-weights", "quant-budget", "eval");
    passes_no_effect(&o->t, why);
    return;
  }
  if (o->co.pipeline)
    with_pipeline(o);
  else
    with_passes(o);
  with_code(o);
  bool random =
      (o->exact && !*o->exact) || (o->co.manager.check_numerics && !*o->co.manager.check_numerics);
  if (!random) IDLE(o, "it is for -check and -check-numerics without a file", "seed");
}

/* Options that say what the list is of. */
static bool for_list(const char *name) {
  static const char *const names[] = { "list-engines", "march", "target", "quant" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

void warn_listing(mcc *o) {
  const char *why = "-list-engines prints the list and ends";
  for (size_t i = 0; i < o->t.given.n; i++)
    if (!for_list(o->t.given.v[i])) IDLE(o, why, o->t.given.v[i]);
  if (o->t.args.n) mc_warning(&o->t.diag, mc_noloc, "'%s' is not read: %s", o->t.args.v[0], why);
}
