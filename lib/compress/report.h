/* What a lossy pass says about the change that it made. Private to compress. */
#ifndef MC_COMPRESS_REPORT_H
#define MC_COMPRESS_REPORT_H
#include "mc/measure/damage.h"

/* A remark with the measured distance: `held` on samples that the fit had not seen, `final` after
 * the fit on all; a warning where the network is not usable without training; the pass's bound.
 * held may be NULL. */
void mc_report_damage(mc_pass_context *cx, const char *pass, const mc_distance *held,
                      const mc_distance *final);
#endif
