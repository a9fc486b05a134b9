/* Graphs: inputs, body, results. */
#include "build.h"
#include <string.h>

static void build_inputs(mir_build *b, mc_graph *g, const ast_graph *a) {
  for (size_t i = 0; i < a->params->list.n; i++) {
    const ast_param *p = &a->params->list.v[i];
    const mc_type *t = mir_build_type(b, p->type);
    mc_value *v = t ? mc_graph_add_input(g, NULL, t, mir_loc(&b->p, p->at)) : NULL;
    mir_define(b, p->name, v, g);
    if (!v) continue;
    mir_build_range(b, p->type, v);
    v->source = mir_build_source(b, p->source);
  }
}

static void check_result(mir_build *b, const ast_type *at, const mc_type *t, const mc_value *v,
                         mc_loc ret) {
  if (!v || v->type == t) return;
  mc_strbuf x = { 0 }, y = { 0 };
  mc_type_print(&x, t);
  mc_type_print(&y, v->type);
  mc_error(b->p.diag, mir_loc(&b->p, at->at), "the graph says %s, but returns %s", mc_sb_str(&x),
           mc_sb_str(&y));
  mc_note(b->p.diag, ret, "returned here");
  mc_sb_free(&x);
  mc_sb_free(&y);
}

static void check_results(mir_build *b, const mc_graph *g, const ast_graph *a) {
  size_t n = a->results->list.n;
  const mc_type **t = MC_NEWN(b->p.arena, const mc_type *, n);
  unsigned before = b->p.diag->errors;
  for (size_t i = 0; i < n; i++) t[i] = mir_build_type(b, a->results->list.v[i]);
  if (b->p.diag->errors > before || !g->last || g->last->op != MC_OP_return)
    return; /* a missing return is the verifier's */
  if ((size_t)g->last->nin != n) {
    mc_error(b->p.diag, g->last->loc, "the graph has %zu result%s, but %d %s returned", n,
             n == 1 ? "" : "s", g->last->nin, g->last->nin == 1 ? "is" : "are");
    return;
  }
  for (size_t i = 0; i < n; i++)
    check_result(b, a->results->list.v[i], t[i], g->last->in[i], g->last->loc);
}

void mir_build_graph(mir_build *b, const ast_graph *a) {
  char *name = mir_name(&b->p, a->name, b->m->arena);
  if (!name) return;
  const mc_graph *old = mc_module_graph(b->m, name);
  if (old) {
    mc_error(b->p.diag, mir_loc(&b->p, a->name), "graph @%s is defined twice", name);
    mc_note(b->p.diag, old->loc, "first defined here");
  }
  mc_graph *g = mc_graph_create(b->m, name, mir_loc(&b->p, a->at));
  unsigned before = b->p.diag->errors;
  mc_map_init(&b->values, b->p.arena);
  build_inputs(b, g, a);
  mir_build_body(b, g, a->body);
  if (b->p.diag->errors == before && !b->weights_failed) check_results(b, g, a);
}
