/* What the tools share above all floors: the table of passes with their addresses. */
#ifndef MC_DRIVER_DRIVER_H
#define MC_DRIVER_DRIVER_H
#include "mc/pass/pass.h"
/* Every pass of passes.def and the names that stand for pipelines. Static data. */
const mc_registry *mc_driver_registry(void);
#endif
