/* From places in the text to integers, floats, strings and names. */
#include "scan.h"
#include <stdlib.h>
#include <string.h>

char *mir_span_text(const mir_parse *p, mir_span at, mc_arena *a) {
  return mc_arena_strndup(a, p->src->text + at.begin, at.end - at.begin);
}

bool mir_span_int(const mir_parse *p, mir_span at, int64_t *x) {
  const char *s = p->src->text + at.begin, *end = p->src->text + at.end;
  bool neg = *s == '-';
  *x = 0;
  for (s += neg; s < end; s++) {
    int64_t digit = neg ? -(*s - '0') : *s - '0';
    if (__builtin_mul_overflow(*x, (int64_t)10, x) || __builtin_add_overflow(*x, digit, x))
      return false;
  }
  return true;
}

bool mir_span_is_int(const mir_parse *p, mir_span at) {
  for (uint32_t i = at.begin + (p->src->text[at.begin] == '-'); i < at.end; i++)
    if (p->src->text[i] < '0' || p->src->text[i] > '9') return false;
  return true;
}

bool mir_span_is_bits(const mir_parse *p, mir_span at) {
  const char *s = p->src->text + at.begin;
  size_t n = at.end - at.begin;
  return n > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && !memchr(s, '.', n) &&
         !memchr(s, 'p', n) && !memchr(s, 'P', n);
}

/* A NUL-terminated copy for strtof: in buf when it fits, else in the parse's arena. */
static const char *number_text(const mir_parse *p, mir_span at, char *buf, size_t cap) {
  size_t n = at.end - at.begin;
  if (n >= cap) return mir_span_text(p, at, p->arena);
  memcpy(buf, p->src->text + at.begin, n);
  buf[n] = 0;
  return buf;
}

float mir_span_f32(const mir_parse *p, mir_span at) {
  char buf[64];
  return strtof(number_text(p, at, buf, sizeof buf), NULL);
}

double mir_span_f64(const mir_parse *p, mir_span at) {
  char buf[64];
  return strtod(number_text(p, at, buf, sizeof buf), NULL);
}

int mir_hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/* The byte that the escape at s (after the backslash) stands for; *n: its length. -1: no such
 * escape. */
static int escape(const char *s, const char *end, int *n) {
  *n = 1;
  switch (*s) {
  case 'n': return '\n';
  case 't': return '\t';
  case 'r': return '\r';
  case '"':
  case '\\': return *s;
  case 'x': break;
  default: return -1;
  }
  if (end - s < 3 || mir_hex_digit(s[1]) < 0 || mir_hex_digit(s[2]) < 0) return -1;
  *n = 3;
  return mir_hex_digit(s[1]) * 16 + mir_hex_digit(s[2]);
}

char *mir_string(const mir_parse *p, mir_span at, mc_arena *a) {
  const char *text = p->src->text, *s = text + at.begin + 1, *end = text + at.end - 1;
  char *out = mc_arena_alloc(a, (size_t)(end - s) + 1), *o = out;
  while (s < end) {
    int n = 0, c = *s == '\\' ? escape(s + 1, end, &n) : (unsigned char)*s;
    mir_span here = { (uint32_t)(s - text), (uint32_t)(s - text) + 1u + (unsigned)n };
    if (c < 0)
      return mc_error(p->diag, mir_loc(p, here),
                      "unknown escape; there are \\\" \\\\ \\n \\t \\r \\xHH"),
             NULL;
    if (c == 0) return mc_error(p->diag, mir_loc(p, here), "a NUL cannot be in a string"), NULL;
    *o++ = (char)c;
    s += 1 + n;
  }
  return out;
}

/* Bytes of the UTF-8 sequence at s, 0 when it is none (RFC 3629: no overlong forms, surrogates, or
 * beyond U+10FFFF). */
static int utf8_length(const unsigned char *s) {
  if (s[0] < 0x80) return 1;
  int n = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
          : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
          : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                        : 0;
  for (int i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
  bool beyond = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
  return overlong || beyond ? 0 : n;
}

static bool is_utf8(const char *s) {
  for (int n; *s; s += n)
    if (!(n = utf8_length((const unsigned char *)s))) return false;
  return true;
}

char *mir_name(const mir_parse *p, mir_span at, mc_arena *a) {
  at.begin++;
  if (p->src->text[at.begin] != '"') return mir_span_text(p, at, a);
  char *s = mir_string(p, at, a);
  if (s && !*s) return mc_error(p->diag, mir_loc(p, at), "an empty name"), NULL;
  if (s && !is_utf8(s)) return mc_error(p->diag, mir_loc(p, at), "a name must be UTF-8"), NULL;
  return s;
}

mc_fvalue mir_int_value(mir_parse *p, mir_span at) {
  mc_fvalue v = { .kind = MC_V_INT, .s = mir_span_text(p, at, p->arena), .loc = mir_loc(p, at) };
  if (!mir_span_int(p, at, &v.i)) mc_error(p->diag, v.loc, "the integer does not fit into 64 bits");
  v.d = (double)v.i;
  return v;
}

mc_fvalue mir_num_value(mir_parse *p, mir_span at) {
  if (mir_span_is_bits(p, at))
    mc_error(p->diag, mir_loc(p, at),
             "bits (0x...) are allowed in dense<...> only; a hexadecimal number has an exponent "
             "(0x1p-3)");
  return (mc_fvalue){ .kind = MC_V_NUM,
                      .s = mir_span_text(p, at, p->arena),
                      .d = mir_span_f64(p, at),
                      .loc = mir_loc(p, at) };
}

mc_fvalue mir_text_value(mir_parse *p, int kind, mir_span at) {
  mc_fvalue v = { .loc = mir_loc(p, at) };
  v.kind = kind;
  if (kind == MC_V_WORD)
    v.s = mir_span_text(p, at, p->arena);
  else
    v.s = kind == MC_V_STR ? mir_string(p, at, p->arena) : mir_name(p, at, p->arena);
  if (!v.s) v.s = ""; /* reported */
  return v;
}
