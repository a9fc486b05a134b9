/* What a pass is, and the manager that runs, checks and times them. */
#ifndef MC_PASS_PASS_H
#define MC_PASS_PASS_H
#include "mc/ir/graph.h"
#include "mc/ref/eval.h"
#include "mc/target/target.h"

typedef enum mc_contract {
  MC_EXACT,  /* every output keeps its value; the sign of a zero and the bits of a NaN may change */
  MC_ROUNDS, /* real arithmetic is the same, rounding differs: |difference| <= 1e-4 + 1e-4 * |value|
                scaled by the output's largest magnitude (docs/reference/numerics.md) */
  MC_LOSSY   /* approximates: the pass states a bound in its context's `bound` (relative L2 of the
                outputs), checked against that */
} mc_contract;

/* Words of passenums.def: mc_score_l2, ... (rounding comes from ir/enums.def) */
#define MC_ENUM(id, doc) typedef enum mc_e_##id {
#define MC_CASE(id, c, word, doc) mc_##id##_##c,
#define MC_ENUM_END(id)                                                                            \
  mc_##id##_count_                                                                                 \
  }                                                                                                \
  mc_e_##id;                                                                                       \
  extern const char *const mc_names_##id[mc_##id##_count_ + 1];
#include "mc/pass/passenums.def"

/* Runs compiled code for passes below codegen (calibrate): the driver supplies it, NULL means use
 * the reference evaluator. */
typedef struct mc_runner {
  void *(*prepare)(void *ctx, const mc_graph *g, mc_value *const *watch, int nwatch,
                   mc_diag *d); /* an executable that also returns the watched values */
  bool (*run)(void *exe, const mc_array *in, mc_array *out /* graph results, then watched values */,
              mc_diag *d);
  void (*release)(void *exe);
  void *ctx;
} mc_runner;

typedef struct mc_pass_context {
  mc_module *module;
  mc_graph *graph;
  mc_arena *scratch; /* freed after the pass */
  mc_diag *diag;
  mc_loc loc;              /* place of the pass in the pipeline text */
  mc_loc samples_at;       /* what names the samples, if not the pipeline: -calib=FILE (`what`) */
  const mc_target *target; /* NULL: the host's default */
  const mc_runner *runner; /* may be NULL */
  int64_t *stats;          /* by index of the pass's MC_STAT rows; use MC_STAT_ADD */
  double bound; /* a LOSSY pass sets the bound that it promises on relative L2 of the outputs; 0:
                   none to check */
  bool bound_samples; /* the bound is for inputs like the pass's samples: random ones are not held
                         to it */
  void (*progress)(void *ctx, const char *what, int64_t done, int64_t total);
  void *progress_ctx; /* NULL: silent */
  const char *temp;   /* folder for temporary files; NULL: /tmp */
} mc_pass_context;

/* struct mc_opts_prune_channels { double ratio; ... }; bool mc_pass_prune_channels(mc_pass_context
 * *, const mc_opts_prune_channels *, bool *changed); enum mc_stat_prune_channels_removed */
#define MC_PASS(id, text, contract, doc) typedef struct mc_opts_##id {
#define MC_OPT(pass, name, KIND, dflt, doc) mc_field_##KIND name;
#define MC_OPTE(pass, name, enm, dflt, doc) mc_field_ENUM name;
#define MC_PASS_END(id)                                                                            \
  char end_;                                                                                       \
  }                                                                                                \
  mc_opts_##id;                                                                                    \
  bool mc_pass_##id(mc_pass_context *cx, const mc_opts_##id *o, bool *changed);
#include "mc/pass/passes.def"
#define MC_PASS(id, text, contract, doc) enum {
#define MC_STAT(pass, name, doc) mc_stat_##pass##_##name,
#define MC_PASS_END(id)                                                                            \
  mc_stat_##id##_count_                                                                            \
  }                                                                                                \
  ;
#include "mc/pass/passes.def"
#define MC_STAT_ADD(cx, pass, name, k)                                                             \
  ((void)((cx)->stats ? ((cx)->stats[mc_stat_##pass##_##name] += (k)) : 0))

typedef struct mc_stat_info {
  const char *name, *doc;
} mc_stat_info;

typedef struct mc_pass_info {
  const char *text, *summary;
  mc_contract contract;
  size_t opts_size;
  const mc_field *opts;
  const mc_stat_info *stats;
  int nstats;
  bool (*run)(
      mc_pass_context *cx, const void *opts,
      bool *changed); /* filled by the driver's table (addresses live on the highest floor) */
} mc_pass_info;

/* ---- the manager ---- */
typedef struct mc_pipeline_item {
  const mc_pass_info *pass;
  void *opts;
  mc_loc loc;
} mc_pipeline_item;

typedef struct mc_pipeline {
  mc_pipeline_item *item;
  int n;
} mc_pipeline;

/* A set of passes: the table and named pipelines ("prune" may name prune-channels through `alias`).
 */
typedef struct mc_pass_alias {
  const char *name, *pipeline;
  const char *doc;
} mc_pass_alias;

typedef struct mc_registry {
  const mc_pass_info *pass;
  int npass;
  const mc_pass_alias *alias;
  int nalias;
} mc_registry;

/* Parse "fold-bn,prune-channels{ratio=0.3 align=16},quantize"; unknown names get suggestions. False
 * after reporting. Items in the arena. */
bool mc_pipeline_parse(const mc_registry *r, const mc_source *text, mc_pipeline *out, mc_arena *a,
                       mc_diag *d);
/* `list` (names with ',' between, aliases, "all"; NULL) as the texts of passes of the pipeline, for
 * print_before and print_after. A name that matches none of them is a warning about the option
 * `option`. NULL when nothing is left. In the arena. */
const char *mc_pipeline_names(const mc_registry *r, const mc_pipeline *p, const char *list,
                              const char *option, mc_arena *a, mc_diag *d);
/* The text that parses to the same pipeline. */
void mc_pipeline_print(mc_strbuf *out, const mc_pipeline *p);

typedef struct mc_pass_timing {
  const mc_pass_info *pass;
  double seconds;
  bool changed;
} mc_pass_timing;

typedef struct mc_manager_opts {
  const char *print_before, *print_after; /* pass names with ',' between, or "all"; NULL: none */
  bool print_before_change, print_after_change; /* around passes that change something */
  bool verify_each;
  const char *check_numerics; /* npz of inputs, "": seeded random ones; NULL: no check */
  uint64_t seed;
  int64_t bisect_limit; /* run only the first so many passes; < 0: all */
  const char *always;   /* passes that must run, ',' between: bisect_limit neither counts nor skips
                           them; NULL: none */
  int bisect_before, bisect_total; /* of a pipeline that runs in parts: passes counted in earlier
                                      parts, and in all parts (0: this one is all) */
  const char *reproducer; /* a .mir with a RUN line, written here before each pass and removed
                             when all went well: it survives failures and crashes */
  mc_loc samples_at;      /* for messages about samples; see mc_pass_context */
  const mc_target *target;
  const mc_runner *runner;
  mc_strbuf *dump; /* where -print-* text goes; NULL: nowhere */
  void (*dumped)(void *ctx, mc_strbuf *dump);
  void *dumped_ctx; /* called around each pass when there is text, which it may take away (so that a
                       crash does not lose it); NULL: all stays in dump */
  bool time_passes, stats;
  void (*progress)(void *ctx, const char *what, int64_t done, int64_t total);
  void *progress_ctx;
  const char *temp; /* folder for temporary files; NULL: /tmp */
} mc_manager_opts;

typedef struct mc_manager_report {
  mc_pass_timing *time;
  int64_t **stats;
  int n;      /* one entry per pipeline item, in the arena given */
  int failed; /* the item at which the run ended, or -1 */
  bool bug;   /* it ended because a pass broke a rule (verify-each, check-numerics), not because the
                 input was wrong */
} mc_manager_report;

/* The file of check_numerics; NULL: none. */
static inline const char *mc_manager_samples(const mc_manager_opts *o) {
  return o->check_numerics && *o->check_numerics ? o->check_numerics : NULL;
}

/* Passes of the pipeline that bisect_limit counts. */
int mc_manager_counted(const mc_pipeline *p, const mc_manager_opts *o);
/* Run the pipeline on every graph of m. False after reporting. */
bool mc_manager_run(mc_module *m, const mc_pipeline *p, const mc_manager_opts *o,
                    mc_manager_report *rep, mc_arena *a, mc_diag *d);
#endif
