/* One run of scanner and parser, and what the grammar's actions call. */
#ifndef MC_SYNTAX_SCAN_H
#define MC_SYNTAX_SCAN_H
#include "ast.h"

enum { MIR_MAX_NESTING = 64, MIR_MAX_ERRORS = 64 };

/* A token as the parser gets it. line_first: the first of its line; depth: open braces before
 * it. */
typedef struct mir_token {
  int kind;
  mir_span at;
  bool line_first;
  int depth;
} mir_token;

typedef enum mir_sync { MIR_NO_SYNC, MIR_SYNC_STATEMENT, MIR_SYNC_BODY, MIR_SYNC_TOP } mir_sync;

typedef struct mir_parse {
  const mc_source *src;
  mc_arena *arena; /* of the tree */
  mc_diag *diag;
  void *scanner; /* flex's */
  ast_file *file;
  /* scanner */
  uint32_t pos;        /* bytes consumed */
  bool new_line;       /* the next token is the first of its line */
  int nesting, braces; /* open brackets of all kinds; open braces */
  /* recovery */
  mir_token last, pending; /* last: delivered to the parser; pending: to be delivered next */
  bool has_pending;
  int line_depth,
      prev_line_depth;    /* open braces where the present line, and the one before it, began */
  mir_sync sync;          /* set by the grammar after an error: what to skip to */
  uint32_t synced_at;     /* where the last recovery ended, so that each one makes progress */
  unsigned errors_before; /* errors of the sink when this parse began */
  bool started;           /* the first line was right */
  bool stopped;           /* no more tokens: too deep, or too many errors */
  ast_dense *dense;       /* being read */
} mir_parse;

mc_loc mir_loc(const mir_parse *p, mir_span at);
bool mir_failed(const mir_parse *p);
/* What the grammar reports: an unexpected token and the words for what could have been there. */
void mir_unexpected(mir_parse *p, mir_span at, bool end_of_file, const char *const *expected,
                    int n);
/* Called in the grammar's error rules: the next token will be SYNC, then the first token of a
 * statement, of a body (NO_BODY: there was none), or of a graph. */
void mir_recover(mir_parse *p, mir_sync to);

/* dense lists, as they are read */
void mir_dense_begin(mir_parse *p);
void mir_dense_open(mir_parse *p, mir_span at);
void mir_dense_close(mir_parse *p, mir_span at);
void mir_dense_number(mir_parse *p, mir_span at);

/* attribute values */
mc_fvalue mir_int_value(mir_parse *p, mir_span at);
mc_fvalue mir_num_value(mir_parse *p, mir_span at);
mc_fvalue mir_text_value(mir_parse *p, int kind, mir_span at); /* WORD, STR, SYM */

/* ---- text of a span ---- */
char *mir_span_text(const mir_parse *p, mir_span at, mc_arena *a);
/* Is this number written as an integer? */
bool mir_span_is_int(const mir_parse *p, mir_span at);
/* Is it written as bits (0x7fc00001: no point, no exponent)? */
bool mir_span_is_bits(const mir_parse *p, mir_span at);
int mir_hex_digit(char c); /* -1: none */
/* False when it does not fit (nothing is reported). */
bool mir_span_int(const mir_parse *p, mir_span at, int64_t *x);
/* Correctly rounded; finite numbers beyond the range become infinite. */
float mir_span_f32(const mir_parse *p, mir_span at);
double mir_span_f64(const mir_parse *p, mir_span at);
/* The value of "..." ; of %name, %"...", @name, @"..." without the sign. NULL after reporting a bad
 * escape, a NUL, or (names) no UTF-8. */
char *mir_string(const mir_parse *p, mir_span at, mc_arena *a);
char *mir_name(const mir_parse *p, mir_span at, mc_arena *a);
#endif
