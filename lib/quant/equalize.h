/* What the files of the pass equalize share. Private to it. */
#ifndef MC_QUANT_EQUALIZE_H
#define MC_QUANT_EQUALIZE_H
#include "mc/measure/product.h"
#include "quant.h"

/* A computed f32 value; its last axis are channels. Channel c is slot base + c. */
typedef struct eq_value {
  mc_value *v;
  int64_t base, channels;
  int64_t rows; /* seen */
  bool stored;  /* gets a scale of its own in INT8 */
} eq_value;

/* A product that reads a value whose channels may be scaled. */
typedef struct eq_reader {
  const mc_product *p;
  int value;     /* index of what it reads */
  int *source;   /* stored values whose rounding reaches it */
  double *share; /* [nsource] of the variance that it adds to them: pools take a mean */
  int nsource;
  double *w2;    /* [channels read]: sum of squares of the weights that read it */
  double energy; /* variance of its results, summed over channels; 0: not known */
} eq_reader;

/* Slots that must have the same factor are a class; the root of its tree stands for it. */
enum { EQ_FIXED = 1, EQ_POSITIVE = 2 };

typedef struct equalize {
  mc_pass_context *cx;
  const mc_opts_equalize *o;
  mc_products products;
  eq_value *value;
  int nvalue;
  mc_map index; /* mc_value -> eq_value */
  int64_t slots;
  int64_t *parent;     /* by slot */
  unsigned char *flag; /* by slot, valid at roots */
  float *lo, *hi;      /* by slot: bounds that the samples gave */
  double *sum, *var;   /* by slot; sum: sum of values, then the mean */
  MC_VEC(eq_reader) reader;
  double *log;  /* by slot, valid at roots: logarithm of the factor */
  bool *turned; /* by slot, valid at roots: the factor is negative */
} equalize;

/* The value's entry; NULL: none (a constant, another type). */
eq_value *mcq_eq_value(const equalize *e, const mc_value *v);
/* The class of a slot. */
int64_t mcq_eq_root(equalize *e, int64_t slot);
bool mcq_eq_free(equalize *e, int64_t slot);

/* ---- equalize_classes.c: values, slots, and which of them belong together ---- */
void mcq_eq_classes(equalize *e);

/* ---- equalize_noise.c: the factors that leave the least noise ---- */
/* Fills log and turned. What rounding adds to each reader's results relative to them, before and
 * after, goes to [readers]. */
void mcq_eq_choose(equalize *e, double *before, double *after);
#endif
