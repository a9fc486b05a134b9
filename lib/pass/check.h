/* check-numerics: outputs before and after a pass, held against its contract. Private to the
 * manager. */
#ifndef PASS_CHECK_H
#define PASS_CHECK_H
#include "mc/pass/pass.h"
#include "mc/pass/samples.h"

enum { CHECK_SAMPLES = 4 }; /* inputs that each pass is checked on */

/* Outputs of one graph on the check's inputs. */
typedef struct outputs {
  mc_array *out[CHECK_SAMPLES];
  int nout;
} outputs;

typedef struct checker {
  const mc_manager_opts *opts;
  int ngraphs, nsamples;
  mc_array *(*in)[CHECK_SAMPLES]; /* by graph */
  mc_range **range;               /* by graph and input: what random inputs were made from */
  outputs *last;                  /* by graph: outputs before the pass */
  mc_arena *arena;                /* holds inputs, and `last` */
} checker;

/* Make the inputs and evaluate every graph. False after reporting. */
bool check_start(checker *c, const mc_module *m, const mc_manager_opts *o, mc_diag *d);
void check_end(checker *c);
/* Evaluate again and compare; bound[i] is what the pass promised for graph i. False after reporting
 * a broken contract. */
bool check_pass(checker *c, const mc_module *m, const mc_pipeline_item *it, const double *bound,
                mc_diag *d);
#endif
