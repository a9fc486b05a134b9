/* Layers of the pass sparsify and how many of their blocks go. Private to compress. */
#ifndef MC_COMPRESS_SPARSIFY_H
#define MC_COMPRESS_SPARSIFY_H
#include "mc/pass/pass.h"
#include "mc/measure/moments.h"
#include "pattern.h"

typedef struct sparse_layer {
  mc_node *node; /* linear or conv2d */
  const mc_tensor *w;
  mc_grid grid;
  float *data;         /* the new weights, a copy of w's */
  double *score;       /* by block: mean over its weights; least important first to go */
  bool *gone;          /* by block */
  int64_t quota;       /* blocks that go */
  const double *given; /* by weight: its score or mask from a file; NULL: there is none */
} sparse_layer;

typedef struct sparsifier {
  mc_pass_context *cx;
  const mc_opts_sparsify *o;
  mc_pattern pattern;
  const char *pattern_text;
  bool fits, repairs; /* there are samples; weights that stay are fitted to them */
  double share;       /* of all weights of these layers that become 0 */
  sparse_layer *l;
  int n;
  bool large; /* a large network (mc_damage_large): less work for a layer */
  int alone;  /* layers whose blocks were judged by obs as if each went alone */
} sparsifier;

/* Layers that the pass takes, with copies of their weights; a remark for each that it leaves alone.
 */
void mc_sparsify_layers(sparsifier *s);
/* The layer's name for people. */
const char *mc_sparsify_name(const mc_node *n);
/* Read file= or mask=, where there is one, into given[]; layers that it does not name are dropped.
 * False after reporting. */
bool mc_sparsify_read(sparsifier *s);
/* mask=: zero the weights w of the layer that it says; mask (may be NULL): which stay. */
void mc_sparsify_mask(const sparse_layer *l, float *w, bool *mask);
/* Fill score[] of every layer from its weights, or from what a file gave. */
void mc_sparsify_scores(sparsifier *s);
/* Fill quota of every layer from the scores, by the scope. */
void mc_sparsify_quotas(sparsifier *s);
/* Zero the blocks of least score, quota of a layer; or what N:M says. value: importance of each
 * weight of data (for N:M); NULL: its size. */
void mc_sparsify_zero(sparsifier *s, sparse_layer *l, const double *value);
/* The same by what samples say: data, and with repair the weights of all layers. False after
 * reporting. */
bool mc_sparsify_fit(sparsifier *s, bool *changed);
/* By moments of what a layer reads: true where blocks were taken out one after the other (gone[],
 * and zeros in w [groups * o, d], its weights); else score[], and value: the importance of each
 * weight. */
bool mc_sparsify_measure(const sparsifier *s, sparse_layer *l, const mc_product *p,
                         const mc_moments *m, unsigned folds, float *w, double *value, mc_arena *a);
#endif
