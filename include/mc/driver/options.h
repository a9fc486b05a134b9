/* The one option parser of all tools.
 *
 * `-flag` and `--flag` are the same flag; a value follows `=` or is the next word; `--` ends the
 * options; `-` is a file argument (standard input). Tools describe their options by a table and get
 * parsing, ranges, suggestions, `--help` and `--version` from it:
 *
 *   const char *out = "-"; int64_t seed = 0; bool stats = false; mc_strlist passes = { 0 };
 *   const mc_option options[] = {
 *     { "o", MC_O_STR, &out, .arg = "FILE|-", .help = "where the result goes" },
 *     { "seed", MC_O_I64, &seed, .arg = "N", .help = "seed of random inputs", .lo = 0, .hi =
 *       INT64_MAX },
 *     { "stats", MC_O_FLAG, &stats, .help = "print what passes counted" },
 *     { "pass", MC_O_LIST, &passes, .arg = "PASS", .help = "run a pass; may be repeated" },
 *     { 0 } };
 *   const mc_command cmd = { "mc-opt", "[options] [FILE|-]", "transform a network", "mc-opt
 *     --pass=fold-bn net.mir -o x.mir", options, 0, 1 };
 */
#ifndef MC_DRIVER_OPTIONS_H
#define MC_DRIVER_OPTIONS_H
#include "mc/support/arena.h"
#include "mc/support/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

/* Exit codes of every tool. */
enum { MC_EXIT_OK = 0, MC_EXIT_INPUT = 1, MC_EXIT_USAGE = 2, MC_EXIT_BUG = 70 };

typedef struct mc_strlist {
  const char **v;
  size_t n, cap;
} mc_strlist; /* works with MC_PUSH */

typedef enum mc_option_kind {
  MC_O_FLAG, /* bool *: present, or =true / =false */
  MC_O_STR,  /* const char **: the last one wins; with `words` one of them, as they spell it */
  MC_O_LIST, /* mc_strlist *: each occurrence is appended; several options may share a list (order
                of the command line) */
  MC_O_JOIN, /* const char **: each occurrence is appended, ',' between; options may share one */
  MC_O_ADD,  /* the same as a flag: `text` is appended */
  MC_O_OPTIONAL, /* const char **: a value only after '='; "" without one */
  MC_O_I64,  /* int64_t *, or uint64_t * with lo >= 0: decimal or 0x..., within [lo, hi] unless both
                are 0 */
  MC_O_INT,  /* int *: the same; [lo, hi] must be given */
  MC_O_F64,  /* double *: finite */
  MC_O_WORD, /* int * or an enum: index into `words`; the value may be in any case */
  MC_O_JOINED /* const char **: the value is what follows the name directly, as in -O3 */
} mc_option_kind;

typedef struct mc_option {
  const char *name; /* without dashes; NULL ends the table */
  mc_option_kind kind;
  void *to;        /* where the value goes; see the kinds */
  const char *arg; /* how the value is called in --help ("FILE"); NULL for flags */
  const char *help;
  const char *const *
      words; /* MC_O_WORD; MC_O_STR, MC_O_JOINED when the value is one of a list: NULL-terminated */
  int64_t lo, hi;   /* MC_O_I64, MC_O_INT */
  const char *text; /* MC_O_ADD */
} mc_option;

typedef struct mc_command {
  const char *name, *usage, *summary;
  const char *example; /* one or more lines, for --help */
  const mc_option *options;
  int min_args, max_args; /* file arguments; max_args -1: any number */
  const char *epilog;     /* more text for --help, or NULL */
  mc_strlist *given;      /* names of the options on the command line are appended; or NULL */
  const char *alone;      /* an option beside which no file is needed; or NULL (needs `given`) */
} mc_command;

/* Parse argv[1..argc-1]. Returns -1 when the tool should go on: values are stored, arguments that
 * are not options are in `args` (strings are argv's own). Otherwise returns the exit code:
 * MC_EXIT_OK after --help or --version (text in `out`), MC_EXIT_USAGE after a mistake (message with
 * a suggestion in `out`). */
int mc_options_parse(const mc_command *c, int argc, char **argv, mc_strlist *args, mc_strbuf *out,
                     mc_arena *a);
/* Whether an option was on the command line. */
bool mc_options_given(const mc_strlist *given, const char *name);
/* The text of --help. */
void mc_options_help(mc_strbuf *out, const mc_command *c);
/* The version of the project: "0.1.0". */
const char *mc_version(void);
#endif
