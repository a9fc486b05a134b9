/* What every tool's main does: arguments, diagnostics to stderr, exit codes. Only tools/ prints. */
#ifndef TOOL_H
#define TOOL_H
#include "mc/driver/options.h"
#include "mc/support/diag.h"

typedef struct tool {
  mc_arena *arena;
  mc_diag diag;
  mc_strlist args;  /* files */
  mc_strlist given; /* names of the options on the command line */
} tool;

/* Make sure that standard input, output and error are open (a closed one would be given to the next
 * file that is opened), and parse the command line. Returns -1 to go on; otherwise the tool ends
 * with this exit code (the text has been printed, memory released). */
int tool_start(tool *t, const mc_command *c, int argc, char **argv);
/* Print the diagnostics collected so far to stderr and forget them (counts stay). */
void tool_flush(tool *t);
/* Forget the remarks collected so far, and the notes that belong to them: they are for those who
 * ask. */
void tool_drop_remarks(tool *t);
/* Flush, release, and give the exit code: MC_EXIT_INPUT when an error was reported or standard
 * output could not be written, else `rc`. */
int tool_end(tool *t, int rc);
/* Print text to stdout / stderr. tool_print is false when the stream failed (full disk, closed
 * file); tool_end reports that. */
bool tool_print(const char *text, size_t n);
bool tool_prints_to_terminal(void);
/* Text for people to a file or (path "-") to standard output, where a terminal is shown no control
 * characters. */
bool tool_write(tool *t, const char *path, const char *text, size_t n);
void tool_print_err(const char *text, size_t n);
/* An error when `path` is a terminal, or "-" and standard output is one: `what` ("an object") is
 * bytes that are no text. The message tells to name a file with -o. */
bool tool_spares_terminal(tool *t, const char *path, const char *what);

/* ---- options that can do nothing ---- */
/* Whether the option was on the command line. */
bool tool_given(const tool *t, const char *option);
/* Warn for each of the options (NULL-terminated) that was given: "-NAME has no effect: WHY". */
void tool_no_effect(tool *t, const char *const *options, const char *why);
/* An error when `out` is the file `in`: writing one would destroy the other. "-" and devices are
 * never. */
bool tool_keeps(tool *t, const char *in, const char *out);
/* The folder for temporary files that the environment names (TMPDIR); NULL: none. */
const char *tool_temp_folder(void);
#endif
