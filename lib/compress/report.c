#include "report.h"
#include <math.h>

static const double usable_kl = 1.0, usable_l2 = 0.5;

static const char *text_of(mc_pass_context *cx, const mc_distance *x) {
  if (x->kl < 0) return mc_arena_printf(cx->scratch, "relative squared error %.4g", x->l2);
  return mc_arena_printf(cx->scratch, "KL %.4g, relative squared error %.4g", x->kl, x->l2);
}

void mc_report_damage(mc_pass_context *cx, const char *pass, const mc_distance *held,
                      const mc_distance *final) {
  const mc_distance *x = held ? held : final;
  mc_remark(cx->diag, cx->loc,
            "%s: change of the output on held-back samples: %s; with all samples in the fit: %s",
            pass, text_of(cx, x), text_of(cx, final));
  if (x->kl > usable_kl || (x->kl < 0 && x->l2 > usable_l2))
    mc_warning(cx->diag, cx->loc,
               "%s: the output has changed so much (%s) that the network is not usable without "
               "training; keep more",
               pass, text_of(cx, x));
  cx->bound = 3 * sqrt(final->l2) + 1e-3;
  cx->bound_samples = true;
}
