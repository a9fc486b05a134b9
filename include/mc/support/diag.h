/* Sources, places in them, and diagnostics: file:line:col: error: text, the line, a caret, notes.
 *
 * User mistakes are diagnostics, several per run; whoever detects one reports it, once. Functions
 * that can fail return bool (true: done) and have reported when they return false. The library
 * never prints: tools render the sink's list. */
#ifndef MC_SUPPORT_DIAG_H
#define MC_SUPPORT_DIAG_H
#include "mc/support/arena.h"
#include "mc/support/strbuf.h"
#include <stdint.h>

typedef struct mc_source {
  const char *name;
  const char *text;
  size_t size;
} mc_source; /* text may be NULL (binary files) */

/* A byte range of a source; src == NULL: no place known. For binary files begin is a byte offset
 * and `what` names the item. */
typedef struct mc_loc {
  const mc_source *src;
  uint32_t begin, end;
  const char *what;
} mc_loc;

typedef enum mc_severity { MC_NOTE, MC_REMARK, MC_WARNING, MC_ERROR } mc_severity;

typedef struct mc_diagnostic {
  mc_severity sev;
  mc_loc loc;
  const char *text;
} mc_diagnostic;

typedef struct mc_diag {
  mc_arena *arena;            /* texts live here */
  MC_VEC(mc_diagnostic) list; /* in order of report; notes follow what they explain */
  unsigned errors, warnings,
      max_errors; /* past max_errors further errors are counted but not kept; 0: no bound */
  void (*handler)(void *ctx, const mc_diagnostic *d);
  void *ctx; /* optional: called for each as it comes */
} mc_diag;

void mc_diag_init(mc_diag *d, mc_arena *a);
/* Report; text is formatted in place. Start lower-case, no final stop. mc_error returns false so
 * that `return mc_error(...)` reads well. */
bool mc_error(mc_diag *d, mc_loc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void mc_warning(mc_diag *d, mc_loc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void mc_remark(mc_diag *d, mc_loc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void mc_note(mc_diag *d, mc_loc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void mc_report(mc_diag *d, mc_severity sev, mc_loc loc, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

/* 1-based line and column (bytes) of an offset. */
void mc_loc_linecol(mc_loc loc, unsigned *line, unsigned *col);
/* Append "file:line:col: error: text\n" with the quoted line and carets when the source text is
 * known. Names and texts may come from files: control characters and bytes that are no UTF-8 are
 * written as \xHH (in the quoted line: ?). */
void mc_diag_render(mc_strbuf *out, const mc_diagnostic *d);
const char *mc_severity_name(mc_severity s);
extern const mc_loc mc_noloc;
#endif
