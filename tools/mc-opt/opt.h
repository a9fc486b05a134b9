/* What the parts of mc-opt share. */
#ifndef OPT_H
#define OPT_H
#include "common/passes.h"

typedef struct opt {
  tool t;
  const char *out, *run, *target, *march; /* run: text of the pipeline; NULL: none */
  bool list, print_pipeline, verify_diagnostics, split;
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
#endif
