/* What the tools share above all floors: the table of passes with their addresses. */
#ifndef MC_DRIVER_DRIVER_H
#define MC_DRIVER_DRIVER_H
#include "mc/pass/pass.h"
/* Every pass of passes.def and the names that stand for pipelines. Static data. */
const mc_registry *mc_driver_registry(void);
/* Warn where the samples of a file cannot be what the network learned from (check-samples{norms},
 * on so many of them). The module is left as it is. False after reporting an error. */
bool mc_driver_check_samples(mc_module *m, const char *data, int samples, mc_diag *d);
#endif
