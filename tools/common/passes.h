/* What tools that run passes tell about them: dumps of graphs, progress, times, counters. */
#ifndef PASSES_H
#define PASSES_H
#include "common/progress.h"
#include "common/tool.h"
#include "mc/driver/hooks.h"

/* Must stay where it is while passes run; begins as zeros. */
typedef struct passes {
  mc_strbuf dump; /* for standard error */
  progress progress;
} passes;

/* The hooks by which m prints to p and to the terminal, and the folder for temporary files. */
void passes_watch(passes *p, mc_manager_opts *m);
/* Print what is in the dump. */
void passes_flush(passes *p);
void passes_end(passes *p);
/* To the dump: a line for each pass that ran. */
void passes_times(passes *p, const mc_manager_report *rep);
void passes_stats(passes *p, const mc_manager_report *rep);
/* Warn for each of the hooks' options that was given: no pass runs, because of `why`. */
void passes_no_effect(tool *t, const char *why);
#endif
