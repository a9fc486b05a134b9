/* Graph to text. Names are made unique on the way, so that passes need not care; nothing depends on
 * addresses. */
#include "mc/ir/print.h"
#include "dense.h"
#include <string.h>

typedef struct printer {
  mc_strbuf *out;
  mc_arena *arena;
  mc_map names;    /* value -> its text without the sign */
  mc_map taken;    /* texts in use in this graph, regions included */
  unsigned number; /* next for a value without a name */
} printer;

/* ---- names: one space per top-level graph ---- */

static void each_value(printer *p, const mc_graph *g, void (*f)(printer *, const mc_value *)) {
  for (int i = 0; i < g->nin; i++) f(p, g->in[i]);
  for (const mc_node *n = g->first; n; n = n->next) {
    if (n->region) each_value(p, n->region, f);
    for (int i = 0; i < n->nout; i++) f(p, n->out[i]);
  }
}

static void give(printer *p, const mc_value *v, const char *name) {
  *mc_map_str_slot(&p->taken, name) = p;
  *mc_map_ptr_slot(&p->names, v) = mc_arena_strdup(p->arena, name);
}

/* Numbers are for values without a name: a name of digits alone (importers meet them) is none. */
static bool has_name(const mc_value *v) {
  return v->name && v->name[strspn(v->name, "0123456789")];
}

static void give_own(printer *p, const mc_value *v) {
  if (has_name(v) && !mc_map_str_get(&p->taken, v->name)) give(p, v, v->name);
}

/* A name that an earlier value has: name.1, name.2, ... */
static void give_suffixed(printer *p, const mc_value *v) {
  if (!has_name(v) || mc_map_ptr_get(&p->names, v)) return;
  const char *s = v->name;
  for (int i = 1; mc_map_str_get(&p->taken, s); i++)
    s = mc_arena_printf(p->arena, "%s.%d", v->name, i);
  give(p, v, s);
}

static void give_number(printer *p, const mc_value *v) {
  if (mc_map_ptr_get(&p->names, v)) return;
  const char *s;
  do s = mc_arena_printf(p->arena, "%u", p->number++);
  while (mc_map_str_get(&p->taken, s));
  give(p, v, s);
}

static void name_values(printer *p, const mc_graph *g) {
  mc_map_init(&p->names, p->arena);
  mc_map_init(&p->taken, p->arena);
  each_value(p, g, give_own);
  each_value(p, g, give_suffixed);
  each_value(p, g, give_number);
}

/* ---- pieces ---- */

static void print_value(printer *p, const mc_value *v) {
  const char *name = v ? mc_map_ptr_get(&p->names, v) : NULL;
  if (!name)
    mc_sb_puts(p->out, v ? "%<elsewhere>" : "%<none>"); /* broken graphs must print too */
  else
    mc_name_print(p->out, '%', name);
}

static void print_type(printer *p, const mc_type *t) {
  if (t)
    mc_type_print(p->out, t);
  else
    mc_sb_puts(p->out, "<no type>");
}

static void print_range(mc_strbuf *out, const mc_range *r) {
  if (!r->known) return;
  mc_sb_puts(out, " range(");
  mc_sb_float(out, r->lo);
  mc_sb_puts(out, ", ");
  mc_sb_float(out, r->hi);
  mc_sb_putc(out, ')');
}

static void print_loc(mc_strbuf *out, const char *source) {
  if (!source) return;
  mc_sb_puts(out, " loc(");
  mc_sb_quoted(out, source);
  mc_sb_putc(out, ')');
}

static void print_operands(printer *p, const mc_node *n) {
  for (int i = 0; i < n->nin; i++) {
    mc_sb_puts(p->out, i ? ", " : " ");
    print_value(p, n->in[i]);
  }
}

static const char *tensor_name(const struct mc_tensor *t) { return t->name; }

/* Constants have their tensor first; the other ops' attributes are a list in braces. */
static void print_attrs(printer *p, const mc_node *n) {
  const mc_tensor *t = n->op == MC_OP_weight  ? MC_ATTRS(n, weight)->name
                       : n->op == MC_OP_const ? MC_ATTRS(n, const)->value
                                              : NULL;
  if (n->op == MC_OP_weight || n->op == MC_OP_const) {
    mc_sb_putc(p->out, ' ');
    if (!t)
      mc_sb_puts(p->out, "<none>");
    else if (n->op == MC_OP_weight)
      mc_name_print(p->out, '@', t->name);
    else
      mc_dense_print(p->out, t);
    return;
  }
  mc_strbuf b = { 0 };
  if (mc_field_print(&b, mc_ops[n->op].attrs, n->attrs, 0, tensor_name) > 0)
    mc_sb_printf(p->out, " {%s}", mc_sb_str(&b));
  mc_sb_free(&b);
}

static void print_nodes(printer *p, const mc_graph *g, int indent);

/* indent < 0: on one line, regions left out. */
static void print_node(printer *p, const mc_node *n, int indent) {
  for (int i = 0; i < n->nout; i++) {
    if (i) mc_sb_puts(p->out, ", ");
    print_value(p, n->out[i]);
  }
  if (n->nout) mc_sb_puts(p->out, " = ");
  mc_sb_puts(p->out, mc_ops[n->op].text);
  print_operands(p, n);
  print_attrs(p, n);
  if (n->region && indent < 0) mc_sb_puts(p->out, " { ... }");
  if (n->region && indent >= 0) {
    mc_sb_puts(p->out, " {\n");
    print_nodes(p, n->region, indent + 2);
    for (int i = 0; i < indent; i++) mc_sb_putc(p->out, ' ');
    mc_sb_putc(p->out, '}');
  }
  for (int i = 0; i < n->nout; i++) {
    mc_sb_puts(p->out, i ? ", " : " : ");
    print_type(p, n->out[i]->type);
    print_range(p->out, &n->out[i]->range);
  }
  print_loc(p->out, n->source);
}

static void print_nodes(printer *p, const mc_graph *g, int indent) {
  for (const mc_node *n = g->first; n; n = n->next) {
    for (int i = 0; i < indent; i++) mc_sb_putc(p->out, ' ');
    print_node(p, n, indent);
    mc_sb_putc(p->out, '\n');
  }
}

/* ---- graphs ---- */

static void print_signature(printer *p, const mc_graph *g) {
  mc_sb_puts(p->out, "graph ");
  mc_name_print(p->out, '@', g->name ? g->name : "");
  mc_sb_putc(p->out, '(');
  for (int i = 0; i < g->nin; i++) {
    const mc_value *v = g->in[i];
    if (i) mc_sb_puts(p->out, ", ");
    print_value(p, v);
    mc_sb_puts(p->out, ": ");
    print_type(p, v->type);
    print_range(p->out, &v->range);
    print_loc(p->out, v->source);
  }
  mc_sb_puts(p->out, ") -> ");
  for (int i = 0; i < mc_graph_nout(g); i++) {
    const mc_value *v = mc_graph_out(g, i);
    if (i) mc_sb_puts(p->out, ", ");
    print_type(p, v ? v->type : NULL);
  }
  mc_sb_puts(p->out, " {\n");
}

void mc_print_graph(mc_strbuf *out, const mc_graph *g) {
  printer p = { .out = out, .arena = mc_arena_create() };
  name_values(&p, g);
  print_signature(&p, g);
  print_nodes(&p, g, 2);
  mc_sb_puts(out, "}\n");
  mc_arena_destroy(p.arena);
}

void mc_print_node(mc_strbuf *out, const mc_node *n) {
  printer p = { .out = out, .arena = mc_arena_create() };
  const mc_graph *g = n->graph;
  while (g && g->parent) g = g->parent->graph;
  mc_map_init(&p.names, p.arena);
  if (g) name_values(&p, g);
  print_node(&p, n, -1);
  mc_arena_destroy(p.arena);
}

/* ---- modules ---- */

static void mark_type(mc_map *used, const mc_type *t) {
  if (t && t->q.kind == MC_Q_AXIS && t->q.scales) *mc_map_ptr_slot(used, t->q.scales) = used;
}

static void mark_attrs(mc_map *used, const mc_node *n) {
  for (const mc_field *f = mc_ops[n->op].attrs; f->name; f++) {
    if (f->kind != MC_F_TENSOR) continue;
    const mc_tensor *t = *(mc_tensor *const *)(const void *)((const char *)n->attrs + f->offset);
    if (t && t->name) *mc_map_ptr_slot(used, t) = used;
  }
}

static void mark_graph(mc_map *used, const mc_graph *g) {
  for (int i = 0; i < g->nin; i++) mark_type(used, g->in[i]->type);
  for (const mc_node *n = g->first; n; n = n->next) {
    mark_attrs(used, n);
    for (int i = 0; i < n->nout; i++) mark_type(used, n->out[i]->type);
    if (n->region) mark_graph(used, n->region);
  }
}

enum { LINE = 120 };

static void print_bytes(mc_strbuf *out, const mc_tensor *t) {
  mc_strbuf b = { 0 };
  mc_base64_encode(&b, t->data, t->size);
  for (size_t i = 0; i < b.n; i += LINE) {
    size_t n = b.n - i < LINE ? b.n - i : LINE;
    if (b.n > LINE)
      mc_sb_puts(out, "\n    ");
    else
      mc_sb_putc(out, ' ');
    mc_sb_putc(out, '"');
    mc_sb_write(out, b.s + i, n);
    mc_sb_putc(out, '"');
  }
  mc_sb_free(&b);
}

static bool is_reference(const mc_module *m, const mc_tensor *t) {
  return t->file && m->weights_file && !strcmp(t->file, m->weights_file);
}

void mc_module_used_tensors(const mc_module *m, mc_map *used) {
  for (const mc_graph *g = m->graphs; g; g = g->next) mark_graph(used, g);
}

/* Tensors that the text uses and no file holds, in order of creation. */
static void print_data(mc_strbuf *out, const mc_module *m) {
  mc_arena *a = mc_arena_create();
  mc_map used;
  mc_map_init(&used, a);
  mc_module_used_tensors(m, &used);
  bool any = false;
  for (size_t i = 0; i < m->tensors.n; i++) {
    const mc_tensor *t = m->tensors.entries[i].val;
    if (!t || is_reference(m, t) || !mc_map_ptr_get(&used, t)) continue;
    mc_sb_puts(out, any ? "  " : "\ndata {\n  ");
    any = true;
    mc_type type = { .dtype = t->dtype, .rank = t->rank };
    memcpy(type.dim, t->dim, sizeof t->dim);
    mc_name_print(out, '@', t->name);
    mc_sb_puts(out, " : ");
    mc_type_print(out, &type);
    mc_sb_puts(out, " =");
    print_bytes(out, t);
    mc_sb_putc(out, '\n');
  }
  if (any) mc_sb_puts(out, "}\n");
  mc_arena_destroy(a);
}

static void print_head_line(mc_strbuf *out, const char *word, const char *text) {
  if (!text) return;
  mc_sb_printf(out, "%s ", word);
  mc_sb_quoted(out, text);
  mc_sb_putc(out, '\n');
}

void mc_print_module(mc_strbuf *out, const mc_module *m, const mc_print_opts *opts) {
  const char *file = opts ? opts->weights_file : NULL;
  mc_sb_puts(out, "mir 1\n");
  print_head_line(out, "weights", file ? file : m->weights_file);
  print_head_line(out, "calibration", m->calibration);
  for (const mc_graph *g = m->graphs; g; g = g->next) {
    mc_sb_putc(out, '\n');
    mc_print_graph(out, g);
  }
  if (!file && !(opts && opts->no_data)) print_data(out, m);
}
