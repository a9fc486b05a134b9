/* Statements: names, operands, attributes, regions, and the result types held against inference. */
#include "build.h"
#include "mc/support/suggest.h"
#include <string.h>

/* ---- values ---- */

static bool is_number(const char *name) { return strspn(name, "0123456789") == strlen(name); }

void mir_define(mir_build *b, mir_span at, mc_value *v, mc_graph *scope) {
  char *name = mir_name(&b->p, at, b->m->arena);
  if (!name) return;
  mir_symbol **slot = (mir_symbol **)mc_map_str_slot(&b->values, name);
  if (*slot) {
    mc_error(b->p.diag, mir_loc(&b->p, at), "%%%s is defined twice", name);
    mc_note(b->p.diag, mir_loc(&b->p, (*slot)->at), "first defined here");
    return;
  }
  *slot = MC_NEW(b->p.arena, mir_symbol);
  **slot = (mir_symbol){ v, scope, at };
  if (!v) return;
  if (!is_number(name)) v->name = name; /* numbers are the printer's, and it counts anew */
  v->loc = mir_loc(&b->p, at);
}

static bool visible(const mc_graph *g, const mc_graph *scope) {
  while (g && g != scope) g = g->parent ? g->parent->graph : NULL;
  return g != NULL;
}

/* False after reporting; true with *v == NULL for a value whose own statement was wrong. */
static bool find_value(mir_build *b, mir_span at, const mc_graph *g, mc_value **v) {
  char *name = mir_name(&b->p, at, b->p.arena);
  if (!name) return false;
  const mir_symbol *s = mc_map_str_get(&b->values, name);
  if (!s) {
    const char *near = NULL;
    for (size_t i = 0; i < b->values.n; i++)
      near = mc_suggest_better(name, near, b->values.entries[i].key);
    if (near && !is_number(name))
      return mc_error(b->p.diag, mir_loc(&b->p, at), "undefined value %%%s, did you mean %%%s?",
                      name, near);
    mc_error(b->p.diag, mir_loc(&b->p, at), "undefined value %%%s", name);
    mc_note(b->p.diag, mir_loc(&b->p, at), "a value is defined before it is used");
    return false;
  }
  if (!visible(g, s->scope)) {
    mc_error(b->p.diag, mir_loc(&b->p, at), "%%%s is not visible here", name);
    mc_note(b->p.diag, mir_loc(&b->p, s->at),
            "it is defined inside this group; a group gives its results with 'return'");
    return false;
  }
  *v = s->value;
  return true;
}

/* ---- operands ---- */

typedef struct stmt_parts {
  mc_value **in;
  int nin;
  const ast_operand *tensor, *dense;
  bool ok;
} stmt_parts;

static void one_operand(mir_build *b, const ast_operand *o, const mc_graph *g, stmt_parts *s) {
  if (o->dense)
    s->dense = o;
  else if (b->p.src->text[o->at.begin] == '@')
    s->tensor = o;
  else if (!find_value(b, o->at, g, &s->in[s->nin++]) || !s->in[s->nin - 1])
    s->ok = false;
}

static stmt_parts operands(mir_build *b, const ast_stmt *a, const mc_graph *g) {
  stmt_parts s = { .ok = true };
  s.in = MC_NEWN(b->p.arena, mc_value *, a->operands->list.n);
  for (size_t i = 0; i < a->operands->list.n; i++) one_operand(b, &a->operands->list.v[i], g, &s);
  return s;
}

/* weight @name and const dense<...> take what no other op takes. */
static bool check_literal(mir_build *b, const ast_stmt *a, const stmt_parts *s, mc_opcode op) {
  mc_diag *d = b->p.diag;
  const char *name = mc_ops[op].text;
  if (s->tensor && op != MC_OP_weight)
    return mc_error(d, mir_loc(&b->p, s->tensor->at),
                    "'%s' takes values (%%name); a 'weight' makes one from a tensor", name);
  if (s->dense && op != MC_OP_const)
    return mc_error(d, mir_loc(&b->p, s->dense->at),
                    "'%s' takes values (%%name); a 'const' makes one from numbers", name);
  bool leaf = op == MC_OP_weight || op == MC_OP_const;
  if (!leaf || (a->operands->list.n == 1 && (op == MC_OP_weight ? s->tensor : s->dense)))
    return true;
  return mc_error(d, mir_loc(&b->p, a->op),
                  op == MC_OP_weight ? "'weight' takes one tensor (@name)"
                                     : "'const' takes one dense<...>");
}

/* ---- attributes ---- */

static bool unknown_attr(mir_build *b, mir_span at, const char *name, mc_opcode op) {
  const char *near = NULL;
  mc_strbuf all = { 0 };
  const mc_field *f = mc_ops[op].attrs;
  for (; f->name; f++) {
    if (f->kind == MC_F_TENSOR) continue;
    near = mc_suggest_better(name, near, f->name);
    mc_sb_printf(&all, "%s%s", all.n ? ", " : "", f->name);
  }
  if (near)
    mc_error(b->p.diag, mir_loc(&b->p, at), "'%s' has no attribute '%s', did you mean '%s'?",
             mc_ops[op].text, name, near);
  else
    mc_error(b->p.diag, mir_loc(&b->p, at), "'%s' has no attribute '%s'", mc_ops[op].text, name);
  mc_note(b->p.diag, mir_loc(&b->p, at), all.n ? "it has %s" : "it has none%s", mc_sb_str(&all));
  mc_sb_free(&all);
  return false;
}

static bool set_attr(mir_build *b, const ast_attr *a, mc_node *n, bool *given) {
  const mc_field *fields = mc_ops[n->op].attrs;
  const char *name = mir_span_text(&b->p, a->name, b->p.arena);
  const mc_field *f = mc_field_find(fields, name);
  if (!f || f->kind == MC_F_TENSOR) return unknown_attr(b, a->name, name, n->op);
  if (given[f - fields])
    return mc_error(b->p.diag, mir_loc(&b->p, a->name), "attribute '%s' is given twice", name);
  given[f - fields] = true;
  return mc_field_set(f, n->attrs, &a->value, b->m->arena, b->p.diag, NULL, NULL);
}

static bool set_attrs(mir_build *b, const ast_stmt *a, mc_node *n) {
  const mc_field *fields = mc_ops[n->op].attrs;
  size_t count = 0;
  while (fields[count].name) count++;
  bool *given = MC_NEWN(b->p.arena, bool, count), ok = true;
  for (size_t i = 0; i < a->attrs->list.n; i++)
    ok = set_attr(b, &a->attrs->list.v[i], n, given) && ok;
  for (size_t i = 0; i < count; i++)
    if (!fields[i].dflt && !given[i] && fields[i].kind != MC_F_TENSOR)
      ok = mc_error(b->p.diag, mir_loc(&b->p, a->op), "'%s' needs the attribute '%s' (%s)",
                    mc_ops[n->op].text, fields[i].name, fields[i].doc);
  return ok;
}

static bool set_literal(mir_build *b, const stmt_parts *s, mc_node *n, const mc_type *want) {
  if (n->op == MC_OP_weight)
    return (MC_ATTRS(n, weight)->name = mir_find_tensor(b, s->tensor->at)) != NULL;
  if (n->op == MC_OP_const)
    return (MC_ATTRS(n, const)->value =
                s->dense->dense->bad ? NULL : mir_dense_tensor(b, s->dense->dense, want)) != NULL;
  return true;
}

/* ---- results ---- */

static bool find_op(mir_build *b, mir_span at, mc_opcode *op) {
  const char *s = mir_span_text(&b->p, at, b->p.arena), *near = NULL;
  if (mc_op_from_text(s, op)) return true;
  for (int i = 0; i < MC_NUM_OPS; i++) near = mc_suggest_better(s, near, mc_ops[i].text);
  if (near)
    return mc_error(b->p.diag, mir_loc(&b->p, at), "unknown op '%s', did you mean '%s'?", s, near);
  return mc_error(b->p.diag, mir_loc(&b->p, at), "unknown op '%s'", s);
}

static bool check_counts(mir_build *b, const ast_stmt *a, mc_opcode op) {
  size_t names = a->results->list.n, types = a->types->list.n;
  mc_loc at = mir_loc(&b->p, a->op);
  int outs = mc_ops[op].outs;
  if (outs >= 0 && names != (size_t)outs)
    return mc_error(b->p.diag, at, "'%s' has %d result%s, but %zu %s named", mc_ops[op].text, outs,
                    outs == 1 ? "" : "s", names, names == 1 ? "is" : "are");
  if (names == types) return true;
  return mc_error(b->p.diag, at, "%zu result%s named, but %zu type%s given", names,
                  names == 1 ? " is" : "s are", types, types == 1 ? " is" : "s are");
}

/* The declared types; NULL after reporting. */
static const mc_type **declared(mir_build *b, const ast_stmt *a) {
  size_t n = a->types->list.n;
  const mc_type **t = MC_NEWN(b->p.arena, const mc_type *, n);
  bool ok = true;
  for (size_t i = 0; i < n; i++) ok = (t[i] = mir_build_type(b, a->types->list.v[i])) && ok;
  return ok ? t : NULL;
}

static bool same_type(mir_build *b, const ast_type *at, const mc_type *declared_type,
                      const mc_type *inferred) {
  if (inferred == declared_type) return true;
  mc_strbuf x = { 0 }, y = { 0 };
  mc_type_print(&x, inferred);
  mc_type_print(&y, declared_type);
  mc_error(b->p.diag, mir_loc(&b->p, at->at), "inferred %s, but the text says %s", mc_sb_str(&x),
           mc_sb_str(&y));
  mc_sb_free(&x);
  mc_sb_free(&y);
  return false;
}

static bool infer(mir_build *b, const ast_stmt *a, mc_node *n, const mc_type *const *want) {
  mc_type *out = MC_NEWN(b->p.arena, mc_type, n->nout ? n->nout : 1);
  if (!mc_infer_node(b->m, n, n->nout ? want[0] : NULL, out, b->p.diag)) return false;
  for (int i = 0; i < n->nout; i++)
    if (!same_type(b, a->types->list.v[i], want[i], mc_type_intern(b->m, &out[i]))) return false;
  return true;
}

static bool build_region(mir_build *b, const ast_stmt *a, mc_node *n) {
  bool wants = mc_op_has(n->op, MC_T_REGION);
  if (!a->region)
    return !wants || mc_error(b->p.diag, mir_loc(&b->p, a->op), "'%s' needs a region { ... }",
                              mc_ops[n->op].text);
  if (!wants)
    return mc_error(b->p.diag, mir_loc(&b->p, a->region->at), "'%s' has no region",
                    mc_ops[n->op].text);
  unsigned before = b->p.diag->errors;
  mc_graph *r = mc_region_create(n);
  r->loc = mir_loc(&b->p, a->region->at);
  mir_build_body(b, r, a->region);
  return b->p.diag->errors == before;
}

/* Everything of the node but its results' names; false after reporting, or when an operand was
 * wrong. */
static mc_node *build_node(mir_build *b, mc_graph *g, const ast_stmt *a,
                           const mc_type *const *types, stmt_parts s, mc_opcode op) {
  mc_node *n = mc_node_create(b->m, op, s.ok ? s.in : NULL, s.ok ? s.nin : 0,
                              (int)a->results->list.n, mir_loc(&b->p, a->at));
  n->source = mir_build_source(b, a->source);
  for (int i = 0; i < n->nout; i++) {
    n->out[i]->type = types[i];
    mir_build_range(b, a->types->list.v[i], n->out[i]);
  }
  bool ok = set_attrs(b, a, n) && set_literal(b, &s, n, n->nout ? types[0] : NULL);
  mc_node_insert(g, NULL, n);
  ok = build_region(b, a, n) && ok;
  return ok && s.ok && infer(b, a, n, types) ? n : NULL;
}

/* The results are entered even when the statement is wrong: with the declared types where these
 * could be read, so that what follows is still checked. */
static void build_stmt(mir_build *b, mc_graph *g, const ast_stmt *a) {
  mc_opcode op = MC_OP_return;
  const mc_type **types = declared(b, a);
  stmt_parts s = operands(b, a, g);
  mc_node *n = NULL;
  bool known = find_op(b, a->op, &op);
  bool ok = known && check_counts(b, a, op) && check_literal(b, a, &s, op);
  if (ok && types)
    n = build_node(b, g, a, types, s, op);
  else if (known && a->region && mc_op_has(op, MC_T_REGION))
    mir_build_body(b, mc_graph_create(b->m, NULL, mir_loc(&b->p, a->at)), a->region);
  for (size_t i = 0; i < a->results->list.n; i++)
    mir_define(b, a->results->list.v[i], n ? n->out[i] : NULL, g);
}

void mir_build_body(mir_build *b, mc_graph *g, const ast_body *body) {
  for (size_t i = 0; i < body->list.n; i++) {
    const ast_stmt *a = body->list.v[i];
    if (b->p.diag->errors - b->p.errors_before >= MIR_MAX_ERRORS) return;
    build_stmt(b, g, a);
  }
}
