/* The graph's inputs and outputs: shapes, element types, layout, preprocessing. */
#include "imp.h"
#include <string.h>

static const mc_dim_fix *fix_for(const imp *im, const char *name) {
  for (int i = 0; i < im->opt->nshapes; i++)
    if (!strcmp(im->opt->shapes[i].name, name)) return &im->opt->shapes[i];
  return NULL;
}

static const char *input_what(imp *im, const pb_value *p) {
  return mc_arena_printf(im->diag->arena, "input '%s'", mc_onnx_clean(im->arena, p->name));
}

static bool is_input(imp *im, size_t i) {
  def *d = mc_onnx_def(im, im->pb->input[i]->name);
  return d->kind == DEF_INPUT && d->index == i;
}

/* Sizes that are not known: a symbol, nothing at all, or (as some exporters write them) -1, or 0
 * where that is not all there is. */
static bool is_dynamic(const McOnnxPb__Shape *s, size_t axis) {
  const McOnnxPb__Dim *d = s->dim[axis];
  return !d->has_dim_value || d->dim_value == -1 || (d->dim_value == 0 && s->n_dim > 1);
}

/* Give every symbolic dimension a size: from --shape, or 1 where it is some input's first axis. */
static void symbols(imp *im) {
  for (size_t i = 0; i < im->pb->n_input; i++) {
    const pb_value *p = im->pb->input[i];
    McOnnxPb__Shape *s = p->type && p->type->tensor_type ? p->type->tensor_type->shape : NULL;
    for (size_t j = 0; s && j < s->n_dim; j++) {
      const char *sym = s->dim[j]->dim_param;
      if (s->dim[j]->has_dim_value || !sym || !*sym) continue;
      int64_t **slot = (int64_t **)mc_map_str_slot(&im->symbols, sym);
      const mc_dim_fix *f = fix_for(im, sym);
      if (*slot || (!(f && f->rank == 1) && (j || fix_for(im, p->name)))) continue;
      *slot = MC_NEW(im->arena, int64_t);
      **slot = f && f->rank == 1 ? f->dim[0] : 1;
      if (!(f && f->rank == 1))
        mc_onnx_remark(im, input_what(im, p),
                       "batch dimension '%s' is dynamic: 1 is used (--shape %s=SIZE gives another)",
                       mc_onnx_clean(im->diag->arena, sym), mc_onnx_clean(im->diag->arena, sym));
    }
  }
}

/* One dimension that --shape does not give. */
static bool resolve_dim(imp *im, const pb_value *p, size_t axis, int64_t *out) {
  const McOnnxPb__Dim *d = p->type->tensor_type->shape->dim[axis];
  const char *what = input_what(im, p), *name = mc_onnx_clean(im->diag->arena, p->name);
  if (!is_dynamic(p->type->tensor_type->shape, axis)) {
    if (d->dim_value < 1 || d->dim_value > ONNX_MAX_DIM)
      return mc_onnx_fail(im, what, "dimension %zu is %lld: give the shape with --shape %s=DIMS",
                          axis, (long long)d->dim_value, name);
    *out = d->dim_value;
    return true;
  }
  int64_t *known =
      d->dim_param && *d->dim_param ? mc_map_str_get(&im->symbols, d->dim_param) : NULL;
  if (known) {
    *out = *known;
    return true;
  }
  const char *symbol =
      d->dim_param && *d->dim_param ? mc_onnx_clean(im->diag->arena, d->dim_param) : NULL;
  const char *number =
      d->has_dim_value ? mc_arena_printf(im->diag->arena, "%lld", (long long)d->dim_value) : symbol;
  if (axis)
    return mc_onnx_fail(im, what, "dimension %zu%s%s%s is dynamic: give it with --shape %s=DIMS",
                        axis, number ? " ('" : "", number ? number : "", number ? "')" : "", name);
  *out = 1;
  mc_onnx_remark(im, what,
                 "the batch dimension is dynamic: 1 is used (--shape %s=DIMS gives another)", name);
  return true;
}

static bool input_shape(imp *im, const pb_value *p, int *rank, int64_t *dim) {
  const mc_dim_fix *fix = fix_for(im, p->name);
  McOnnxPb__Shape *s = p->type->tensor_type->shape;
  const char *what = input_what(im, p);
  if (!fix && !s)
    return mc_onnx_fail(im, what, "the shape is unknown: give it with --shape %s=DIMS",
                        mc_onnx_clean(im->diag->arena, p->name));
  if (s && s->n_dim > MC_MAX_RANK)
    return mc_onnx_fail(im, what, "rank %zu: at most %d is supported", s->n_dim, MC_MAX_RANK);
  if (fix && s && (size_t)fix->rank != s->n_dim)
    return mc_onnx_fail(im, what, "--shape gives %d dimensions, the model has %zu", fix->rank,
                        s->n_dim);
  *rank = fix ? fix->rank : (int)s->n_dim;
  for (int i = 0; i < *rank; i++) {
    if (!fix && !resolve_dim(im, p, (size_t)i, &dim[i])) return false;
    if (!fix) continue;
    dim[i] = fix->dim[i];
    if (s && s->dim[i]->has_dim_value && s->dim[i]->dim_value > 0 &&
        s->dim[i]->dim_value != dim[i] && i)
      return mc_onnx_fail(im, what, "--shape gives %lld for dimension %d, the model has %lld",
                          (long long)dim[i], i, (long long)s->dim[i]->dim_value);
  }
  int64_t n = mc_onnx_count(*rank, dim);
  if (n <= 0)
    return mc_onnx_fail(im, what, "shape %s is out of range", mc_onnx_dims(im->arena, *rank, dim));
  return true;
}

/* Whether --input-layout, --input-type and --preprocess are about this input: images, or the only
 * input there is. */
static bool is_image(const imp *im, int etype, int rank, size_t inputs) {
  if (!mc_onnx_is_real(etype)) return false;
  return rank == 4 || (inputs == 1 && !im->opt->input_nhwc);
}

/* The element type of an input; NULL after reporting. */
static const etype_info *input_etype(imp *im, const pb_value *p, const char *what) {
  if (!p->type || !p->type->tensor_type)
    return mc_onnx_fail(im, what, "only tensors are supported as inputs"), NULL;
  const etype_info *e = mc_onnx_etype(p->type->tensor_type->elem_type);
  if (!e || (e->store != e->border && e->num != ONNX_BOOL && !mc_onnx_is_real(e->num)) ||
      e->num == ONNX_UINT32 || e->num == ONNX_UINT64 || e->num == ONNX_UINT16)
    return mc_onnx_fail(im, what, "element type %s (%d) is not supported",
                        mc_onnx_etype_name(p->type->tensor_type->elem_type),
                        p->type->tensor_type->elem_type),
           NULL;
  return e;
}

/* The graph's input as the model's nodes read it: the type they compute with, preprocessed, NCHW.
 * NULL after reporting. */
static mc_value *as_carried(imp *im, mc_value *v, const etype_info *e, bool image, bool nhwc) {
  int rank = v->type->rank;
  if (v->type->dtype != e->carry)
    v = mc_build1_as(&im->b, MC_OP_cast, &v, 1, NULL, mc_type_make(im->m, e->carry, 0, NULL));
  if (v && image && im->opt->preprocess)
    v = mc_onnx_preprocess(im, v, nhwc ? 3 : rank >= 3 ? 1 : rank - 1);
  int64_t perm[4] = { 0, 3, 1, 2 };
  if (v && nhwc)
    v = mc_build1(&im->b, MC_OP_transpose, &v, 1, &(mc_attrs_transpose){ .perm = { perm, 4 } });
  return v;
}

static bool one_input(imp *im, size_t index, size_t inputs, int *images) {
  const pb_value *p = im->pb->input[index];
  const char *what = input_what(im, p);
  int rank = 0;
  int64_t dim[MC_MAX_RANK];
  const etype_info *e = input_etype(im, p, what);
  if (!e || !input_shape(im, p, &rank, dim)) return false;
  bool image = is_image(im, e->num, rank, inputs), nhwc = image && im->opt->input_nhwc;
  *images += image;
  if (nhwc) memcpy(dim, (int64_t[]){ dim[0], dim[2], dim[3], dim[1] }, 4 * sizeof *dim);
  mc_loc at = { .src = im->src, .what = what };
  const mc_type *type =
      mc_type_make(im->m, image && im->opt->input_u8 ? MC_u8 : e->border, rank, dim);
  mc_value *in = mc_graph_add_input(im->g, mc_onnx_ident(im, p->name), type, at);
  in->source = mc_onnx_clean(im->m->arena, p->name);
  im->b.loc = at;
  im->b.source = in->source;
  mc_value *v = as_carried(im, in, e, image, nhwc);
  if (!v) return false;
  def *d = mc_onnx_def(im, p->name);
  d->v = (val){ .etype = e->num, .rank = rank, .v = v };
  memcpy(d->v.dim, v->type->dim, sizeof d->v.dim);
  d->made = true;
  return true;
}

/* Every --shape must have been about something. */
static bool unused_shapes(imp *im) {
  bool ok = true;
  for (int i = 0; i < im->opt->nshapes; i++) {
    const char *name = im->opt->shapes[i].name;
    def *d = mc_onnx_def(im, name);
    if ((!d || d->kind != DEF_INPUT) && !mc_map_str_get(&im->symbols, name))
      ok = mc_onnx_fail(im, NULL, "--shape %s: no input and no symbolic dimension has this name",
                        mc_onnx_clean(im->diag->arena, name));
  }
  return ok;
}

bool mc_onnx_inputs(imp *im) {
  size_t count = 0;
  int images = 0;
  bool ok = true;
  symbols(im);
  for (size_t i = 0; i < im->pb->n_input; i++) count += is_input(im, i);
  for (size_t i = 0; i < im->pb->n_input; i++)
    if (is_input(im, i)) ok &= one_input(im, i, count, &images);
  ok &= unused_shapes(im);
  if (ok && !images && (im->opt->input_nhwc || im->opt->input_u8 || im->opt->preprocess))
    ok = mc_onnx_fail(im, NULL,
                      "no input of real numbers with 4 axes: the input layout, type and "
                      "preprocessing have nothing to apply to");
  return ok;
}

/* ---- outputs ---- */
static mc_value *output(imp *im, node *n, const char *name) {
  def *d = mc_onnx_def(im, name);
  const etype_info *e = mc_onnx_etype(d->v.etype);
  mc_value *v = mc_onnx_value(n, &d->v);
  if (!v) return NULL;
  if (d->v.etype == ONNX_UINT16 || d->v.etype == ONNX_UINT32 || d->v.etype == ONNX_UINT64)
    return mc_onnx_error(n, "element type %s is not supported", e->text), NULL;
  if (v->type->dtype != e->border) v = mc_onnx_as(n, MC_OP_cast, v, e->border);
  if (v && v->def && !v->name) v->name = mc_arena_strdup(im->m->arena, mc_onnx_ident(im, name));
  return v;
}

bool mc_onnx_outputs(imp *im) {
  size_t count = im->pb->n_output;
  mc_value **out = MC_NEWN(im->arena, mc_value *, count);
  static const op_row row = { .op = "output" };
  for (size_t i = 0; i < count; i++) {
    const char *name = im->pb->output[i]->name;
    if (mc_onnx_def(im, name)->v.bad) return false;
    pb_node none = *(pb_node[]){ MC_ONNX_PB__NODE__INIT };
    node n = { .im = im, .p = &none, .row = &row };
    n.loc = (mc_loc){ .src = im->src,
                      .what = mc_arena_printf(im->diag->arena, "output '%s'",
                                              mc_onnx_clean(im->arena, name)) };
    im->b.loc = n.loc;
    im->b.source = mc_onnx_clean(im->m->arena, name);
    if (!(out[i] = output(im, &n, name))) return false;
  }
  mc_node *ret = mc_node_create(im->m, MC_OP_return, out, (int)count, 0, im->b.loc);
  mc_node_insert(im->g, NULL, ret);
  return true;
}
