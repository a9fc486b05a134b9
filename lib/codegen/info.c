/* PREFIX_info: lines of words.
 *
 *   mcc 1 NAME
 *   target x86_64 sse41 avx2 ...
 *   level x86-64-v3 sse41 avx2       objects that choose at run time: one line for each level,
 *     lowest first
 *   arena BYTES ALIGN
 *   stack BYTES                      of a call, at most: 8 digits
 *   layers 9 0 1                     in INT8, bf16, fp32
 *   version 0.1.0                    of mcc
 *   model HASH                       of the network as it was read, 16 hexadecimal digits
 *   header HASH                      of the header: the object has PREFIX_run_for_header_HASH
 *   threads N                        where there are parallel entries
 *   in image f32 0x0p+0 0 1 32 32 3  name, element type, scale (0: not quantized), zero point,
 *     shape
 *   source image input/img:0         an input's own name in the model, where it is another: all
 *     that follows
 *   out probs u8 0x1p-8 0 1 10 */
#include "info.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */
static bool taken(const mc_info *i, const char *name) {
  for (int k = 0; k < i->nin; k++)
    if (i->in[k].name && strcmp(i->in[k].name, name) == 0) return true;
  for (int k = 0; k < i->nout; k++)
    if (i->out[k].name && strcmp(i->out[k].name, name) == 0) return true;
  return false;
}

static bool reserved(const char *s) {
  static const char *const words[] = {
    "arena",  "auto",      "break",    "case",     "char",      "const",    "continue", "default",
    "do",     "double",    "else",     "enum",     "extern",    "float",    "for",      "goto",
    "if",     "inline",    "int",      "long",     "register",  "restrict", "return",   "short",
    "signed", "sizeof",    "static",   "struct",   "switch",    "typedef",  "union",    "unsigned",
    "void",   "volatile",  "while",    "class",    "new",       "delete",   "this",     "private",
    "public", "protected", "template", "typename", "namespace", "operator", "bool",     "true",
    "false",  "try",       "catch",    "throw",    "using",     "virtual",  "friend",   "and",
    "or",     "not",       "xor"
  };
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i], s) == 0) return true;
  return false;
}

/* A C identifier from a value's name; "in0", "out2" where there is none or it is a number. */
static const char *identifier(const mc_info *i, const mc_value *v, const char *kind, int index,
                              mc_arena *a) {
  char *s = v->name && !isdigit((unsigned char)v->name[0])
                ? mc_arena_strdup(a, v->name)
                : mc_arena_printf(a, "%s%d", kind, index);
  for (char *p = s; *p; p++)
    if (!isalnum((unsigned char)*p)) *p = '_';
  if (reserved(s)) s = mc_arena_printf(a, "%s_", s);
  for (int k = 2; taken(i, s); k++) {
    char *t = mc_arena_printf(a, "%s_%d", s, k);
    if (!taken(i, t)) return t;
  }
  return s;
}

static void levels_of(mc_info *i, const mc_plan *p, mc_arena *a) {
  int n = 0;
  bool chooses = p->next || mc_target_asks(p->target);
  for (const mc_plan *q = p; q; q = q->next) n++;
  i->level = MC_NEWN(a, mc_level, n);
  for (const mc_plan *q = p; q; q = q->next) {
    if (chooses) i->level[i->nlevel++] = (mc_level){ q->target->name, q->target->isa };
    if (i->arena_bytes < q->arena_bytes) i->arena_bytes = q->arena_bytes;
    if (i->arena_align < q->arena_align) i->arena_align = q->arena_align;
  }
}

/* One line of text, as the model has it. */
static const char *own_name(const mc_value *v, const char *name, mc_arena *a) {
  if (!v->source || !*v->source || strcmp(v->source, name) == 0) return NULL;
  for (const char *s = v->source; *s; s++)
    if (iscntrl((unsigned char)*s)) return NULL;
  return mc_arena_strdup(a, v->source);
}

mc_info mc_info_of(const mc_plan *p, const mc_codegen_opts *o, mc_arena *a) {
  const mc_graph *g = p->graph;
  mc_info i = { .name = o->prefix,
                .version = o->version,
                .model = o->model,
                .arch = p->target->arch,
                .isa = p->target->isa,
                .threads = p->threads };
  levels_of(&i, p, a);
  i.layers = mc_graph_layers(g);
  i.nin = g->nin;
  i.nout = mc_graph_nout(g);
  i.in = MC_NEWN(a, mc_io, i.nin + 1);
  i.out = MC_NEWN(a, mc_io, i.nout + 1);
  for (int k = 0; k < i.nin; k++) {
    i.in[k] = (mc_io){ identifier(&i, g->in[k], "in", k, a), *g->in[k]->type, NULL };
    i.in[k].source = own_name(g->in[k], i.in[k].name, a);
  }
  for (int k = 0; k < i.nout; k++)
    i.out[k] =
        (mc_io){ identifier(&i, mc_graph_out(g, k), "out", k, a), *mc_graph_out(g, k)->type, NULL };
  return i;
}

/* ---- text ---- */
static void print_io(mc_strbuf *out, const char *kind, const mc_io *io) {
  const mc_type *t = &io->type;
  bool q = t->q.kind == MC_Q_TENSOR;
  mc_sb_printf(out, "%s %s %s %a %d", kind, io->name, mc_dtype_names[t->dtype],
               q ? (double)t->q.scale : 0.0, q ? t->q.zero : 0);
  for (int d = 0; d < t->rank; d++) mc_sb_printf(out, " %lld", (long long)t->dim[d]);
  mc_sb_putc(out, '\n');
  if (io->source) mc_sb_printf(out, "source %s %s\n", io->name, io->source);
}

static void print_isa(mc_strbuf *out, uint64_t isa) {
  for (int k = 0; k < MC_NUM_ISA; k++)
    if (isa >> k & 1) mc_sb_printf(out, " %s", mc_isa_name(k));
}

void mc_info_print(mc_strbuf *out, const mc_info *i) {
  mc_sb_printf(out, "mcc 1 %s\ntarget %s", i->name, mc_arch_name(i->arch));
  print_isa(out, i->isa);
  for (int k = 0; k < i->nlevel; k++) {
    mc_sb_printf(out, "\nlevel %s", i->level[k].name);
    print_isa(out, i->level[k].isa);
  }
  mc_sb_printf(out, "\narena %lld %lld\n", (long long)i->arena_bytes, (long long)i->arena_align);
  mc_sb_printf(out, MC_INFO_STACK "\n", (long long)i->stack_bytes);
  mc_sb_printf(out, "layers %d %d %d\n", i->layers.int8, i->layers.bf16, i->layers.f32);
  if (i->version) mc_sb_printf(out, "version %s\n", i->version);
  mc_sb_printf(out, "model %016llx\nheader %016llx\n", (unsigned long long)i->model,
               (unsigned long long)i->header);
  if (i->threads > 1) mc_sb_printf(out, "threads %d\n", i->threads);
  for (int k = 0; k < i->nin; k++) print_io(out, "in", &i->in[k]);
  for (int k = 0; k < i->nout; k++) print_io(out, "out", &i->out[k]);
}

/* ---- reading ---- */
/* The words of one line; the number of them. */
static int words_of(char *line, char **w, int most) {
  int n = 0;
  for (char *save = NULL, *s = strtok_r(line, " ", &save); s && n < most;
       s = strtok_r(NULL, " ", &save))
    w[n++] = s;
  return n;
}

static bool number(const char *s, long long *v) {
  char *end;
  *v = strtoll(s, &end, 10);
  return *s && !*end;
}

static bool parse_io(mc_io *io, char **w, int n) {
  mc_type *t = &io->type;
  long long v;
  char *end;
  if (n < 5 || n - 5 > MC_MAX_RANK) return false;
  int dt = 0;
  while (mc_dtype_names[dt] && strcmp(mc_dtype_names[dt], w[2]) != 0) dt++;
  if (!mc_dtype_names[dt] || !number(w[4], &v)) return false;
  *t = (mc_type){ .dtype = (mc_dtype)dt, .rank = n - 5 };
  float scale = strtof(w[3], &end);
  if (*end) return false;
  if (scale > 0) t->q = (mc_quant){ .kind = MC_Q_TENSOR, .scale = scale, .zero = (int32_t)v };
  for (int d = 0; d < t->rank; d++) {
    if (!number(w[5 + d], &v) || v < 1) return false;
    t->dim[d] = v;
  }
  io->name = w[1];
  return mc_type_check(t) == NULL;
}

static bool parse_isa(uint64_t *isa, char **w, int n) {
  for (int k = 2; k < n; k++) {
    int id = 0;
    while (id < MC_NUM_ISA && strcmp(mc_isa_name(id), w[k]) != 0) id++;
    if (id == MC_NUM_ISA) return false;
    *isa |= 1ull << id;
  }
  return n >= 2;
}

static bool parse_target(mc_info *i, char **w, int n) {
  if (n < 2) return false;
  i->arch = strcmp(w[1], mc_arch_name(MC_ARCH_aarch64)) == 0 ? MC_ARCH_aarch64 : MC_ARCH_x86_64;
  return strcmp(w[1], mc_arch_name(i->arch)) == 0 && parse_isa(&i->isa, w, n);
}

static bool parse_level(mc_info *i, char **w, int n) {
  mc_level *l = &i->level[i->nlevel++];
  l->name = n > 1 ? w[1] : NULL;
  return parse_isa(&l->isa, w, n);
}

static bool parse_hash(uint64_t *h, char **w, int n) {
  char *end;
  if (n != 2 || strlen(w[1]) != 16) return false;
  *h = strtoull(w[1], &end, 16);
  return !*end;
}

static bool parse_layers(mc_layers *l, char **w, int n) {
  long long v[3];
  if (n != 4) return false;
  for (int k = 0; k < 3; k++)
    if (!number(w[k + 1], &v[k]) || v[k] < 0 || v[k] > INT32_MAX) return false;
  *l = (mc_layers){ (int)v[0], (int)v[1], (int)v[2], 0 };
  return true;
}

/* What a line says beside inputs and outputs; false where it is none of these. */
static bool parse_fact(mc_info *i, char **w, int n) {
  long long bytes;
  if (strcmp(w[0], "model") == 0) return parse_hash(&i->model, w, n);
  if (strcmp(w[0], "header") == 0) return parse_hash(&i->header, w, n);
  if (strcmp(w[0], "layers") == 0) return parse_layers(&i->layers, w, n);
  if (strcmp(w[0], "version") == 0) {
    i->version = n == 2 ? w[1] : NULL;
    return n == 2;
  }
  if (strcmp(w[0], "stack") != 0 || n != 2 || !number(w[1], &bytes) || bytes < 0) return false;
  i->stack_bytes = bytes;
  return true;
}

/* "source NAME TEXT" after the line of the input. */
static bool parse_source(mc_info *i, char *line) {
  char *name = line + strlen("source "), *text = strchr(name, ' ');
  if (!text || !i->nin) return false;
  *text = 0;
  i->in[i->nin - 1].source = text + 1;
  return strcmp(name, i->in[i->nin - 1].name) == 0;
}

static bool parse_line(mc_info *i, char *line, int at) {
  char *w[MC_NUM_ISA + 16];
  long long bytes, align;
  if (strncmp(line, "source ", 7) == 0) return parse_source(i, line);
  int n = words_of(line, w, MC_NUM_ISA + 16);
  if (n == 0) return true;
  if (at == 0) {
    i->name = n == 3 ? w[2] : "";
    return n == 3 && strcmp(w[0], "mcc") == 0 && strcmp(w[1], "1") == 0;
  }
  if (strcmp(w[0], "target") == 0) return parse_target(i, w, n);
  if (strcmp(w[0], "level") == 0) return parse_level(i, w, n);
  if (strcmp(w[0], "in") == 0) return parse_io(&i->in[i->nin++], w, n);
  if (strcmp(w[0], "out") == 0) return parse_io(&i->out[i->nout++], w, n);
  if (strcmp(w[0], "threads") == 0) {
    if (n != 2 || !number(w[1], &bytes) || bytes < 2 || bytes > MC_MAX_THREADS) return false;
    i->threads = (int)bytes;
    return true;
  }
  if (strcmp(w[0], "arena") != 0) return parse_fact(i, w, n);
  if (n != 3 || !number(w[1], &bytes) || !number(w[2], &align) || bytes < 0 || align < 1)
    return false;
  i->arena_bytes = bytes;
  i->arena_align = align;
  return true;
}

bool mc_info_parse(mc_info *out, const char *text, mc_arena *a) {
  char *copy = mc_arena_strdup(a, text);
  int lines = 1, at = 0;
  for (const char *p = copy; *p; p++) lines += *p == '\n';
  *out = (mc_info){ .threads = 1,
                    .in = MC_NEWN(a, mc_io, lines),
                    .out = MC_NEWN(a, mc_io, lines),
                    .level = MC_NEWN(a, mc_level, lines) };
  for (char *save = NULL, *line = strtok_r(copy, "\n", &save); line;
       line = strtok_r(NULL, "\n", &save))
    if (!parse_line(out, line, at++)) return false;
  return at > 0 && out->arena_align > 0;
}
