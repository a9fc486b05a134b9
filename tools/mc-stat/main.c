/* mc-stat: what a network costs, layer by layer. */
#include "common/tool.h"
#include "mc/analysis/cost.h"
#include "mc/driver/compile.h"
#include "mc/driver/importing.h"
#include "mc/ir/family.h"
#include "mc/ir/print.h"
#include "object.h"
#include <jansson.h>
#include <string.h>

typedef struct stat {
  tool t;
  const char *out, *graph;
  bool json;
  mc_import_args imp;
} stat;

typedef struct row {
  const mc_node *n;
  mc_cost c;
} row;

typedef struct rows {
  row *v;
  size_t n, cap;
} rows;

static double intensity(const mc_cost *c) {
  int64_t bytes = c->weight_bytes + c->in_bytes + c->out_bytes;
  return bytes ? (double)c->flops / (double)bytes : 0;
}

/* ---- names ---- */
static const char *layer_name(const mc_node *n, int i, mc_arena *a) {
  if (n->source) return n->source;
  if (n->nout && n->out[0]->name) return mc_arena_printf(a, "%%%s", n->out[0]->name);
  return mc_arena_printf(a, "#%d", i);
}

static const char *op_name(const mc_node *n) {
  const char *kernel = n->op == MC_OP_group ? mc_group_family_text(n) : "";
  return *kernel ? kernel : mc_ops[n->op].text;
}

static const char *type_text(const mc_node *n, mc_arena *a) {
  mc_strbuf s = { 0 };
  mc_type t = *n->out[0]->type;
  mc_sb_puts(&s, mc_dtype_names[t.dtype]);
  mc_sb_putc(&s, '[');
  for (int i = 0; i < t.rank; i++) mc_sb_printf(&s, "%s%lld", i ? "," : "", (long long)t.dim[i]);
  mc_sb_putc(&s, ']');
  const char *text = mc_arena_strdup(a, mc_sb_str(&s));
  mc_sb_free(&s);
  return text;
}

/* ---- text ---- */
static void text_row(mc_strbuf *s, int width, const char *name, const char *op, const char *type,
                     const mc_cost *c) {
  mc_sb_printf(s, "%-*s %-16s %-20s %10lld %12lld %12lld %11lld %11lld %9.2f\n", width, name, op,
               type, (long long)c->params, (long long)c->macs, (long long)c->flops,
               (long long)c->weight_bytes, (long long)(c->in_bytes + c->out_bytes), intensity(c));
}

static void text(mc_strbuf *s, const mc_graph *g, const rows *r, mc_arena *a) {
  int width = 5;
  for (size_t i = 0; i < r->n; i++) {
    int n = (int)strlen(layer_name(r->v[i].n, (int)i, a));
    if (n > width) width = n;
  }
  mc_cost t = mc_graph_cost(g);
  mc_sb_printf(s, "graph @%s\n%-*s %-16s %-20s %10s %12s %12s %11s %11s %9s\n", g->name, width,
               "layer", "op", "result", "params", "MACs", "FLOPs", "weight B", "data B", "FLOP/B");
  for (size_t i = 0; i < r->n; i++)
    text_row(s, width, layer_name(r->v[i].n, (int)i, a), op_name(r->v[i].n),
             type_text(r->v[i].n, a), &r->v[i].c);
  text_row(s, width, "total", "", "", &t);
  mc_sb_printf(
      s, "peak activation memory: %lld bytes (in program order, inputs and results included)\n",
      (long long)mc_graph_peak_bytes(g));
}

/* ---- JSON ---- */
static json_t *json_cost(const mc_cost *c) {
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "params", (json_int_t)c->params, "macs",
                   (json_int_t)c->macs, "flops", (json_int_t)c->flops, "weight_bytes",
                   (json_int_t)c->weight_bytes, "in_bytes", (json_int_t)c->in_bytes, "out_bytes",
                   (json_int_t)c->out_bytes, "intensity", intensity(c));
}

static void json(mc_strbuf *s, const mc_graph *g, const rows *r, mc_arena *a) {
  json_t *layers = json_array();
  for (size_t i = 0; i < r->n; i++) {
    json_t *o = json_cost(&r->v[i].c);
    json_object_set_new(o, "name", json_string(layer_name(r->v[i].n, (int)i, a)));
    json_object_set_new(o, "op", json_string(op_name(r->v[i].n)));
    json_object_set_new(o, "result", json_string(type_text(r->v[i].n, a)));
    json_array_append_new(layers, o);
  }
  mc_cost t = mc_graph_cost(g);
  json_t *all =
      json_pack("{s:s, s:o, s:o, s:I}", "graph", g->name, "layers", layers, "total", json_cost(&t),
                "peak_activation_bytes", (json_int_t)mc_graph_peak_bytes(g));
  char *text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(6) | JSON_PRESERVE_ORDER);
  mc_sb_puts(s, text ? text : "");
  mc_sb_putc(s, '\n');
  json_decref(all);
  free(text);
}

/* ---- main ---- */
static int run(stat *o) {
  mc_module *m = mc_driver_load_as(o->t.args.v[0], &o->imp, &o->t.diag);
  if (!m) return MC_EXIT_INPUT;
  const mc_graph *g = mc_module_graph(m, o->graph);
  int rc = MC_EXIT_INPUT;
  if (!g) {
    mc_error(&o->t.diag, mc_noloc, "there is no graph '%s' in %s", o->graph ? o->graph : "",
             o->t.args.v[0]);
  } else {
    rows r = { 0 };
    mc_strbuf s = { 0 };
    MC_FOR_NODES (n, g)
      if (!mc_op_has(n->op, MC_T_CONST | MC_T_TERM))
        MC_PUSH(o->t.arena, &r, ((row){ n, mc_node_cost(n) }));
    (o->json ? json : text)(&s, g, &r, o->t.arena);
    rc = tool_write(&o->t, o->out, mc_sb_str(&s), s.n) ? MC_EXIT_OK : MC_EXIT_INPUT;
    mc_sb_free(&s);
  }
  tool_flush(&o->t); /* places are in the module's text */
  mc_module_destroy(m);
  return rc;
}

static bool is_object(const char *path) {
  size_t n = strlen(path);
  return n > 2 && strcmp(path + n - 2, ".o") == 0;
}

static int run_object(stat *o) {
  mc_strbuf s = { 0 };
  bool ok = object_print(&s, &o->t, o->t.args.v[0], o->json) &&
            tool_write(&o->t, o->out, mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  return ok ? MC_EXIT_OK : MC_EXIT_INPUT;
}

int main(int argc, char **argv) {
  stat o = { .out = "-" };
  const mc_option options[] = { { "o", MC_O_STR, &o.out, .arg = "FILE|-",
                                  .help =
                                      "where the table goes; '-' (the default): standard output" },
                                { "json", MC_O_FLAG, &o.json, .help = "JSON instead of a table" },
                                { "graph", MC_O_STR, &o.graph, .arg = "NAME",
                                  .help = "the graph to count; the first one if absent" },
                                MC_IMPORT_OPTIONS(o.imp),
                                MC_IMPORT_PREPROCESS(o.imp),
                                { 0 } };
  const mc_command cmd = {
    .name = "mc-stat",
    .usage = "[options] FILE.mir|FILE.onnx|FILE.o",
    .summary = "parameters, MACs, FLOPs, bytes and intensity of every layer, and peak memory; of "
               "an object: its levels, bytes of code, constants, arena",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .example = "mc-stat net.mir\nmc-stat --json net.mir -o costs.json\nmc-stat net.o"
  };
  int rc = tool_start(&o.t, &cmd, argc, argv);
  if (rc >= 0) return rc;
  const char *given = mc_import_args_given(&o.imp);
  if (given && is_object(o.t.args.v[0])) {
    mc_error(&o.t.diag, mc_noloc, "%s is about how an .onnx file is read, and %s is an object",
             given, o.t.args.v[0]);
    return tool_end(&o.t, MC_EXIT_USAGE);
  }
  if (o.graph && is_object(o.t.args.v[0])) {
    mc_error(&o.t.diag, mc_noloc, "--graph: an object holds one network");
    return tool_end(&o.t, MC_EXIT_USAGE);
  }
  if (!tool_keeps(&o.t, o.t.args.v[0], o.out)) return tool_end(&o.t, MC_EXIT_USAGE);
  rc = is_object(o.t.args.v[0]) ? run_object(&o) : run(&o);
  return tool_end(&o.t, rc);
}
