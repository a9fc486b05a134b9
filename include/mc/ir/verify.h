#ifndef MC_IR_VERIFY_H
#define MC_IR_VERIFY_H
#include "mc/ir/graph.h"
/* Check every invariant: order, use lists, operand counts, types equal to inference, quantization
 * rules (docs/reference/mir.md), names unique, a return at the end, regions. Reports all that it
 * finds; true when nothing was. */
bool mc_verify_module(const mc_module *m, mc_diag *d);
bool mc_verify_graph(const mc_graph *g, mc_diag *d);
#endif
