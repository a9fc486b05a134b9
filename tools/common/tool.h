/* What every tool's main does: arguments, diagnostics to stderr, exit codes. Only tools/ prints. */
#ifndef TOOL_H
#define TOOL_H
#include "mc/driver/options.h"
#include "mc/support/diag.h"

typedef struct tool { mc_arena *arena; mc_diag diag; mc_strlist args; } tool;

/* Parse the command line. Returns -1 to go on; otherwise the tool ends with this exit code (the text has been printed, memory released). */
int tool_start(tool *t, const mc_command *c, int argc, char **argv);
/* Print the diagnostics collected so far to stderr and forget them (counts stay). */
void tool_flush(tool *t);
/* Forget the remarks collected so far, and the notes that belong to them: they are for those who ask. */
void tool_drop_remarks(tool *t);
/* Flush, release, and give the exit code: MC_EXIT_INPUT when an error was reported, else `rc`. */
int tool_end(tool *t, int rc);
/* Print text to stdout / stderr; false when the stream failed (full disk, closed pipe). */
bool tool_print(const char *text, size_t n);
void tool_print_err(const char *text, size_t n);
#endif
