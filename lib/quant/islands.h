/* Inside of the pass from-qdq: f32 values that hold nothing but stored integers, and what is built
 * of the integers. Shared by from_qdq.c, island_ints.c, island_product.c and island_weight.c. */
#ifndef MC_QUANT_ISLANDS_H
#define MC_QUANT_ISLANDS_H
#include "quant.h"
#include "mc/ir/build.h"

/* The i32 sums of a product and the bounds that its f32 result has. */
typedef struct sums {
  mc_value *acc;
  float lo, hi;
} sums;

typedef struct islands {
  mc_pass_context *cx;
  mc_map ints;          /* f32 value -> the u8 or i8 value that it is the dequantize of */
  mc_map sums;          /* f32 result of a product -> its sums */
  mc_map told;          /* node -> itself: why it stays in f32 was said */
  int64_t layers, kept; /* products on integers; those that read integers and stay in f32 */
  const char *why;      /* of the first that was kept: "conv2d x: ..." */
  bool failed;          /* an error was reported */
} islands;

/* u8 or i8 with one scale. */
static inline bool is_q8(const mc_type *t) {
  return (t->dtype == MC_u8 || t->dtype == MC_i8) && t->q.kind == MC_Q_TENSOR;
}

/* Node n stays in f32: a remark, once for each node. Returns NULL. */
void *islands_keep(islands *s, const mc_node *n, const char *why);
/* "conv2d" or "conv2d name" */
const char *islands_name(islands *s, const mc_node *n);
/* Builds before `before`; what inference refuses is no error of the network: the op stays in
 * f32. */
mc_node *islands_build(islands *s, mc_node *before, const mc_node *like, mc_opcode op,
                       mc_value *const *in, int nin, const void *attrs, const mc_type *elem);
/* The integers that an f32 value was made of, NULL when it holds others; ops that only move
 * elements are repeated on the integers, each before its original. */
mc_value *islands_ints(islands *s, mc_value *v);
/* A graph input of plain integers that is read as reals in one way gets the type that says so. */
void islands_adopt(islands *s, mc_value *input);
/* The attributes of n without its clamp; [*lo, *hi] gets the clamp. */
void *islands_attrs(islands *s, const mc_node *n, float *lo, float *hi);
/* conv2d, conv_transpose2d, linear, matmul on integers; s->sums has the result. */
void islands_product(islands *s, mc_node *n);

/* A dequantized constant, apart: d[i] = q - zero in a range of 9 bits, scale[index[i]]. */
typedef struct weight {
  const mc_value *whole; /* the stored weight, when nothing but dequantize follows it */
  const mc_type *shape;
  const char *name;
  int16_t *d;
  int32_t *index;      /* d NULL: it is i8 as products want it; index NULL: all 0 */
  const mc_type *type; /* of the stored weight */
} weight;

/* False without report when v is no 8-bit constant before dequantize, reshape and transpose. */
bool islands_weight(islands *s, const mc_value *v, weight *out);
/* Whether d fits i8 everywhere. */
bool islands_weight_fits(const weight *w);
/* The weight [channels, ..., k] as i8 with zero point 0. halves: [channels, ..., 2k], half of d and
 * the other half of it (which may be larger by 1). NULL when the scales do not go with axis 0. */
mc_value *islands_build_weight(islands *s, mc_node *n, const weight *w, bool halves);
#endif
