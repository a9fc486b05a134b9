/* Between flex and bison: lines, nesting, and skipping to a safe place after an error. */
#include "scan.h"
#include "mir.tab.h"
#include "mir.lex.h"
#include <string.h>

mc_loc mir_loc(const mir_parse *p, mir_span at) {
  return (mc_loc){ .src = p->src, .begin = at.begin, .end = at.end };
}

bool mir_failed(const mir_parse *p) { return p->diag->errors > p->errors_before; }

static int stop(mir_parse *p, const char *what, mir_span at) {
  mc_error(p->diag, mir_loc(p, at), "%s", what);
  p->stopped = true;
  return TOK_MIR_YYerror;
}

/* Count brackets; bounds the depth of every recursion that follows the text. */
static int nest(mir_parse *p, int kind, mir_span at) {
  if (kind == '{' || kind == '[' || kind == '(') {
    p->braces += kind == '{';
    if (++p->nesting > MIR_MAX_NESTING) return stop(p, "nested too deep", at);
  } else if (kind == '}' || kind == ']' || kind == ')') {
    p->braces -= kind == '}';
    p->nesting -= p->nesting > 0;
  }
  return kind;
}

static mir_token scan_token(mir_parse *p) {
  mir_token t = { .kind = TOK_END };
  MIR_YYSTYPE unused;
  if (!p->stopped) t.kind = mir_flex_lex(&unused, &t.at, p->scanner);
  if (t.kind == TOK_END) t.at = (mir_span){ (uint32_t)p->src->size, (uint32_t)p->src->size };
  t.line_first = p->new_line;
  t.depth = p->braces;
  p->new_line = false;
  if (t.line_first) {
    p->prev_line_depth = p->line_depth;
    p->line_depth = t.depth;
  }
  t.kind = nest(p, t.kind, t.at);
  if (p->diag->errors - p->errors_before >= MIR_MAX_ERRORS) p->stopped = true;
  return t;
}

/* May the parser go on with t? */
static bool safe(const mir_parse *p, const mir_token *t, int depth) {
  if (t->kind == TOK_END) return true;
  if (p->sync == MIR_SYNC_BODY)
    return t->kind == '{' || (t->line_first && (t->kind == TOK_GRAPH || t->kind == TOK_DATA));
  if (!t->line_first) return false;
  if (p->sync == MIR_SYNC_TOP) return t->kind == TOK_GRAPH || t->kind == TOK_DATA;
  return t->depth <= depth && (t->kind == TOK_VALUE || t->kind == TOK_WORD || t->kind == '}');
}

/* Skip from the token in error on. That token itself may be the safe one (a statement that its
 * line's end left unfinished), but only once. */
static mir_token skip(mir_parse *p) {
  mir_token t = p->last;
  int depth = t.line_first ? p->prev_line_depth : p->line_depth;
  if (t.at.begin <= p->synced_at) t = scan_token(p);
  while (!safe(p, &t, depth)) t = scan_token(p);
  p->synced_at = t.at.begin;
  return t;
}

int mir_yylex(MIR_YYSTYPE *v, mir_span *at, mir_parse *p) {
  (void)v; /* tokens have no values: the tree keeps places */
  if (p->sync != MIR_NO_SYNC) {
    bool body = p->sync == MIR_SYNC_BODY;
    p->pending = skip(p);
    p->has_pending = true;
    p->sync = MIR_NO_SYNC;
    *at = (mir_span){ p->pending.at.begin, p->pending.at.begin };
    return body && p->pending.kind != '{' ? TOK_NO_BODY : TOK_SYNC;
  }
  p->last = p->has_pending ? p->pending : scan_token(p);
  p->has_pending = false;
  *at = p->last.at;
  return p->last.kind;
}

void mir_recover(mir_parse *p, mir_sync to) { p->sync = to; }

/* "'{'" and "a word" among the words; long lists help nobody. */
static void add_expected(mc_strbuf *b, const char *const *words, int n) {
  enum { MANY = 5 };

  if (n == 0 || n > MANY) return;
  mc_sb_puts(b, "; expected ");
  for (int i = 0; i < n; i++)
    mc_sb_printf(b, "%s%s", i == 0 ? "" : i == n - 1 ? " or " : ", ", words[i]);
}

void mir_unexpected(mir_parse *p, mir_span at, bool end_of_file, const char *const *expected,
                    int n) {
  if (end_of_file && mir_failed(p)) return; /* what went wrong has been said */
  mc_strbuf b = { 0 };
  if (!p->started)
    mc_sb_puts(&b, "the first line must be 'mir 1'");
  else if (end_of_file)
    mc_sb_puts(&b, "unexpected end of the file");
  else if (at.end - at.begin > 40)
    mc_sb_printf(&b, "unexpected '%.40s...'", p->src->text + at.begin);
  else
    mc_sb_printf(&b, "unexpected '%.*s'", (int)(at.end - at.begin), p->src->text + at.begin);
  if (p->started) add_expected(&b, expected, n);
  mc_error(p->diag, mir_loc(p, at), "%s", mc_sb_str(&b));
  mc_sb_free(&b);
}
