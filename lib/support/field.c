/* One walk over a table of fields does everything that attributes and options need. */
#include "mc/support/field.h"
#include "mc/support/suggest.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Resolves @names; NULL where a text cannot hold them. */
typedef struct symbols {
  struct mc_tensor *(*find)(void *, const char *);
  void *ctx;
} symbols;

/* What an assignment reports with: noun is "attribute" or "option", owner the pass (NULL: none).
 * typed: by a person on a command line, so words count in upper and lower case; .mir text is exact.
 */
typedef struct report {
  mc_diag *diag;
  const char *noun, *owner;
  bool typed;
} report;

static size_t elem_size(const mc_field *f) {
  switch (f->kind) {
  case MC_F_I64: return sizeof(mc_field_I64);
  case MC_F_F32: return sizeof(mc_field_F32);
  case MC_F_F64: return sizeof(mc_field_F64);
  case MC_F_BOOL: return sizeof(mc_field_BOOL);
  case MC_F_ENUM: return sizeof(mc_field_ENUM);
  case MC_F_QUOTED: return sizeof(mc_field_QUOTED);
  case MC_F_DTYPE: return sizeof(mc_field_DTYPE);
  case MC_F_STR: return sizeof(mc_field_STR);
  case MC_F_INTS: return sizeof(mc_field_INTS);
  case MC_F_TENSOR: return sizeof(mc_field_TENSOR);
  }
  return 0;
}

static void *member(const mc_field *f, void *obj, int i) {
  return (char *)obj + f->offset + elem_size(f) * (size_t)i;
}

static const void *cmember(const mc_field *f, const void *obj, int i) {
  return (const char *)obj + f->offset + elem_size(f) * (size_t)i;
}

const mc_field *mc_field_find(const mc_field *f, const char *name) {
  for (; f->name; f++)
    if (!strcmp(f->name, name)) return f;
  return NULL;
}

/* ---- what a field wants, in words ---- */

static const char *kind_words(const mc_field *f, bool many) {
  switch (f->kind) {
  case MC_F_I64: return many ? "integers" : "an integer";
  case MC_F_F32:
  case MC_F_F64: return many ? "numbers" : "a number";
  case MC_F_BOOL: return many ? "times true or false" : "true or false";
  case MC_F_ENUM:
  case MC_F_QUOTED: return many ? "words" : "a word";
  case MC_F_DTYPE: return many ? "element types" : "an element type";
  case MC_F_STR: return many ? "strings" : "a string";
  case MC_F_INTS: return "a list of integers";
  case MC_F_TENSOR: return many ? "tensors (@name)" : "a tensor (@name)";
  }
  return "";
}

static const char *value_words(const mc_fvalue *v) {
  switch (v->kind) {
  case MC_V_INT: return "an integer";
  case MC_V_NUM: return "a number";
  case MC_V_WORD: return "a word";
  case MC_V_STR: return "a string";
  case MC_V_LIST: return "a list";
  case MC_V_SYM: return "a tensor";
  }
  return "";
}

static bool complain(const report *r, const mc_field *f, mc_loc loc, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static bool complain(const report *r, const mc_field *f, mc_loc loc, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_strbuf b = { 0 };
  mc_sb_vprintf(&b, fmt, ap);
  va_end(ap);
  if (r->owner)
    mc_error(r->diag, loc, "%s '%s' of %s %s", r->noun, f->name, r->owner, mc_sb_str(&b));
  else
    mc_error(r->diag, loc, "%s '%s' %s", r->noun, f->name, mc_sb_str(&b));
  mc_sb_free(&b);
  return false;
}

static bool wrong_kind(const report *r, const mc_field *f, const mc_fvalue *v) {
  if (v->kind == MC_V_WORD && v->s)
    return complain(r, f, v->loc, "expects %s, got '%s'", kind_words(f, false), v->s);
  return complain(r, f, v->loc, "expects %s, got %s", kind_words(f, false), value_words(v));
}

/* ---- storing one element ---- */

static bool word_number(const char *s, double *out) {
  double sign = 1;
  if (*s == '-' || *s == '+') sign = *s++ == '-' ? -1 : 1;
  if (!strcmp(s, "inf")) return *out = sign * (double)INFINITY, true;
  if (!strcmp(s, "nan")) return *out = (double)NAN, true;
  return false;
}

static bool real_of(const mc_fvalue *v, double *out) {
  if (v->kind == MC_V_INT || v->kind == MC_V_NUM) return *out = v->d, true;
  return v->kind == MC_V_WORD && v->s && word_number(v->s, out);
}

static bool store_float(const report *r, const mc_field *f, float *p, const mc_fvalue *v) {
  double d;
  if (!real_of(v, &d)) return wrong_kind(r, f, v);
  /* Straight from the digits where they are known: rounding twice (to double, then to float) may
   * miss the nearest float. */
  float x = v->kind != MC_V_WORD && v->s               ? strtof(v->s, NULL)
            : isinf(d) || isnan(d) || fabs(d) < 3.5e38 ? (float)d
                                                       : INFINITY;
  if (isinf(x) && !isinf(d)) return complain(r, f, v->loc, "is out of the range of f32");
  *p = x;
  return true;
}

static bool store_word(const report *r, const mc_field *f, int *p, const mc_fvalue *v) {
  if ((v->kind != MC_V_WORD && v->kind != MC_V_STR) || !v->s) return wrong_kind(r, f, v);
  for (int i = 0; f->names[i]; i++)
    if (r->typed ? mc_same_word(f->names[i], v->s) : !strcmp(f->names[i], v->s))
      return *p = i, true;
  mc_strbuf b = { 0 };
  for (int i = 0; f->names[i]; i++)
    if (*f->names[i]) mc_sb_printf(&b, "%s%s", b.n ? ", " : "", f->names[i]);
  const char *near = mc_suggest(v->s, f->names);
  if (near)
    complain(r, f, v->loc, "expects one of %s; got '%s' (did you mean '%s'?)", mc_sb_str(&b), v->s,
             near);
  else
    complain(r, f, v->loc, "expects one of %s; got '%s'", mc_sb_str(&b), v->s);
  mc_sb_free(&b);
  return false;
}

static const char *const truth[] = { "false", "true" };

static bool store_bool(const report *r, const mc_field *f, bool *p, const mc_fvalue *v) {
  for (int i = 0; v->kind == MC_V_WORD && v->s && i < 2; i++)
    if (r->typed ? mc_same_word(truth[i], v->s) : !strcmp(truth[i], v->s)) return *p = i == 1, true;
  return wrong_kind(r, f, v);
}

static bool store_string(const report *r, const mc_field *f, const char **p, const mc_fvalue *v,
                         mc_arena *a) {
  /* An option's text form has no quotes, so a word or a number may be meant as text. */
  bool ok = v->s && (v->kind == MC_V_STR || v->kind == MC_V_WORD || v->kind == MC_V_INT ||
                     v->kind == MC_V_NUM);
  if (!ok) return wrong_kind(r, f, v);
  *p = mc_arena_strdup(a, v->s);
  return true;
}

static bool store_ints(const report *r, const mc_field *f, mc_ints *p, const mc_fvalue *v,
                       mc_arena *a) {
  if (v->kind != MC_V_LIST) return wrong_kind(r, f, v);
  for (int i = 0; i < v->n; i++)
    if (v->list[i].kind != MC_V_INT)
      return complain(r, f, v->list[i].loc, "expects a list of integers, element %d is %s", i,
                      value_words(&v->list[i]));
  p->n = v->n;
  p->v = MC_NEWN(a, int64_t, v->n);
  for (int i = 0; i < v->n; i++) p->v[i] = v->list[i].i;
  return true;
}

static bool store_tensor(const report *r, const mc_field *f, struct mc_tensor **p,
                         const mc_fvalue *v, const symbols *sym) {
  if (v->kind != MC_V_SYM || !v->s || !sym->find) return wrong_kind(r, f, v);
  struct mc_tensor *t = sym->find(sym->ctx, v->s);
  if (!t) return complain(r, f, v->loc, "names an unknown tensor '@%s'", v->s);
  *p = t;
  return true;
}

static bool store_elem(const report *r, const mc_field *f, void *p, const mc_fvalue *v, mc_arena *a,
                       const symbols *sym) {
  switch (f->kind) {
  case MC_F_I64:
    if (v->kind != MC_V_INT) return wrong_kind(r, f, v);
    *(int64_t *)p = v->i;
    return true;
  case MC_F_F32: return store_float(r, f, p, v);
  case MC_F_F64:
    if (!real_of(v, p)) return wrong_kind(r, f, v);
    return true;
  case MC_F_BOOL: return store_bool(r, f, p, v);
  case MC_F_ENUM:
  case MC_F_QUOTED:
  case MC_F_DTYPE: return store_word(r, f, p, v);
  case MC_F_STR: return store_string(r, f, p, v, a);
  case MC_F_INTS: return store_ints(r, f, p, v, a);
  case MC_F_TENSOR: return store_tensor(r, f, p, v, sym);
  }
  return false;
}

static bool store(const report *r, const mc_field *f, void *obj, const mc_fvalue *v, mc_arena *a,
                  const symbols *sym) {
  if (f->count == 1) return store_elem(r, f, member(f, obj, 0), v, a, sym);
  bool fill = v->kind != MC_V_LIST;
  if (!fill && v->n != f->count)
    return complain(r, f, v->loc, "expects %d %s, got %d", f->count, kind_words(f, true), v->n);
  for (int i = 0; i < f->count; i++)
    if (!store_elem(r, f, member(f, obj, i), fill ? v : &v->list[i], a, sym)) return false;
  return true;
}

bool mc_field_set(const mc_field *f, void *obj, const mc_fvalue *v, mc_arena *a, mc_diag *d,
                  struct mc_tensor *(*sym)(void *, const char *), void *symctx) {
  return store(&(report){ d, "attribute", NULL, false }, f, obj, v, a, &(symbols){ sym, symctx });
}

/* ---- scanning text ---- */

typedef struct scanner {
  const mc_source *src;
  const char *p, *end;
  mc_arena *arena;
  const report *rep;
} scanner;

static mc_loc span(const scanner *s, const char *from, const char *to) {
  return (mc_loc){ .src = s->src,
                   .begin = (uint32_t)(from - s->src->text),
                   .end = (uint32_t)(to - s->src->text) };
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool is_stop(char c) { return is_blank(c) || strchr(",[]{}\"=", c) != NULL || c == 0; }

static void skip_blanks(scanner *s) {
  while (s->p < s->end && is_blank(*s->p)) s->p++;
}

/* A word becomes a number when all of it reads as one. */
static void classify(mc_fvalue *v) {
  char *stop;
  errno = 0;
  long long i = strtoll(v->s, &stop, 10);
  if (*v->s && !*stop && errno == 0) {
    v->kind = MC_V_INT, v->i = i, v->d = (double)i;
    return;
  }
  bool digit =
      isdigit((unsigned char)v->s[0]) || ((v->s[0] == '-' || v->s[0] == '+' || v->s[0] == '.') &&
                                          (isdigit((unsigned char)v->s[1]) || v->s[1] == '.'));
  double d = strtod(v->s, &stop);
  if (digit && !*stop && !strpbrk(v->s, "xXpP")) v->kind = MC_V_NUM, v->d = d;
}

static int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/* One escape after the backslash; 0 for one that does not exist. */
static char unescape(scanner *s) {
  char c = *s->p++;
  if (c == 'n') return '\n';
  if (c == 't') return '\t';
  if (c == 'r') return '\r';
  if (c == '"' || c == '\\') return c;
  if (c != 'x' || s->end - s->p < 2 || hex_digit(s->p[0]) < 0 || hex_digit(s->p[1]) < 0) return 0;
  int x = hex_digit(s->p[0]) * 16 + hex_digit(s->p[1]);
  s->p += 2;
  return (char)x;
}

static bool scan_string(scanner *s, mc_fvalue *v) {
  const char *from = s->p++;
  char *out = mc_arena_alloc(s->arena, (size_t)(s->end - from)), *o = out;
  while (s->p < s->end && *s->p != '"') {
    char c = *s->p++;
    if (c == '\\') c = s->p < s->end ? unescape(s) : 0;
    if (!c) return mc_error(s->rep->diag, span(s, from, s->p), "bad escape in a string");
    *o++ = c;
  }
  if (s->p == s->end) return mc_error(s->rep->diag, span(s, from, s->end), "string without an end");
  *o = 0;
  s->p++;
  *v = (mc_fvalue){ .kind = MC_V_STR, .s = out, .loc = span(s, from, s->p) };
  return true;
}

static bool scan_scalar(scanner *s, mc_fvalue *v) {
  if (s->p < s->end && *s->p == '"') return scan_string(s, v);
  const char *from = s->p;
  while (s->p < s->end && !is_stop(*s->p)) s->p++;
  if (s->p == from)
    return mc_error(s->rep->diag, span(s, from, from < s->end ? from + 1 : from),
                    "expected a value");
  *v = (mc_fvalue){ .kind = MC_V_WORD,
                    .s = mc_arena_strndup(s->arena, from, (size_t)(s->p - from)),
                    .loc = span(s, from, s->p) };
  if (v->s[0] == '@')
    v->kind = MC_V_SYM, v->s++;
  else
    classify(v);
  return true;
}

static bool scan_list(scanner *s, mc_fvalue *v) {
  const char *from = s->p++;
  MC_VEC(mc_fvalue) list = { 0 };
  for (skip_blanks(s); s->p < s->end && *s->p != ']'; skip_blanks(s)) {
    mc_fvalue e;
    if (!scan_scalar(s, &e)) return false;
    MC_PUSH(s->arena, &list, e);
    skip_blanks(s);
    if (s->p < s->end && *s->p == ',') s->p++;
  }
  if (s->p == s->end) return mc_error(s->rep->diag, span(s, from, s->end), "list without ']'");
  s->p++;
  *v = (mc_fvalue){
    .kind = MC_V_LIST, .list = list.v, .n = (int)list.n, .loc = span(s, from, s->p)
  };
  return true;
}

static bool scan_value(scanner *s, mc_fvalue *v) {
  skip_blanks(s);
  return s->p < s->end && *s->p == '[' ? scan_list(s, v) : scan_scalar(s, v);
}

/* ---- text to fields ---- */

static bool unknown_field(const mc_field *f, const report *r, mc_loc loc, const char *name) {
  const char *near = NULL;
  mc_strbuf all = { 0 };
  for (const mc_field *x = f; x->name; x++) {
    near = mc_suggest_better(name, near, x->name);
    mc_sb_printf(&all, "%s%s", x == f ? "" : ", ", x->name);
  }
  if (near)
    mc_error(r->diag, loc, "%s has no %s '%s'; did you mean '%s'?", r->owner, r->noun, name, near);
  else
    mc_error(r->diag, loc, "%s has no %s '%s'", r->owner, r->noun, name);
  mc_note(r->diag, loc, f->name ? "it has %s" : "it has none%s", mc_sb_str(&all));
  mc_sb_free(&all);
  return false;
}

static const mc_field *find_typed(const mc_field *f, const char *name) {
  for (; f->name; f++)
    if (mc_same_word(f->name, name)) return f;
  return NULL;
}

/* name, or name=value, at the scanner. */
static bool parse_pair(scanner *s, const mc_field *f, void *obj, bool *given) {
  const char *from = s->p;
  while (s->p < s->end && !is_stop(*s->p)) s->p++;
  if (s->p == from)
    return mc_error(s->rep->diag, span(s, from, from + 1), "expected the name of an %s",
                    s->rep->noun);
  const char *name = mc_arena_strndup(s->arena, from, (size_t)(s->p - from));
  mc_loc loc = span(s, from, s->p);
  mc_fvalue v = { .kind = MC_V_WORD, .s = "true", .loc = loc };
  skip_blanks(s);
  bool has_value = s->p < s->end && *s->p == '=';
  if (has_value && (s->p++, !scan_value(s, &v))) return false;
  const mc_field *x = find_typed(f, name);
  if (!x) return unknown_field(f, s->rep, loc, name);
  if (given[x - f]) return complain(s->rep, x, loc, "is given twice");
  given[x - f] = true;
  if (!has_value && x->kind != MC_F_BOOL)
    return complain(s->rep, x, loc, "needs a value (%s=...)", x->name);
  return store(s->rep, x, obj, &v, s->arena, &(symbols){ 0 });
}

static int field_count(const mc_field *f) {
  int n = 0;
  while (f[n].name) n++;
  return n;
}

bool mc_field_parse_text(const mc_field *f, void *obj, const mc_source *src, uint32_t begin,
                         uint32_t end, const char *owner, mc_arena *a, mc_diag *d) {
  report rep = { d, "option", owner, true };
  scanner s = { src, src->text + begin, src->text + end, a, &rep };
  bool *given = MC_NEWN(a, bool, field_count(f) + 1);
  for (;;) {
    while (s.p < s.end && (is_blank(*s.p) || *s.p == ',')) s.p++;
    if (s.p == s.end) break;
    if (!parse_pair(&s, f, obj, given)) return false;
  }
  bool ok = true;
  for (const mc_field *x = f; x->name; x++)
    if (!x->dflt && !given[x - f])
      ok = complain(&rep, x, span(&s, src->text + begin, s.end), "must be given");
  return ok;
}

/* ---- defaults ---- */

/* Element i of a default's text: "1", or the i-th of "[0,inf]". */
static void default_word(const char *dflt, int i, char out[64]) {
  const char *p = dflt;
  if (*p == '[')
    for (p++; i > 0 && *p; p++) i -= *p == ',';
  size_t n = strcspn(p, ",]");
  if (n > 63) n = 63;
  memcpy(out, p, n);
  out[n] = 0;
}

static double default_real(const char *word) {
  double d;
  return word_number(word, &d) ? d : strtod(word, NULL);
}

static const char *default_string(const char *dflt) {
  return !dflt || !strcmp(dflt, "\"\"") ? "" : dflt;
}

static int name_index(const char *const *names, const char *word) {
  for (int i = 0; names[i]; i++)
    if (!strcmp(names[i], word)) return i;
  return 0;
}

static int default_ints(const char *dflt) {
  if (!dflt || !dflt[strspn(dflt, "[ ]")]) return 0;
  int n = 1;
  for (; *dflt; dflt++) n += *dflt == ',';
  return n;
}

static void default_elem(const mc_field *f, void *p, int i, mc_arena *a) {
  char w[64] = "";
  if (f->dflt) default_word(f->dflt, i, w);
  switch (f->kind) {
  case MC_F_I64: *(int64_t *)p = strtoll(w, NULL, 10); break;
  case MC_F_F32: *(float *)p = strchr(w, 'n') ? (float)default_real(w) : strtof(w, NULL); break;
  case MC_F_F64: *(double *)p = default_real(w); break;
  case MC_F_BOOL: *(bool *)p = !strcmp(w, "true"); break;
  case MC_F_ENUM:
  case MC_F_QUOTED:
  case MC_F_DTYPE: *(int *)p = f->dflt ? name_index(f->names, w) : 0; break;
  case MC_F_STR: *(const char **)p = default_string(f->dflt); break;
  case MC_F_TENSOR: *(struct mc_tensor **)p = NULL; break;
  case MC_F_INTS: {
    mc_ints *l = p;
    l->n = default_ints(f->dflt);
    l->v = l->n ? MC_NEWN(a, int64_t, l->n) : NULL;
    for (int k = 0; k < l->n; k++) default_word(f->dflt, k, w), l->v[k] = strtoll(w, NULL, 10);
    break;
  }
  }
}

void mc_field_defaults(const mc_field *f, void *obj, mc_arena *a) {
  for (; f->name; f++)
    for (int i = 0; i < f->count; i++) default_elem(f, member(f, obj, i), i, a);
}

/* ---- comparing ---- */

static bool ints_equal(const mc_ints *a, const mc_ints *b) {
  return a->n == b->n && (a->n == 0 || !memcmp(a->v, b->v, sizeof *a->v * (size_t)a->n));
}

static bool strings_equal(const char *a, const char *b) { return !strcmp(a ? a : "", b ? b : ""); }

/* Floats are equal when they print the same: bits, or both NaN. */
static bool elem_equal(const mc_field *f, const void *a, const void *b) {
  switch (f->kind) {
  case MC_F_F32:
    return !memcmp(a, b, sizeof(float)) || (isnan(*(const float *)a) && isnan(*(const float *)b));
  case MC_F_F64:
    return !memcmp(a, b, sizeof(double)) ||
           (isnan(*(const double *)a) && isnan(*(const double *)b));
  case MC_F_STR: return strings_equal(*(const char *const *)a, *(const char *const *)b);
  case MC_F_INTS: return ints_equal(a, b);
  case MC_F_I64:
  case MC_F_BOOL:
  case MC_F_ENUM:
  case MC_F_QUOTED:
  case MC_F_DTYPE:
  case MC_F_TENSOR: return !memcmp(a, b, elem_size(f));
  }
  return false;
}

static bool field_equal(const mc_field *f, const void *a, const void *b) {
  for (int i = 0; i < f->count; i++)
    if (!elem_equal(f, cmember(f, a, i), cmember(f, b, i))) return false;
  return true;
}

bool mc_field_equal(const mc_field *f, const void *a, const void *b) {
  for (; f->name; f++)
    if (!field_equal(f, a, b)) return false;
  return true;
}

static bool ints_default(const mc_field *f, const mc_ints *l) {
  if (l->n != default_ints(f->dflt)) return false;
  char w[64];
  for (int i = 0; i < l->n; i++)
    if (default_word(f->dflt, i, w), strtoll(w, NULL, 10) != l->v[i]) return false;
  return true;
}

static bool is_default(const mc_field *f, const void *obj) {
  if (!f->dflt) return false;
  for (int i = 0; i < f->count; i++) {
    const void *p = cmember(f, obj, i);

    union {
      int64_t i;
      double d;
      float f;
      const char *s;
      struct mc_tensor *t;
      bool b;
      int e;
      mc_ints l;
    } u = { 0 };

    if (f->kind == MC_F_INTS) {
      if (!ints_default(f, p)) return false;
      continue;
    }
    default_elem(f, &u, i, NULL);
    if (!elem_equal(f, p, &u)) return false;
  }
  return true;
}

/* ---- printing ---- */

static void print_ints(mc_strbuf *out, const mc_ints *l) {
  mc_sb_putc(out, '[');
  for (int i = 0; i < l->n; i++) mc_sb_printf(out, "%s%lld", i ? "," : "", (long long)l->v[i]);
  mc_sb_putc(out, ']');
}

static void print_elem(mc_strbuf *out, const mc_field *f, const void *p,
                       const char *(*tensor_name)(const struct mc_tensor *)) {
  switch (f->kind) {
  case MC_F_I64: mc_sb_printf(out, "%lld", (long long)*(const int64_t *)p); break;
  case MC_F_F32: mc_sb_float(out, *(const float *)p); break;
  case MC_F_F64: mc_sb_double(out, *(const double *)p); break;
  case MC_F_BOOL: mc_sb_puts(out, *(const bool *)p ? "true" : "false"); break;
  case MC_F_ENUM:
  case MC_F_DTYPE: mc_sb_puts(out, f->names[*(const int *)p]); break;
  case MC_F_QUOTED: mc_sb_quoted(out, f->names[*(const int *)p]); break;
  case MC_F_STR: mc_sb_quoted(out, *(const char *const *)p ? *(const char *const *)p : ""); break;
  case MC_F_INTS: print_ints(out, p); break;
  case MC_F_TENSOR: {
    const struct mc_tensor *t = *(struct mc_tensor *const *)p;
    const char *name = t && tensor_name ? tensor_name(t) : NULL;
    mc_sb_printf(out, "@%s", name ? name : "?");
    break;
  }
  }
}

void mc_field_print_value(mc_strbuf *out, const mc_field *f, const void *obj,
                          const char *(*tensor_name)(const struct mc_tensor *)) {
  if (f->count > 1) mc_sb_putc(out, '[');
  for (int i = 0; i < f->count; i++) {
    if (i) mc_sb_putc(out, ',');
    print_elem(out, f, cmember(f, obj, i), tensor_name);
  }
  if (f->count > 1) mc_sb_putc(out, ']');
}

int mc_field_print(mc_strbuf *out, const mc_field *f, const void *obj, int all,
                   const char *(*tensor_name)(const struct mc_tensor *)) {
  int n = 0;
  for (; f->name; f++) {
    if (!all && is_default(f, obj)) continue;
    mc_sb_printf(out, "%s%s=", n++ ? ", " : "", f->name);
    mc_field_print_value(out, f, obj, tensor_name);
  }
  return n;
}
