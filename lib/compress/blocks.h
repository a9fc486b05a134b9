/* Residual blocks: x + f(x) (prune-blocks). Private to compress. */
#ifndef MC_COMPRESS_BLOCKS_H
#define MC_COMPRESS_BLOCKS_H
#include "compress.h"

/* A block ends in an add of x and y, y made of x by `products` layers among other ops. */
typedef struct mc_block {
  int at;              /* position of the add among the ops that are no constants: the same in a
                          clone with other weights */
  int x;               /* the add's operand that stays */
  int products;        /* layers with weights, and products of activations */
  mc_node *first;      /* the first of them */
  mc_node *last;       /* the product that y comes from through ops that keep 0; NULL: none */
  const char *skipped; /* why it stays; NULL: it may go */
  double score;        /* the smallest goes first */
  bool gone;
} mc_block;

typedef struct mc_blocks {
  mc_block *v;
  int n;
} mc_blocks;

/* All blocks of g in order. In the arena. */
mc_blocks mc_blocks_of(const mc_graph *g, mc_arena *a);
mc_node *mc_block_add(const mc_graph *g, const mc_block *b);
/* Put x in the place of each block with gone set, in g (the graph itself or a clone), and remove
 * what nobody reads then. False after reporting. */
bool mc_blocks_remove(mc_graph *g, const mc_blocks *b, mc_diag *d);
/* The gain of the layers before y, from their weights: the root mean square of what they make
 * of values of variance 1. */
double mc_block_gain(const mc_graph *g, const mc_block *b);
#endif
