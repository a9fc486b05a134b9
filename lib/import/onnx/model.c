/* From bytes to a module: unpack, check, import node by node. */
#include "imp.h"
#include "mc/ir/verify.h"
#include "mc/support/filekind.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_ERRORS = 100 };

/* ---- unpacking ---- */
/* protobuf-c allocates per field; a file of empty messages would ask for a hundred times its size.
 */
typedef struct bounded {
  size_t left;
} bounded;

static void *bounded_alloc(void *ctx, size_t size) {
  bounded *b = ctx;
  if (size > b->left) return NULL;
  b->left -= size;
  return malloc(size ? size : 1);
}

static void bounded_free(void *ctx, void *p) {
  (void)ctx;
  free(p);
}

/* ---- one node ---- */
static bool check_node(node *n) {
  const pb_node *p = n->p;
  const char *op = mc_onnx_clean(n->im->diag->arena, p->op_type),
             *domain = mc_onnx_clean(n->im->diag->arena, p->domain);
  n->row = mc_onnx_find_op(p->op_type, p->domain);
  if (!n->row)
    return mc_onnx_error(n, "operator %s%s%s is not supported", domain, *domain ? "." : "", op);
  bool ok = mc_onnx_check_attrs(n);
  const op_row *r = n->row;
  if (p->n_input > 1 << 20 || p->n_output > 1 << 20)
    return mc_onnx_error(n, "%zu operands and %zu results", p->n_input, p->n_output);
  if ((int)p->n_input < r->in_min || (r->in_max >= 0 && (int)p->n_input > r->in_max))
    return mc_onnx_error(n, "%s: %zu operands, expected %s%d", op, p->n_input,
                         (int)p->n_input < r->in_min ? "at least " : "at most ",
                         (int)p->n_input < r->in_min ? r->in_min : r->in_max);
  for (int i = 0; i < r->in_min; i++)
    if (!*p->input[i]) ok = mc_onnx_error(n, "%s: operand %d is left out", op, i);
  if (!p->n_output) ok = mc_onnx_error(n, "%s: no results", op);
  return ok;
}

static node make_node(imp *im, size_t index) {
  node n = { .im = im, .p = im->pb->node[index], .index = index };
  const char *name = n.p->name && *n.p->name ? n.p->name : n.p->n_output ? n.p->output[0] : "";
  name = mc_onnx_clean(im->m->arena, name);
  n.loc = (mc_loc){ .src = im->src,
                    .what = mc_arena_printf(im->diag->arena, "node '%s' (#%zu)", name, index) };
  im->b.loc = n.loc;
  im->b.source = name;
  return n;
}

/* A definition, made when it is an initializer that is used for the first time. */
static val *value_of(imp *im, const char *name) {
  def *d = mc_onnx_def(im, name);
  if (d->kind != DEF_INIT || d->made) return &d->v;
  d->made = true;
  const pb_tensor *t = im->pb->initializer[d->index];
  folded *k = mc_onnx_tensor(
      im, t, mc_arena_printf(im->diag->arena, "initializer '%s'", mc_onnx_clean(im->arena, name)));
  d->v = (val){ .bad = !k, .k = k };
  if (!k) return &d->v;
  k->name = name;
  k->named = true;
  d->v.etype = k->etype;
  d->v.rank = k->rank;
  memcpy(d->v.dim, k->dim, sizeof d->v.dim);
  return &d->v;
}

/* Results past what the handler gives must not be used by anyone: they stay unmade, which their
 * users notice. */
static bool run_node(imp *im, size_t index) {
  node n = make_node(im, index);
  n.row = mc_onnx_find_op(n.p->op_type, n.p->domain);
  n.nin = (int)n.p->n_input;
  n.nout = (int)n.p->n_output;
  n.in = MC_NEWN(im->arena, val *, n.nin);
  n.out = MC_NEWN(im->arena, val *, n.nout);
  bool bad = false;
  for (int i = 0; i < n.nin; i++) {
    if (!*n.p->input[i]) continue;
    n.in[i] = value_of(im, n.p->input[i]);
    if (!n.in[i]->bad && !n.in[i]->v && !n.in[i]->k) {
      mc_onnx_error(&n, "operand %d ('%s') is a result that the importer does not compute", i,
                    mc_onnx_clean(im->diag->arena, n.p->input[i]));
      bad = true;
    }
    bad |= n.in[i]->bad;
  }
  while (n.nin && !n.in[n.nin - 1]) n.nin--;
  for (int i = 0; i < n.nout; i++)
    if (*n.p->output[i]) n.out[i] = &mc_onnx_def(im, n.p->output[i])->v;
  unsigned before = im->diag->errors;
  bool ok = !bad && n.row->run(&n, n.row->arg);
  if (!bad && !ok && im->diag->errors == before) mc_onnx_error(&n, "%s: not supported", n.row->op);
  for (int i = 0; i < n.nout; i++)
    if (n.out[i] && !ok) n.out[i]->bad = true;
  return ok;
}

/* ---- the model ---- */
static bool check_opset(imp *im, const pb_model *model) {
  im->opset = -1;
  im->ir = model->has_ir_version ? model->ir_version : 0;
  for (size_t i = 0; i < model->n_opset_import; i++) {
    const char *domain = model->opset_import[i]->domain;
    if (domain && *domain && strcmp(domain, "ai.onnx")) continue;
    if (im->opset >= 0) return mc_onnx_fail(im, NULL, "two opset versions are imported");
    im->opset = model->opset_import[i]->version;
  }
  if (im->opset < 0 && im->ir > 0 && im->ir < 3)
    im->opset = 1; /* opsets came with version 3 of the format */
  if (im->opset < 0) return mc_onnx_fail(im, NULL, "no opset is imported");
  if (im->opset < ONNX_MIN_OPSET || im->opset > ONNX_MAX_OPSET)
    return mc_onnx_fail(im, NULL, "opset %lld is not supported (%d to %d are)",
                        (long long)im->opset, ONNX_MIN_OPSET, ONNX_KNOWN_OPSET);
  if (im->opset > ONNX_KNOWN_OPSET)
    mc_warning(im->diag, (mc_loc){ .src = im->src },
               "opset %lld is newer than %d: operators are read as in %d", (long long)im->opset,
               ONNX_KNOWN_OPSET, ONNX_KNOWN_OPSET);
  return true;
}

static bool import_nodes(imp *im) {
  size_t *order, count;
  bool ok = true;
  if (!mc_onnx_define(im) || !mc_onnx_order(im, &order, &count)) return false;
  for (size_t i = 0; i < count && im->diag->errors < MAX_ERRORS;
       i++) { /* everything unknown at once */
    node n = make_node(im, order[i]);
    ok &= check_node(&n);
  }
  ok &= mc_onnx_inputs(im);
  if (!ok) return false;
  for (size_t i = 0; i < count && im->diag->errors < MAX_ERRORS; i++) ok &= run_node(im, order[i]);
  for (size_t i = 0; i < im->pb->n_output && ok; i++) {
    val *v = value_of(im, im->pb->output[i]->name);
    if (!v->bad && !v->v && !v->k)
      ok = mc_onnx_fail(im, NULL, "output '%s' is a result that the importer does not compute",
                        mc_onnx_clean(im->diag->arena, im->pb->output[i]->name));
  }
  return ok && mc_onnx_outputs(im);
}

/* Transposes that met their inverse leave a node that nobody reads. */
static void sweep(mc_graph *g) {
  MC_FOR_NODES_REV (n, g) {
    bool used = n->op == MC_OP_return;
    for (int i = 0; i < n->nout; i++) used |= n->out[i]->uses != NULL;
    if (!used) mc_node_remove(n);
  }
}

/* Locations point into the diagnostics' arena while importing; the module keeps its own. */
static void own_locations(imp *im) {
  mc_source *src = MC_NEW(im->m->arena, mc_source);
  src->name = mc_arena_strdup(im->m->arena, im->src->name);
  for (int i = 0; i < im->g->nin; i++) im->g->in[i]->loc = (mc_loc){ .src = src };
  MC_FOR_NODES (n, im->g) {
    n->loc = (mc_loc){ .src = src,
                       .what = n->source ? mc_arena_printf(im->m->arena, "node '%s'", n->source)
                                         : NULL };
    for (int i = 0; i < n->nout; i++) n->out[i]->loc = n->loc;
  }
  im->g->loc = (mc_loc){ .src = src };
}

static mc_module *import(pb_model *model, size_t size, const char *name, const char *dir,
                         const mc_import_opts *o, mc_diag *d) {
  static const mc_import_opts none = { 0 };
  mc_source *src = MC_NEW(d->arena, mc_source);
  src->name = mc_arena_strdup(d->arena, name);
  imp im = { .arena = mc_arena_create(),
             .m = mc_module_create(),
             .diag = d,
             .src = src,
             .dir = dir,
             .opt = o ? o : &none,
             .pb = model->graph };
  im.max_folded = ONNX_MAX_FOLDED + ONNX_FOLDED_PER_BYTE * (int64_t)size;
  mc_map *maps[] = { &im.vals, &im.permuted, &im.names, &im.files, &im.symbols };
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) mc_map_init(maps[i], im.arena);
  im.m->dir = ".";
  const char *gname = im.opt->graph_name                     ? im.opt->graph_name
                      : im.pb && im.pb->name && *im.pb->name ? im.pb->name
                                                             : "main";
  im.g = mc_graph_create(im.m, mc_onnx_ident(&im, gname), (mc_loc){ .src = src });
  im.b = (mc_builder){ .graph = im.g, .diag = d };
  bool ok = (im.pb || mc_onnx_fail(&im, NULL, "the file has no graph")) &&
            check_opset(&im, model) && import_nodes(&im);
  if (ok) {
    sweep(im.g);
    own_locations(&im);
    ok = mc_verify_module(im.m, d);
  }
  for (size_t i = 0; i < im.files.n; i++)
    if (im.files.entries[i].val) mc_blob_close(im.files.entries[i].val);
  mc_arena_destroy(im.arena);
  if (ok) return im.m;
  mc_module_destroy(im.m);
  return NULL;
}

static mc_module *unpack(const void *data, size_t size, const char *name, const char *dir,
                         const mc_import_opts *o, mc_diag *d) {
  mc_source *src = MC_NEW(d->arena, mc_source);
  src->name = mc_arena_strdup(d->arena, name);
  mc_loc at = { .src = src };
  if (!size) return mc_error(d, at, "the file is empty"), NULL;
  mc_filekind kind = mc_filekind_of(data, size);
  if (kind.what && strcmp(kind.what, "an ONNX model") != 0) {
    mc_error(d, at, "this is %s, not an ONNX model", kind.what);
    if (kind.help) mc_note(d, at, "%s", kind.help);
    return NULL;
  }
  bounded left = { .left = ((size_t)64 << 20) + 16 * size };
  ProtobufCAllocator alloc = { bounded_alloc, bounded_free, &left };
  pb_model *model = mc_onnx_pb__model__unpack(&alloc, size, data);
  if (!model)
    return mc_error(d, at, "not an ONNX model, or damaged%s",
                    mc_is_text(data, size < 4096 ? size : 4096) ? " (this is text)" : ""),
           NULL;
  mc_module *m = import(model, size, name, dir, o, d);
  mc_onnx_pb__model__free_unpacked(model, &alloc);
  return m;
}

mc_module *mc_import_onnx_bytes(const void *data, size_t size, const char *name,
                                const mc_import_opts *o, mc_diag *d) {
  return unpack(data, size, name, NULL, o, d);
}

mc_module *mc_import_onnx(const char *path, const mc_import_opts *o, mc_diag *d) {
  mc_blob *b = mc_blob_open(path, d, mc_noloc);
  if (!b) return NULL;
  const char *slash = strrchr(path, '/');
  char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
  mc_module *m = unpack(mc_blob_data(b), mc_blob_size(b), path, dir, o, d);
  free(dir);
  mc_blob_close(b);
  return m;
}
