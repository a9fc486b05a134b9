#include "mc/support/diag.h"
#include "mc/support/filekind.h"
#include <string.h>

const mc_loc mc_noloc = { 0 };

void mc_diag_init(mc_diag *d, mc_arena *a) { *d = (mc_diag){ .arena = a }; }

const char *mc_severity_name(mc_severity s) {
  static const char *const names[] = { "note", "remark", "warning", "error" };
  return names[s];
}

void mc_report(mc_diag *d, mc_severity sev, mc_loc loc, const char *fmt, va_list ap) {
  if (sev == MC_ERROR) d->errors++;
  if (sev == MC_WARNING) d->warnings++;
  if (d->max_errors && d->errors > d->max_errors && (sev == MC_ERROR || sev == MC_NOTE)) return;
  mc_strbuf sb = { 0 };
  mc_sb_vprintf(&sb, fmt, ap);
  mc_diagnostic one = { sev, loc, mc_arena_strdup(d->arena, mc_sb_str(&sb)) };
  mc_sb_free(&sb);
  MC_PUSH(d->arena, &d->list, one);
  if (d->handler) d->handler(d->ctx, &one);
}

bool mc_error(mc_diag *d, mc_loc loc, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_report(d, MC_ERROR, loc, fmt, ap);
  va_end(ap);
  return false;
}

#define REPORT_AS(name, sev)                                                                       \
  void name(mc_diag *d, mc_loc loc, const char *fmt, ...) {                                        \
    va_list ap;                                                                                    \
    va_start(ap, fmt);                                                                             \
    mc_report(d, sev, loc, fmt, ap);                                                               \
    va_end(ap);                                                                                    \
  }
REPORT_AS(mc_warning, MC_WARNING)
REPORT_AS(mc_remark, MC_REMARK)
REPORT_AS(mc_note, MC_NOTE)

void mc_loc_linecol(mc_loc loc, unsigned *line, unsigned *col) {
  *line = 1;
  *col = 1;
  if (!loc.src || !loc.src->text) return;
  for (uint32_t i = 0; i < loc.begin && i < loc.src->size; i++) {
    ++*col;
    if (loc.src->text[i] == '\n') ++*line, *col = 1;
  }
}

enum { WIDTH = 120, LEAD = 40 }; /* long lines are shown in part, around the place */

/* The line that holds loc.begin, cut to WIDTH, and carets under the range. */
static void quote_line(mc_strbuf *out, mc_loc loc) {
  const mc_source *s = loc.src;
  size_t at = loc.begin < s->size ? loc.begin : s->size, b = at, e = at;
  while (b > 0 && s->text[b - 1] != '\n') b--;
  while (e < s->size && s->text[e] != '\n') e++;
  size_t from = at - b > WIDTH - LEAD ? at - LEAD : b, to = e - from > WIDTH ? from + WIDTH : e;
  mc_sb_puts(out, from > b ? "  ..." : "  ");
  for (size_t i = from, len; i < to;
       i += len ? len : 1) { /* a column for every byte, as line numbers count them */
    len = mc_shown_length(s->text + i, to - i);
    if (len)
      mc_sb_write(out, s->text + i, len);
    else
      mc_sb_putc(out, s->text[i] == '\t' || s->text[i] == '\r' ? ' ' : '?');
  }
  mc_sb_puts(out, to < e ? "...\n" : "\n");
  mc_sb_puts(out, from > b ? "     " : "  ");
  for (size_t i = from; i < at; i++) mc_sb_putc(out, ' ');
  mc_sb_putc(out, '^');
  size_t stop = loc.end < to ? loc.end : to;
  for (size_t i = at + 1; i < stop; i++) mc_sb_putc(out, '~');
  mc_sb_putc(out, '\n');
}

static void shown(mc_strbuf *out, const char *s) { mc_sb_shown(out, s, strlen(s)); }

void mc_diag_render(mc_strbuf *out, const mc_diagnostic *d) {
  mc_loc l = d->loc;
  if (l.src) shown(out, l.src->name);
  if (l.src && l.src->text) {
    unsigned line, col;
    mc_loc_linecol(l, &line, &col);
    mc_sb_printf(out, ":%u:%u: ", line, col);
  } else if (l.src) {
    mc_sb_puts(out, ": ");
    if (l.begin) mc_sb_printf(out, "byte %u: ", l.begin);
  }
  mc_sb_printf(out, "%s: ", mc_severity_name(d->sev));
  if (l.what) {
    shown(out, l.what);
    mc_sb_puts(out, ": ");
  }
  shown(out, d->text);
  mc_sb_putc(out, '\n');
  if (l.src && l.src->text) quote_line(out, l);
}
