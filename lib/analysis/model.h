/* Parts of the cost model that its files share. */
#ifndef ANALYSIS_MODEL_H
#define ANALYSIS_MODEL_H
#include "mc/analysis/model.h"

enum { KMODEL_LANES = 16 };

/* Vector instructions for 16 elements: an operand is loaded, one of 8 bits is brought to fp32, a
 * result is stored. */
#define LOAD_OPS 1.0
#define WIDEN_OPS 4.0
#define STORE_OPS 1.0

/* Vector instructions of an elementwise op for 16 results in fp32 registers: the row's number.
 * 8-bit forms add their conversions, 8-bit unary ops read a table. */
double model_vectors(mc_opcode op);
/* 16 entries of a table of 256 bytes. */
double model_table_ops(const mc_target *t);
/* All vector instructions of a group that `head`, no product and not elementwise, heads; elements
 * of its first operand and of the group's result. */
double model_head_ops(const mc_node *head, double elems, double results);

mc_part model_level(const mc_target *t, double bytes);
void model_traffic(mc_estimate *e, const mc_target *t, mc_part level, double bytes);
void model_result(mc_estimate *e, const mc_target *t, mc_part level, double bytes);
/* Sets cycles and bound from the parts. */
void model_finish(mc_estimate *e);
/* Fills mr and nv. */
mc_estimate model_best_block(mc_nest *n, const mc_target *t, int64_t weights);
/* A convolution by Winograd's minimal filtering (mc/analysis/winograd.h), with `ops` vector
 * instructions for 16 results after it. ready: transformed weights are constants. */
mc_estimate model_winograd(const mc_node *head, const mc_target *t, bool ready, double ops,
                           int64_t weights);
/* A first convolution with pixels in lanes; words: mc_first_conv_words, not 0. nest: of its bytes.
 */
mc_estimate model_first_conv(const mc_node *n, int words, const mc_nest *nest, const mc_target *t);
#endif
