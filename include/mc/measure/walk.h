/* The original network and one that changes, side by side over the samples
 * (docs/guide/compression.md, "One library of second moments"). The graph is that of the pass
 * (batch norms folded); weights change product by product in topological order.
 *
 *   mc_walk *w = mc_walk_open(cx, &opts);
 *   for (int i = 0; i < mc_walk_products(w)->n; i++) {
 *     mc_moments *m = mc_walk_moments(w, i);          // X: the changed network's, Y: the target
 *     ...                                             // fit, choose
 *     mc_walk_set(w, i, weights, bias);               // later products see it
 *   }
 *   mc_walk_close(w);
 */
#ifndef MC_MEASURE_WALK_H
#define MC_MEASURE_WALK_H
#include "mc/measure/moments.h"
#include "mc/pass/pass.h"

/* What the original's products give, kept for several walks. */
typedef struct mc_targets mc_targets;

typedef struct mc_walk_opts {
  const char *data;          /* samples; NULL or "": the file's calibration line */
  int64_t samples;           /* at most so many; 0: all */
  int64_t memory;            /* bytes for activations and moments; 0: 1 GiB */
  const mc_graph *original;  /* what targets come from, batch norms folded as in the pass's graph;
                                NULL: the pass's graph as it is at open */
  const char *what;          /* for the progress bar: "prune" */
  unsigned folds;            /* samples that moments see: bit f is fold f; 0: all */
  bool half;                 /* with targets, for a trial: every other place, where there are
                                `enough` and more for each column; of 1000
                                runs and more every other run in its place */
  int64_t enough;            /* 0: 64 */
  int64_t few;               /* with fewer samples, `folds` and `half` do not count */
  int part;                  /* damage: products, at least, of a compiled part that all tails share;
                                0: 3 of a large network, else tails are compiled as a whole */
  const mc_targets *targets; /* of the original, in its place: product i of the pass's graph is
                                product i of the original; NULL: the original runs beside */
  const int64_t *const *rows; /* with targets: row r of product i is row rows[i][r] of the
                                 original's; NULL, or rows[i] NULL: the same rows */
} mc_walk_opts;
typedef struct mc_walk mc_walk;

/* One run of cx->graph, the original, over the samples: the rows of its products at the places that
 * walks take, a quarter of the memory at most and the rest in a temporary file. For walks with the
 * same data and samples. NULL after reporting. */
mc_targets *mc_targets_open(mc_pass_context *cx, const mc_walk_opts *o);
/* NULL is allowed. */
void mc_targets_close(mc_targets *t);

/* Set o->samples to what there is, at most what it says. False after reporting. */
bool mc_walk_count(mc_pass_context *cx, mc_walk_opts *o);
/* Samples are taken in runs of the graph; where it takes a batch, a fold has whole runs.
 * NULL after reporting (no samples, samples that do not fit, NaN in them). */
mc_walk *mc_walk_open(mc_pass_context *cx, const mc_walk_opts *o);
void mc_walk_close(mc_walk *w);
const mc_products *mc_walk_products(const mc_walk *w);
int64_t mc_walk_samples(const mc_walk *w);
/* Moments of product i, which must not come before one that was asked for already. Valid until the
 * next call. NULL after reporting. */
mc_moments *mc_walk_moments(mc_walk *w, int i);
/* The same in an arena of the caller's, valid as long as that (m->lambda: as the targets). */
mc_moments *mc_walk_moments_in(mc_walk *w, int i, mc_arena *a);
/* Weights [groups, o, d] and bias [groups * o] of product i from now on. Must follow its moments.
 */
bool mc_walk_set(mc_walk *w, int i, const float *weights, const float *bias);

/* Does the original have what product i should give? Always where the original is the pass's own
 * graph. Where not, Y is the product's own output: a fit leaves it as it is. */
bool mc_walk_has_target(const mc_walk *w, int i);

/* Moments of many products of one graph (that of the pass) in as few passes over the samples as the
 * memory allows (one, layer after layer, where opts->targets are those of this graph and all at
 * once would not fit); Y is the product's own output. `want` may be NULL: all. `see` gets each
 * once, valid during the call; false ends it. False after reporting. */
typedef bool mc_moments_see(void *ctx, int i, mc_moments *m);
bool mc_moments_each(mc_pass_context *cx, const mc_walk_opts *o, const mc_products *p,
                     const bool *want, mc_moments_see *see, void *ctx);
/* The same, all at once: out[i] in the arena, NULL where it is not wanted. Many large layers: take
 * mc_moments_each, since results are beyond any memory budget. NULL after reporting. */
mc_moments **mc_moments_of_all(mc_pass_context *cx, const mc_walk_opts *o, const mc_products *p,
                               const bool *want, mc_arena *a);
#endif
