/* dense<...>: the elements of an inline constant as text. */
#ifndef MC_LIB_IR_DENSE_H
#define MC_LIB_IR_DENSE_H
#include "mc/ir/graph.h"
void mc_dense_print(mc_strbuf *out, const mc_tensor *t);
#endif
