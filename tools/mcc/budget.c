/* -quant-budget: which layers stay in fp32. The object is then made as with -skip= of those layers,
 * so the same command with that option gives it again. */
#include "mcc.h"
#include <math.h>

bool budget_possible(mcc *o) {
  mc_diag *d = &o->t.diag;
  if (!o->budget || o->co.pipeline) return true;
  if (!mc_partial_read(&o->partial_want, o->budget, d)) return false;
  if (o->co.quant == MC_QUANT_NONE)
    return mc_error(d, mc_noloc,
                    "-quant-budget says which layers -quant may convert: give -quant=int8, w4a8 or "
                    "bf16");
  return o->partial_want.kind != MC_PARTIAL_ACC || o->eval ||
         mc_error(d, mc_noloc,
                  "-quant-budget=%s needs samples with labels: give -eval=FILE.npz (others than "
                  "those of -calib)",
                  o->budget);
}

/* What the object will be like, and how to have it again. */
static const char *found(mcc *o) {
  const mc_partial *p = &o->partial;
  mc_arena *a = o->t.arena;
  const mc_trial fp32 = { .snr = NAN, .right = p->right };
  const char *text =
      mc_arena_printf(a, "-quant-budget=%s: %d of %d layers stay in fp32; %s", o->budget, p->kept,
                      p->layers, mc_trial_text(&p->chosen, p->samples, a));
  if (p->kept)
    text =
        mc_arena_printf(a, "%s (all quantized: %s)", text, mc_trial_text(&p->all, p->samples, a));
  if (p->right >= 0)
    text = mc_arena_printf(a, "%s; fp32: %s", text, mc_trial_text(&fp32, p->samples, a));
  return p->kept ? mc_arena_printf(a, "%s\n-skip='%s'", text, p->skip) : text;
}

bool budget_apply(mcc *o, const mc_module *m) {
  mc_diag *d = &o->t.diag;
  if (!o->budget || o->co.pipeline) return true;
  mc_trial_opts t = { .data = o->eval ? o->eval : mc_compile_samples(m, &o->co, o->t.arena),
                      .progress = o->co.manager.progress,
                      .progress_ctx = o->co.manager.progress_ctx };
  if (!t.data)
    return mc_error(d, mc_noloc,
                    "-quant-budget=%s needs samples: give -calib= or -eval=", o->budget);
  if (!mc_partial_choose(&o->partial, m, &o->co, &o->partial_want, &t, o->t.arena, d)) return false;
  o->co.skip = o->partial.skip ? o->partial.skip : o->co.skip;
  o->budget_text = found(o);
  for (int i = 0; i < o->partial.kept; i++)
    mc_remark(d, mc_noloc, "-quant-budget=%s: %s stays in fp32", o->budget, o->partial.name[i]);
  return true;
}
