/* What the parts of mc-opt share. */
#ifndef OPT_H
#define OPT_H
#include "common/passes.h"

typedef struct opt {
  tool t;
  const char *out, *run, *target, *march; /* run: text of the pipeline; NULL: none */
  bool list, print_pipeline, verify_diagnostics, split, ensemble;
  int mean;            /* of the ensemble: mc_mean */
  const char *weights; /* of its members; NULL: all alike */
  mc_pipeline pipeline;
  mc_manager_opts mgr;
  passes passes;
  mc_strbuf text;  /* results of split inputs */
  const char *dir; /* of the input */
  int rc;
} opt;

/* ---- options.c ---- */
/* tool_start with the options of mc-opt, which are in *o afterwards. */
int options_read(opt *o, int argc, char **argv);
/* Warn for options that can do nothing beside the others, or beside -list-passes. */
void warn_idle(opt *o);
void warn_listing(opt *o);

/* ---- list.c ---- */
/* Every pass with its contract and options, to standard output. */
void list_passes(void);

/* ---- input.c ---- */
/* The file through the pipeline. The tool's exit code. */
int run_file(opt *o);
/* A module, which is destroyed, through the pipeline, and the result written. The tool's exit code.
 */
int run_module(opt *o, mc_module *m);
/* A text with its name and the folder that its files are relative to, in the tool's arena. NULL
 * after reporting. */
const mc_source *read_source(opt *o, const char *path, const char **dir);

/* ---- ensemble.c ---- */
/* The files as one network through the pipeline. The tool's exit code. */
int run_ensemble(opt *o);
#endif
