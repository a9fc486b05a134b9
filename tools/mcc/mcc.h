/* What the parts of mcc share. */
#ifndef MCC_H
#define MCC_H
#include "common/passes.h"
#include "common/tool.h"
#include "mc/driver/compile.h"
#include "mc/driver/importing.h"
#include "mc/driver/partial.h"

typedef enum emit { EMIT_OBJ, EMIT_ASM, EMIT_LLVM, EMIT_MIR } emit;

extern const char *const emit_names[]; /* "obj", "asm", "llvm", "mir", NULL */

typedef struct mcc {
  tool t;
  const char *summary; /* the last line; NULL: none */
  const char *in, *out, *level, *arch, *march, *graph;
  const char *json, *exact;       /* -json, -check: a file, "" for none; NULL: not given */
  const char *budget, *eval;      /* -quant-budget, -eval; NULL: not given */
  const char *budget_text;        /* what it found; NULL: nothing was looked for */
  mc_partial_budget partial_want; /* budget, read */
  mc_partial partial;             /* what was found, where budget_text is not NULL */
  const char *exact_text;         /* what -check found; NULL: nothing was checked */
  mc_import_args imp;
  int emit, sparse; /* an `emit`, a mc_sparse_how */
  bool print_pipeline, list_engines, decisions, remarks, quiet, compress_weights;
  int64_t batch;
  mc_compile_opts co;
  mc_compile_report rep;
  progress tuning;
  passes passes;
} mcc;

/* ---- options.c ---- */
/* tool_start with the options of mcc, which are in *o afterwards. */
int options_read(mcc *o, int argc, char **argv);
/* False after reporting options that exclude each other. */
bool possible(mcc *o);

/* ---- outputs.c: names of files ---- */
/* "out/net.o" with ".h": "out/net.h". In the arena. */
const char *with_ending(mcc *o, const char *path, const char *ending);
/* o->out where -o was not given. */
void choose_output(mcc *o);
/* False after reporting an output that would destroy an input, the header, or another output. */
bool check_outputs(mcc *o);
/* Whether a header is written beside the object: not for standard output, devices and pipes. */
bool has_header(const mcc *o);

/* ---- level.c ---- */
/* The target of -march and -target; for this machine's architecture without -march that of
 * "dispatch". NULL after reporting. */
const mc_target *level_find(mcc *o);

/* ---- engines.c ---- */
/* -list-engines: the engines of each level of the target. */
void list_engines(mcc *o);

/* ---- idle.c: options that can do nothing ---- */
void warn_idle(mcc *o);
/* The same beside -list-engines. */
void warn_listing(mcc *o);

/* ---- report.c: what is told afterwards ---- */
void report_time(mcc *o);
void report_groups(mcc *o, const mc_plan *p);
/* What -compress-weights saved; a warning where that is nothing. */
void report_packed(mcc *o, const mc_plan *p);
/* Keep the summary line, to be shown after the warnings; bytes of code, 0: none. */
void report_summary(mcc *o, size_t bytes);
/* A remark on the file that was written. */
void report_object(mcc *o);

/* ---- json.c ---- */
/* Write -json's report of the plans of p and of what has been reported. False after reporting. */
bool json_report(mcc *o, const mc_plan *p);

/* ---- budget.c: -quant-budget ---- */
/* False after reporting a budget that is none, or that the other options leave without sense. */
bool budget_possible(mcc *o);
/* Find the layers that stay in fp32, and add them to -skip. False after reporting. */
bool budget_apply(mcc *o, const mc_module *m);

/* ---- exact.c: -check ---- */
/* False after reporting that the object cannot be run here. */
bool exact_possible(mcc *o);
/* Run the object (code) and the reference evaluator on the same samples. False after reporting. */
bool exact_check(mcc *o, const mc_plan *p, const mc_code *code);
#endif
