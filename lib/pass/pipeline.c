/* Pipelines as text: `fold-bn,prune{ratio=0.3 align=16},quantize`. */
#include "mc/pass/pass.h"
#include "mc/support/suggest.h"
#include <ctype.h>
#include <string.h>

enum { MAX_ALIAS_DEPTH = 8 };

typedef MC_VEC(mc_pipeline_item) items;

typedef struct parser {
  const mc_registry *reg;
  const mc_source *src;
  uint32_t at;
  int depth;
  items *out;
  mc_arena *arena;
  mc_diag *diag;
} parser;

/* `name{begin..end}`: the option text is between the braces; begin == end when there is none. */
typedef struct element {
  const char *name;
  mc_loc loc;
  uint32_t begin, end;
  bool braces;
} element;

static bool parse_list(parser *p);

static mc_loc span(const parser *p, uint32_t begin, uint32_t end) {
  return (mc_loc){ .src = p->src, .begin = begin, .end = end };
}

static void skip_blank(parser *p) {
  while (p->at < p->src->size && isspace((unsigned char)p->src->text[p->at])) p->at++;
}

static bool name_char(char c) {
  return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* Step over a quoted string; at its opening quote. False: it never closes. */
static bool skip_string(parser *p) {
  for (p->at++; p->at < p->src->size && p->src->text[p->at] != '"'; p->at++)
    if (p->src->text[p->at] == '\\') p->at++;
  return p->at < p->src->size;
}

/* Find the brace that closes the one at p->at and step after it. */
static bool take_braces(parser *p, element *e) {
  uint32_t open = p->at++;
  e->braces = true;
  e->begin = p->at;
  for (; p->at < p->src->size; p->at++) {
    char c = p->src->text[p->at];
    if (c == '}') {
      e->end = p->at++;
      return true;
    }
    if (c == '{')
      return mc_error(p->diag, span(p, p->at, p->at + 1), "'{' inside the options of pass '%s'",
                      e->name);
    if (c == '"' && !skip_string(p)) break;
  }
  return mc_error(p->diag, span(p, open, open + 1),
                  "the options of pass '%s' are not closed by '}'", e->name);
}

static bool take_element(parser *p, element *e) {
  skip_blank(p);
  uint32_t begin = p->at;
  while (p->at < p->src->size && name_char(p->src->text[p->at])) p->at++;
  *e = (element){ .name = mc_arena_strndup(p->arena, p->src->text + begin, p->at - begin),
                  .loc = span(p, begin, p->at) };
  if (begin == p->at) {
    e->loc.end = begin + 1;
    return mc_error(p->diag, e->loc, "expected the name of a pass");
  }
  e->begin = e->end = p->at;
  skip_blank(p);
  return p->at >= p->src->size || p->src->text[p->at] != '{' || take_braces(p, e);
}

static const mc_pass_info *find_pass(const mc_registry *r, const char *name) {
  for (int i = 0; i < r->npass; i++)
    if (mc_same_word(r->pass[i].text, name)) return &r->pass[i];
  return NULL;
}

static const mc_pass_alias *find_alias(const mc_registry *r, const char *name) {
  for (int i = 0; i < r->nalias; i++)
    if (mc_same_word(r->alias[i].name, name)) return &r->alias[i];
  return NULL;
}

static bool unknown_pass(parser *p, const element *e) {
  const char *near = NULL;
  for (int i = 0; i < p->reg->npass; i++)
    near = mc_suggest_better(e->name, near, p->reg->pass[i].text);
  for (int i = 0; i < p->reg->nalias; i++)
    near = mc_suggest_better(e->name, near, p->reg->alias[i].name);
  mc_error(p->diag, e->loc, "unknown pass '%s'", e->name);
  if (near) mc_note(p->diag, e->loc, "did you mean '%s'?", near);
  return false;
}

static bool add_pass(parser *p, const mc_pass_info *pass, const element *e) {
  mc_pipeline_item it = { pass, mc_arena_alloc(p->arena, pass->opts_size), e->loc };
  mc_field_defaults(pass->opts, it.opts, p->arena);
  if (e->braces &&
      !mc_field_parse_text(pass->opts, it.opts, p->src, e->begin, e->end,
                           mc_arena_printf(p->arena, "pass '%s'", pass->text), p->arena, p->diag))
    return false;
  MC_PUSH(p->arena, p->out, it);
  return true;
}

/* An alias of one pass takes that pass's options; a longer one takes none. */
static bool add_alias(parser *p, const mc_pass_alias *alias, const element *e) {
  const mc_pass_info *one = find_pass(p->reg, alias->pipeline);
  if (one) return add_pass(p, one, e);
  if (e->braces)
    return mc_error(p->diag, e->loc, "'%s' stands for '%s' and takes no options", alias->name,
                    alias->pipeline);
  if (p->depth >= MAX_ALIAS_DEPTH)
    return mc_error(p->diag, e->loc, "'%s' stands for itself", alias->name);
  mc_source *src = MC_NEW(p->arena, mc_source);
  *src = (mc_source){ alias->name, alias->pipeline, strlen(alias->pipeline) };
  parser sub = { p->reg, src, 0, p->depth + 1, p->out, p->arena, p->diag };
  return parse_list(&sub);
}

static bool add_element(parser *p, const element *e) {
  const mc_pass_info *pass = find_pass(p->reg, e->name);
  if (pass) return add_pass(p, pass, e);
  const mc_pass_alias *alias = find_alias(p->reg, e->name);
  return alias ? add_alias(p, alias, e) : unknown_pass(p, e);
}

static bool parse_list(parser *p) {
  bool ok = true;
  skip_blank(p);
  if (p->at >= p->src->size) return true; /* the empty pipeline */
  for (;;) {
    element e;
    if (!take_element(p, &e)) return false;
    ok &= add_element(p, &e);
    skip_blank(p);
    if (p->at >= p->src->size) return ok;
    if (p->src->text[p->at] != ',')
      return mc_error(p->diag, span(p, p->at, p->at + 1), "expected ',' between passes");
    p->at++;
  }
}

bool mc_pipeline_parse(const mc_registry *r, const mc_source *text, mc_pipeline *out, mc_arena *a,
                       mc_diag *d) {
  items it = { 0 };
  parser p = { r, text, 0, 0, &it, a, d };
  bool ok = parse_list(&p);
  *out = (mc_pipeline){ it.v, (int)it.n };
  return ok;
}

static void print_item(mc_strbuf *out, const mc_pipeline_item *it) {
  mc_strbuf opts = { 0 };
  mc_sb_puts(out, it->pass->text);
  if (mc_field_print(&opts, it->pass->opts, it->opts, 0, NULL) > 0)
    mc_sb_printf(out, "{%s}", mc_sb_str(&opts));
  mc_sb_free(&opts);
}

void mc_pipeline_print(mc_strbuf *out, const mc_pipeline *p) {
  for (int i = 0; i < p->n; i++) {
    if (i) mc_sb_putc(out, ',');
    print_item(out, &p->item[i]);
  }
}
