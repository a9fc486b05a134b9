/* Reports, names, element types, attributes: what every handler needs. */
#include "imp.h"
#include <stdlib.h>
#include <string.h>

static const etype_info etypes[] = {
#define MC_ETYPE(id, num, text, store, carry, border, bytes, field, bits)                          \
  { num, text, MC_##store, MC_##carry, MC_##border, bytes },
#include "etypes.def"
};

const etype_info *mc_onnx_etype(int num) {
  for (size_t i = 0; i < sizeof etypes / sizeof *etypes; i++)
    if (etypes[i].num == num) return &etypes[i];
  return NULL;
}

const char *mc_onnx_etype_name(int num) {
  const etype_info *e = mc_onnx_etype(num);
  return e ? e->text : num == 8 ? "string" : num == 0 ? "undefined" : "of an unknown number";
}

/* Reals are stored as f32, and nothing else is. */
bool mc_onnx_is_real(int num) {
  const etype_info *e = mc_onnx_etype(num);
  return e && e->store == MC_f32;
}

bool mc_onnx_is_int(int num) { return num != ONNX_BOOL && !mc_onnx_is_real(num); }

/* ---- reports ---- */
static mc_loc place(imp *im, const char *what) {
  return (mc_loc){ .src = im->src, .what = what ? mc_arena_strdup(im->diag->arena, what) : NULL };
}

bool mc_onnx_error(node *n, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_report(n->im->diag, MC_ERROR, n->loc, fmt, ap);
  va_end(ap);
  return false;
}

bool mc_onnx_fail(imp *im, const char *what, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_report(im->diag, MC_ERROR, place(im, what), fmt, ap);
  va_end(ap);
  return false;
}

void mc_onnx_remark(imp *im, const char *what, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_report(im->diag, MC_REMARK, place(im, what), fmt, ap);
  va_end(ap);
}

/* ---- names ---- */
/* Length of the well-formed UTF-8 sequence at s, 0 when there is none (overlong forms and
 * surrogates are not worth telling apart here). */
static size_t utf8_length(const unsigned char *s) {
  size_t n = s[0] < 0x80                   ? 1
             : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
             : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
             : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                           : 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  return n;
}

const char *mc_onnx_clean(mc_arena *a, const char *s) {
  char *out = mc_arena_strdup(a, s ? s : "");
  for (unsigned char *p = (unsigned char *)out; *p;) {
    size_t n = utf8_length(p);
    if (!n || *p < 0x20 || *p == 0x7f) *p = '?', n = 1;
    p += n;
  }
  return out;
}

static bool ident_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

const char *mc_onnx_ident(imp *im, const char *s) {
  size_t len = strlen(s);
  char *base = mc_arena_alloc(im->arena, len + 2), *p = base;
  while (*s == '/') s++; /* PyTorch's "/conv1/Conv_output_0" */
  if (!*s || (*s >= '0' && *s <= '9') || *s == '.')
    *p++ = '_'; /* a name that is a number would look like an unnamed value */
  for (; *s; s++) *p++ = ident_char(*s) ? *s : '_';
  *p = 0;
  const char *name = base;
  uintptr_t *count = (uintptr_t *)mc_map_str_slot(&im->names, base);
  while (*count) {
    name = mc_arena_printf(im->arena, "%s.%zu", base, (size_t)*count);
    ++*count;
    if (!mc_map_str_get(&im->names, name)) break;
    count = (uintptr_t *)mc_map_str_slot(&im->names, base);
  }
  *mc_map_str_slot(&im->names, name) = (void *)1;
  return name;
}

const char *mc_onnx_dims(mc_arena *a, int rank, const int64_t *dim) {
  mc_strbuf sb = { 0 };
  mc_sb_putc(&sb, '[');
  for (int i = 0; i < rank; i++) mc_sb_printf(&sb, i ? ",%lld" : "%lld", (long long)dim[i]);
  mc_sb_putc(&sb, ']');
  const char *s = mc_arena_strndup(a, sb.s, sb.n);
  mc_sb_free(&sb);
  return s;
}

/* ---- attributes ---- */
const pb_attr *mc_onnx_attr(const node *n, const char *name) {
  for (size_t i = 0; i < n->p->n_attribute; i++)
    if (n->p->attribute[i]->name && !strcmp(n->p->attribute[i]->name, name))
      return n->p->attribute[i];
  return NULL;
}

int64_t mc_onnx_attr_i(const node *n, const char *name, int64_t dflt) {
  const pb_attr *a = mc_onnx_attr(n, name);
  return a ? a->i : dflt;
}

float mc_onnx_attr_f(const node *n, const char *name, float dflt) {
  const pb_attr *a = mc_onnx_attr(n, name);
  return a ? a->f : dflt;
}

const char *mc_onnx_attr_s(const node *n, const char *name, const char *dflt) {
  const pb_attr *a = mc_onnx_attr(n, name);
  return a ? mc_arena_strndup(n->im->arena, (const char *)a->s.data, a->s.len) : dflt;
}

bool mc_onnx_attr_ints(const node *n, const char *name, const int64_t **v, size_t *k) {
  const pb_attr *a = mc_onnx_attr(n, name);
  if (!a) return false;
  *v = a->ints;
  *k = a->n_ints;
  return true;
}

/* The number that ONNX gives to an attribute of each kind, and its word. */
static const struct {
  char kind;
  int32_t num;
  const char *word;
} kinds[] = {
  { 'f', 1, "a float" }, { 'i', 2, "an integer" }, { 's', 3, "a string" }, { 't', 4, "a tensor" },
  { 'g', 5, "a graph" }, { 'F', 6, "floats" },     { 'I', 7, "integers" }, { 'S', 8, "strings" },
};

static const char *kind_word(int32_t num) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (kinds[i].num == num) return kinds[i].word;
  return "of another kind";
}

/* What a row's text says about `name`: the kind, 0 when it does not name it; the position; the
 * first opset without it, or 0. */
typedef struct attr_row {
  char kind;
  unsigned bit;
  int before;
} attr_row;

static attr_row row_of(const char *attrs, const char *name) {
  size_t len = strlen(name);
  attr_row r = { 0 };
  for (const char *p = attrs; *p; r.bit++) {
    const char *colon = strchr(p, ':');
    bool found = (size_t)(colon - p) == len && !memcmp(p, name, len);
    r.kind = colon[1];
    r.before = colon[2] == '<' ? atoi(colon + 3) : 0;
    if (found) return r;
    p = colon + 2;
    p += strcspn(p, " ");
    while (*p == ' ') p++;
  }
  return (attr_row){ 0 };
}

/* Attributes of files whose format had no kind for them yet (version 1) have the kind that they are
 * expected to have. */
static int32_t kind_of(const node *n, const pb_attr *a, int32_t want) {
  return a->type || n->im->ir > 2 ? a->type : want;
}

static bool check_attr(node *n, const pb_attr *a, uint32_t *seen) {
  const char *shown = mc_onnx_clean(n->im->diag->arena, a->name);
  if (a->ref_attr_name && *a->ref_attr_name)
    return mc_onnx_error(n, "attribute '%s' refers to a function's attribute: not supported",
                         shown);
  if (a->name && !strcmp(a->name, "consumed_inputs") && n->im->opset < 6)
    return true; /* a hint about memory */
  attr_row r = row_of(n->row->attrs, a->name ? a->name : "");
  if (!r.kind) return mc_onnx_error(n, "%s: unknown attribute '%s'", n->row->op, shown);
  if (r.before && n->im->opset >= r.before)
    return mc_onnx_error(n, "%s: attribute '%s' ended with opset %d, the model's is %lld",
                         n->row->op, shown, r.before - 1, (long long)n->im->opset);
  if (*seen & 1u << r.bit)
    return mc_onnx_error(n, "%s: attribute '%s' is given twice", n->row->op, shown);
  *seen |= 1u << r.bit;
  int32_t want = r.kind == 'z' ? (n->im->opset < 6 ? 3 : 2) : 0;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (kinds[i].kind == r.kind) want = kinds[i].num;
  int32_t is = kind_of(n, a, want);
  if (is != want || (want == 4 && !a->t))
    return mc_onnx_error(n, "%s: attribute '%s' is %s, expected %s", n->row->op, shown,
                         kind_word(is), kind_word(want));
  return true;
}

bool mc_onnx_check_attrs(node *n) {
  bool ok = true;
  uint32_t seen = 0;
  for (size_t i = 0; i < n->p->n_attribute && i < 64; i++)
    ok &= check_attr(n, n->p->attribute[i], &seen);
  if (n->p->n_attribute > 64)
    ok = mc_onnx_error(n, "%zu attributes: more than any op has", n->p->n_attribute);
  return ok;
}
