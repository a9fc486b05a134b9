/* Which value of the original a product of the changed network should give. */
#ifndef MC_MEASURE_MATCH_H
#define MC_MEASURE_MATCH_H
#include "mc/measure/product.h"

/* The same number of inputs, of the same types? */
bool mcm_same_inputs(const mc_graph *a, const mc_graph *b);
/* For each product of `is` the output of that product of `was` that it stands for, or NULL. Copies
 * of one graph (!other): the same number. Else by the layer's name in the model, or the value's; of
 * several products of one name (the factors of a layer) the last; shapes must agree. */
mc_value **mcm_match(const mc_products *was, const mc_products *is, bool other, mc_arena *a);
#endif
