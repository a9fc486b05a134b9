/* Inner values of two graphs of one origin, matched by the names that passes keep: %names, else
 * loc("...") of the imported model (its last value counts). */
#include "run.h"
#include <stdlib.h>
#include <string.h>

typedef struct row {
  const char *key;
  const mc_type *ta, *tb;
  void *a;
  bool have_a, seen_b;
  diff d;
} row;

struct layers {
  tool *t;
  mc_network *net[2];
  mc_map rows;     /* key -> row, in the order of the first graph */
  mc_map last;     /* per graph walk: key -> the value that stands for it */
  mc_map value[2]; /* mc_value -> row: only these are looked at */
  tolerance tol;
  int64_t sample;
};

static const char *key_of(const mc_value *v) {
  return v->name ? v->name : v->def ? v->def->source : v->source;
}

static void collect(layers *l, int side, const mc_graph *g, mc_map *last) {
  for (int i = 0; i < g->nin; i++)
    if (key_of(g->in[i])) *mc_map_str_slot(last, key_of(g->in[i])) = g->in[i];
  for (const mc_node *n = g->first; n; n = n->next) {
    if (n->region) collect(l, side, n->region, last);
    if (mc_op_has(n->op, MC_T_CONST)) continue;
    for (int i = 0; i < n->nout; i++)
      if (key_of(n->out[i])) *mc_map_str_slot(last, key_of(n->out[i])) = n->out[i];
  }
}

layers *layers_create(tool *t, mc_network *a, mc_network *b, tolerance tol) {
  layers *l = MC_NEW(t->arena, layers);
  *l = (layers){ .t = t, .net = { a, b }, .tol = tol };
  mc_map last[2];
  mc_map_init(&l->rows, t->arena);
  for (int s = 0; s < 2; s++) {
    mc_map_init(&last[s], t->arena);
    mc_map_init(&l->value[s], t->arena);
    collect(l, s, mc_network_graph(l->net[s]), &last[s]);
  }
  for (size_t i = 0; i < last[0].n; i++) {
    const char *key = last[0].entries[i].key;
    const mc_value *va = last[0].entries[i].val, *vb = mc_map_str_get(&last[1], key);
    if (!vb || mc_type_elems(va->type) != mc_type_elems(vb->type)) continue;
    row *r = MC_NEW(t->arena, row);
    *r = (row){ .key = key,
                .ta = va->type,
                .tb = vb->type,
                .a = mc_arena_alloc(t->arena, (size_t)mc_type_bytes(va->type)) };
    *mc_map_str_slot(&l->rows, key) = r;
    *mc_map_ptr_slot(&l->value[0], va) = r;
    *mc_map_ptr_slot(&l->value[1], vb) = r;
  }
  return l;
}

static bool keep(void *ctx, const mc_value *v, const mc_array *x) {
  layers *l = ctx;
  row *r = mc_map_ptr_get(&l->value[0], v);
  if (r) memcpy(r->a, x->data, (size_t)mc_type_bytes(x->type));
  return true;
}

/* The first graph is the reference of the pair: errors are relative to its values. */
static bool match(void *ctx, const mc_value *v, const mc_array *x) {
  layers *l = ctx;
  row *r = mc_map_ptr_get(&l->value[1], v);
  if (r)
    diff_add(&r->d, x, &(mc_array){ r->ta, r->a }, 0, 0, mc_type_elems(x->type), l->sample, l->tol);
  return true;
}

bool layers_run(layers *l, const void *const *in, void *const *out_a, void *const *out_b,
                int64_t sample, mc_diag *d) {
  l->sample = sample;
  return mc_network_observe(l->net[0], in, out_a, &(mc_eval_opts){ keep, l }, d) &&
         mc_network_observe(l->net[1], in, out_b, &(mc_eval_opts){ match, l }, d);
}

void layers_print(layers *l) {
  mc_strbuf s = { 0 };
  mc_sb_printf(&s, "%-32s %-28s %-28s %10s %10s %8s\n", "value", "first", "second", "max abs",
               "rel L2", "SQNR dB");
  for (size_t i = 0; i < l->rows.n; i++) {
    const row *r = l->rows.entries[i].val;
    mc_strbuf a = { 0 }, b = { 0 };
    mc_type_print(&a, r->ta);
    mc_type_print(&b, r->tb);
    double rel = diff_relative_l2(&r->d);
    mc_sb_printf(&s, "%-32s %-28s %-28s %10.3g %10.3g %8.1f\n", r->key, mc_sb_str(&a),
                 mc_sb_str(&b), r->d.max_abs, rel, diff_snr(&r->d));
    mc_sb_free(&a);
    mc_sb_free(&b);
  }
  if (l->rows.n == 0) mc_sb_puts(&s, "no inner value has the same name and size in both\n");
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
}
