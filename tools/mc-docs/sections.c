#include "sections.h"
#include "fill.h"
#include "mc/decide/engine.h"
#include "mc/driver/driver.h"
#include "mc/ir/family.h"
#include "mc/ir/op.h"
#include "mc/ir/types.h"
#include "mc/pass/pass.h"
#include "mc/target/tuning.h"
#include <string.h>

/* A cell of a table: '|' would end it. */
static void cell(mc_strbuf *out, const char *s) {
  mc_sb_puts(out, " ");
  for (; *s; s++) mc_sb_printf(out, *s == '|' ? "\\%c" : "%c", *s);
  mc_sb_puts(out, " |");
}

static void code_cell(mc_strbuf *out, const char *s) {
  mc_sb_puts(out, " `");
  for (; *s; s++) mc_sb_printf(out, *s == '|' ? "\\%c" : "%c", *s);
  mc_sb_puts(out, "` |");
}

/* Appends what was collected in `text` as a paragraph, and frees it. */
static void paragraph(mc_strbuf *out, mc_strbuf *text) {
  docs_fill(out, mc_sb_str(text));
  mc_sb_free(text);
}

/* ---- fields: attributes and options ---- */

static const char *kind_text(const mc_field *f) {
  switch (f->kind) {
  case MC_F_I64: return "integer";
  case MC_F_F32:
  case MC_F_F64: return "number";
  case MC_F_BOOL: return "true, false";
  case MC_F_STR: return "text";
  case MC_F_INTS: return "integers";
  case MC_F_TENSOR: return "tensor";
  case MC_F_DTYPE: return "element type";
  case MC_F_ENUM:
  case MC_F_QUOTED: return "";
  }
  return "";
}

static void field_kind(mc_strbuf *out, const mc_field *f) {
  mc_strbuf b = { 0 };
  if (f->count > 1)
    mc_sb_printf(&b, "%d %ss", f->count, kind_text(f));
  else
    mc_sb_puts(&b, kind_text(f));
  for (int i = 0; f->kind == MC_F_ENUM && f->names[i]; i++)
    mc_sb_printf(&b, "%s%s", i ? ", " : "", f->names[i]);
  if (f->kind == MC_F_QUOTED) mc_sb_puts(&b, "a word in quotes, from its table");
  cell(out, mc_sb_str(&b));
  mc_sb_free(&b);
}

static void fields(mc_strbuf *out, const char *what, const mc_field *f) {
  if (!f->name) return;
  mc_sb_printf(out, "\n| %s | | default | |\n|---|---|---|---|\n", what);
  for (; f->name; f++) {
    mc_sb_puts(out, "|");
    code_cell(out, f->name);
    field_kind(out, f);
    if (!f->dflt)
      cell(out, "must be given");
    else if (!*f->dflt || !strcmp(f->dflt, "\"\""))
      cell(out, "empty");
    else
      code_cell(out, f->dflt);
    cell(out, f->doc);
    mc_sb_putc(out, '\n');
  }
}

/* ---- element types, words ---- */

static void print_dtypes(mc_strbuf *out) {
  mc_sb_puts(out, "| word | bytes | in safetensors | in npy |\n|---|---|---|---|\n");
  for (int i = 0; i < MC_NUM_DTYPES; i++) {
    mc_dtype t = (mc_dtype)i;
    const char *np = mc_dtype_np_descr(t);
    mc_sb_printf(out, "| `%s` | %zu | `%s` |", mc_dtype_names[i], mc_dtype_size(t),
                 mc_dtype_st_name(t));
    if (np)
      code_cell(out, np);
    else
      cell(out, "-");
    mc_sb_putc(out, '\n');
  }
}

typedef struct word {
  const char *list, *word, *doc;
} word; /* word NULL: the list's own line */

static const word words[] = {
#define MC_ENUM(id, doc) { #id, NULL, doc },
#define MC_CASE(id, c, word, doc) { #id, word, doc },
#include "mc/ir/enums.def"
};

static void enum_head(mc_strbuf *out, const word *w, bool first) {
  mc_strbuf b = { 0 };
  mc_sb_printf(&b, "**%s**: %s", w->list, w->doc);
  if (!first) mc_sb_putc(out, '\n');
  paragraph(out, &b);
  mc_sb_puts(out, "\n| | |\n|---|---|\n");
}

static void print_enums(mc_strbuf *out) {
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    const word *w = &words[i];
    if (!w->word)
      enum_head(out, w, i == 0);
    else {
      mc_sb_puts(out, "|");
      code_cell(out, w->word);
      cell(out, w->doc);
      mc_sb_putc(out, '\n');
    }
  }
}

/* ---- kernel families ---- */

static const char *const family_traits[] = { "parts", "lines", "Winograd", "ready", "no code" };

static void print_families(mc_strbuf *out) {
  mc_sb_puts(out, "| kernel | computes | properties | unit of columns |\n|---|---|---|---|\n");
  for (int f = MC_FAMILY_none + 1; f < MC_NUM_FAMILIES; f++) {
    const mc_family_info *i = &mc_families[f];
    mc_sb_puts(out, "|");
    code_cell(out, i->text);
    cell(out, i->doc);
    const char *sep = " ";
    for (size_t k = 0; k < sizeof family_traits / sizeof *family_traits; k++)
      if (i->traits >> k & 1) mc_sb_printf(out, "%s%s", sep, family_traits[k]), sep = ", ";
    mc_sb_puts(out, " |");
    if (i->columns)
      mc_sb_printf(out, " %d |\n", i->columns);
    else
      mc_sb_puts(out, " |\n");
  }
}

static void print_forms(mc_strbuf *out) {
  mc_sb_puts(out, "| form | of kernel | how |\n|---|---|---|\n");
  for (int f = 0; f < MC_NUM_KERNEL_FORMS; f++) {
    const mc_kernel_form_info *i = &mc_kernel_forms[f];
    if (!*i->text) continue;
    mc_sb_puts(out, "|");
    code_cell(out, i->text);
    code_cell(out, mc_families[i->family].text);
    cell(out, i->doc);
    mc_sb_putc(out, '\n');
  }
}

/* ---- figures of the cost model ---- */

/* A path of the repository, or a command: nothing where there is none. */
static void source_cell(mc_strbuf *out, const char *s) {
  if (*s)
    code_cell(out, s);
  else
    cell(out, "");
}

static void print_figures(mc_strbuf *out) {
  for (int i = 0; i < mc_figure_count(); i++) {
    const mc_figure *f = mc_figure_at(i);
    if (f->subject) {
      mc_sb_printf(out, "%s**%s**\n\n", i ? "\n" : "", f->subject);
      mc_sb_puts(out, "| figure | value | | what, and who asks | source | should fit |\n");
      mc_sb_puts(out, "|---|---|---|---|---|---|\n");
      continue;
    }
    mc_sb_printf(out, "| `%s` | %g | %s |", f->name, f->value, f->unit);
    cell(out, f->doc);
    source_cell(out, f->source);
    source_cell(out, f->refit);
    mc_sb_putc(out, '\n');
  }
}

/* ---- engines ---- */

static void isa_words(mc_strbuf *b, uint64_t isa) {
  const char *sep = "";
  for (int i = 0; i < MC_NUM_ISA; i++)
    if (isa >> i & 1) mc_sb_printf(b, "%s%s", sep, mc_isa_name(i)), sep = ", ";
}

/* "aarch64: i8mm", "any, not avx512" */
static void engine_needs(mc_strbuf *out, const mc_engine *e) {
  mc_strbuf b = { 0 };
  mc_sb_puts(&b, e->arch);
  if (e->isa) mc_sb_puts(&b, ": "), isa_words(&b, e->isa);
  if (e->slow) mc_sb_puts(&b, "; not "), isa_words(&b, e->slow);
  cell(out, mc_sb_str(&b));
  mc_sb_free(&b);
}

static void print_engines(mc_strbuf *out) {
  mc_arena *a = mc_arena_create();
  const mc_engine *e;
  mc_sb_puts(out, "| engine | kind | needs | columns | rows | depth | steps | A | properties | how "
                  "|\n|---|---|---|---|---|---|---|---|---|---|\n");
  for (int i = 0; (e = mc_engine_at(i)) != NULL; i++) {
    mc_sb_puts(out, "|");
    code_cell(out, e->name);
    cell(out, mc_engine_kind_text(e));
    engine_needs(out, e);
    if (e->lanes)
      mc_sb_printf(out, " %d |", e->lanes);
    else
      mc_sb_puts(out, " vector |");
    mc_sb_printf(out, " %d | %d | %d |", e->rows, e->kr, e->ku);
    cell(out, mc_engine_a_text(e));
    cell(out, mc_engine_traits_text(e, a));
    cell(out, e->doc);
    mc_sb_putc(out, '\n');
  }
  mc_arena_destroy(a);
}

/* ---- ops ---- */

static const char *const trait_docs[] = {
  "elementwise",
  "one operand",
  "two operands, which broadcast",
  "sums products: quantized operands give an i32 accumulator",
  "moves elements: the result has the operand's element type",
  "reduces axes",
  "quantized form on u8 and i8, with a chosen scale",
  "no operands",
  "known at compile time",
  "ends a graph",
  "element type chosen in the text",
  "holds a region",
  "also on plain i64 and i32",
  "the quantized form is an exact product of integers"
};

static void op_head(mc_strbuf *out, const mc_op_info *o) {
  mc_sb_printf(out, "### %s\n\n", o->text);
  mc_strbuf b = { 0 };
  mc_sb_printf(&b, "%s.", o->summary);
  const char *sep = " *";
  for (size_t i = 0; i < sizeof trait_docs / sizeof *trait_docs; i++)
    if (o->traits >> i & 1) mc_sb_printf(&b, "%s%s", sep, trait_docs[i]), sep = "; ";
  if (o->traits) mc_sb_puts(&b, ".*");
  paragraph(out, &b);
}

static void op_operands(mc_strbuf *out, const mc_op_info *o) {
  if (!o->ins->name && !*o->out_doc) return;
  mc_sb_puts(out, "\n| | |\n|---|---|\n");
  int i = 0;
  for (const mc_op_doc *in = o->ins; in->name; in++, i++) {
    const char *note = o->in_max < 0 && !in[1].name ? ", ..." : i >= o->in_min ? " (optional)" : "";
    mc_sb_printf(out, "| `%s`%s |", in->name, note);
    cell(out, in->doc);
    mc_sb_putc(out, '\n');
  }
  if (*o->out_doc) mc_sb_puts(out, "| result |"), cell(out, o->out_doc), mc_sb_putc(out, '\n');
}

static void print_ops(mc_strbuf *out) {
  mc_strbuf list = { 0 };
  for (int i = 0; i < MC_NUM_OPS; i++)
    mc_sb_printf(&list, "%s[%s](#%s)", i ? " " : "", mc_ops[i].text, mc_ops[i].text);
  paragraph(out, &list);
  for (int i = 0; i < MC_NUM_OPS; i++) {
    mc_sb_putc(out, '\n');
    op_head(out, &mc_ops[i]);
    op_operands(out, &mc_ops[i]);
    fields(out, "attribute", mc_ops[i].attrs);
  }
}

/* ---- passes ---- */

static void counters(mc_strbuf *out, const mc_pass_info *p) {
  if (!p->nstats) return;
  mc_strbuf b = { 0 };
  mc_sb_puts(&b, "Counters:");
  for (int k = 0; k < p->nstats; k++)
    mc_sb_printf(&b, "%s %s (%s)", k ? "," : "", p->stats[k].name, p->stats[k].doc);
  mc_sb_putc(&b, '.');
  mc_sb_putc(out, '\n');
  paragraph(out, &b);
}

static void print_passes(mc_strbuf *out) {
  const mc_registry *r = mc_driver_registry();
  for (int i = 0; i < r->npass; i++) {
    const mc_pass_info *p = &r->pass[i];
    const char *contract = p->contract == MC_EXACT    ? "EXACT"
                           : p->contract == MC_ROUNDS ? "ROUNDS"
                                                      : "LOSSY";
    mc_strbuf head = { 0 };
    mc_sb_printf(&head, "%s. Contract: %s.", p->summary, contract);
    mc_sb_printf(out, "%s### %s\n\n", i ? "\n" : "", p->text);
    paragraph(out, &head);
    fields(out, "option", p->opts);
    counters(out, p);
  }
}

static void print_aliases(mc_strbuf *out) {
  const mc_registry *r = mc_driver_registry();
  mc_sb_puts(out, "| name | stands for | |\n|---|---|---|\n");
  for (int i = 0; i < r->nalias; i++) {
    mc_sb_puts(out, "|");
    code_cell(out, r->alias[i].name);
    code_cell(out, r->alias[i].pipeline);
    cell(out, r->alias[i].doc);
    mc_sb_putc(out, '\n');
  }
}

const doc_section doc_sections[] = { { "dtypes", print_dtypes },     { "engines", print_engines },
                                     { "enums", print_enums },       { "families", print_families },
                                     { "forms", print_forms },       { "figures", print_figures },
                                     { "ops", print_ops },           { "passes", print_passes },
                                     { "pipelines", print_aliases }, { NULL, NULL } };
