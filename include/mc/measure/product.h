/* Layers whose weights are a matrix (docs/guide/compression.md): linear, conv2d, conv_transpose2d
 * with constant f32 weights and bias; not those inside of groups. */
#ifndef MC_MEASURE_PRODUCT_H
#define MC_MEASURE_PRODUCT_H
#include "mc/ir/graph.h"

typedef struct mc_product {
  mc_node *node;
  int64_t groups;     /* matrices */
  int64_t o, d;       /* rows and columns of each */
  int64_t kh, kw, ci; /* d = kh * kw * ci; linear: 1, 1, ci */
  int64_t places;     /* positions of the output of one run of the graph (batch included) */
} mc_product;

/* All products of g in order. In the arena. */
typedef struct mc_products {
  mc_product *v;
  int n;
} mc_products;

mc_products mc_products_of(const mc_graph *g, mc_arena *a);

/* A matrix for each channel or a few: its columns are one channel's window. */
static inline bool mc_product_depthwise(const mc_product *p) { return p->groups > 1 && p->ci == 1; }

/* What a message calls a layer: its name in the model, its result's, or its op. */
const char *mc_layer_name(const mc_node *n);
/* The weights as matrices [groups, o, d] and the bias [groups * o] (zeros where there is none). */
void mc_product_weights(const mc_product *p, float *w, float *bias);
/* The same in the arena: the weights, and *bias (may be NULL). */
float *mc_product_copy(const mc_product *p, mc_arena *a, float **bias);
/* Give the node new weights and bias (a bias operand is added where there is none and one is not
 * zero): new tensors of the same shapes. False after reporting. */
bool mc_product_set(const mc_product *p, const float *w, const float *bias, mc_diag *d);
/* Columns [groups, n, d] that the product reads at n places (index into [0, places)), from x, the
 * dense data of its first operand. */
void mc_product_columns(const mc_product *p, const float *x, const int64_t *place, int64_t n,
                        float *col);
#endif
