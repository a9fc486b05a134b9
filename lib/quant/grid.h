/* Weights on a grid of few steps: scales, and roundings that keep the product's result
 * (docs/guide/bits.md). Pure: no graph, no samples. */
#ifndef MC_QUANT_GRID_H
#define MC_QUANT_GRID_H
#include "mc/pass/pass.h"

/* Weights w [rows, d] of one product, all its groups; row r belongs to matrix r / (rows / groups).
 * A stored weight is q * k * s: q in [lo, hi], s the row's scale, k the whole number of its block
 * of columns (1 where there are none). */
typedef struct mcq_grid {
  int64_t rows, d, groups;
  int bits;         /* 2 to 8 */
  int lo, hi;       /* [-2^(bits-1), 2^(bits-1) - 1]; 8 bits: [-127, 127] */
  int64_t block;    /* columns that share k; 0: all of a row */
  bool one_scale;   /* one s for the tensor, else one for each row */
  int64_t nblock;   /* of a row */
  double *step;     /* [rows, nblock]: k * s */
  const bool *zero; /* [rows, d]: weights that stay 0; NULL: none */
} mcq_grid;

/* k is at most so much: q * k must fit i8. */
static inline int mcq_grid_most(const mcq_grid *g) { return 127 / -g->lo; }

/* The grid without its steps, in the arena. */
mcq_grid mcq_grid_of(int64_t rows, int64_t d, int64_t groups, int bits, int64_t block,
                     bool one_scale, mc_arena *a);
/* Choose the steps: those of the largest magnitude times the factor of 31 from 0.4 to 1.15 whose
 * rounding to the nearest costs least, columns weighted with weight [groups, d] (a column's mean
 * square; NULL: all the same and factor 1). */
void mcq_grid_fit(mcq_grid *g, const double *w, const double *weight);

static inline double mcq_grid_step(const mcq_grid *g, int64_t row, int64_t column) {
  return g->step[row * g->nblock + (g->block ? column / g->block : 0)];
}

/* The point of the grid nearest to x. */
double mcq_grid_round(const mcq_grid *g, int64_t row, int64_t column, double x);
/* Every weight to the nearest point; q [rows, d]. */
void mcq_grid_nearest(const mcq_grid *g, const double *w, double *q);
/* u [d, d], upper, u^T u = (m + damping tr(m) / d)^-1: what rounding column j leaves, e, is worth
 * e u_jk / u_jj in each later column k. m is overwritten. False: m is all zeros, or singular even
 * so; u is not written. */
bool mcq_handing_on(int64_t d, double *m, double damping, double *u);
/* Rows [first, first + n) of one matrix with centred second moments m [d, d]: columns in the order
 * of falling m_jj; what a column's rounding leaves is spread over those that are still open
 * (Frantar et al., "GPTQ", ICLR 2023). False: m is singular; q is not written. */
bool mcq_grid_gptq(const mcq_grid *g, int64_t first, int64_t n, const double *m, const double *w,
                   double *q);
/* From q on, one weight after the other to the point that makes tr (q - w) m (q - w)^T least, until
 * none moves or `sweeps` are done. */
void mcq_grid_descend(const mcq_grid *g, int64_t first, int64_t n, const double *m, const double *w,
                      int sweeps, double *q);
#endif
