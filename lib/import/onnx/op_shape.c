/* Constants, shapes and what changes only the shape or the element type. */
#include "imp.h"
#include <string.h>

/* ---- constants ---- */
static bool from_list(node *n, const pb_attr *a, bool real, bool scalar) {
  size_t count = real ? a->n_floats : a->n_ints;
  int64_t dim = (int64_t)count;
  folded *k = mc_folded_new(n, real ? ONNX_FLOAT : ONNX_INT64, scalar ? 0 : 1, &dim);
  for (int64_t i = 0; k && i < k->n; i++) {
    if (real)
      mc_folded_set_f32(k, i, scalar ? a->f : a->floats[i]);
    else
      mc_folded_set_int(k, i, scalar ? a->i : a->ints[i]);
  }
  mc_onnx_give_folded(n, 0, k);
  return k != NULL;
}

bool mc_onnx_constant(node *n, int arg) {
  (void)arg;
  if (n->p->n_attribute != 1)
    return mc_onnx_error(n, "Constant: %zu values, expected one attribute", n->p->n_attribute);
  const pb_attr *a = n->p->attribute[0];
  if (!strcmp(a->name, "value")) {
    folded *k = mc_onnx_tensor(n->im, a->t, n->loc.what);
    if (k && n->p->n_output) k->name = n->p->output[0];
    mc_onnx_give_folded(n, 0, k);
    return k != NULL;
  }
  bool real = !strncmp(a->name, "value_float", 11),
       scalar = !strcmp(a->name, "value_float") || !strcmp(a->name, "value_int");
  return from_list(n, a, real, scalar);
}

bool mc_onnx_constant_of_shape(node *n, int arg) {
  (void)arg;
  int64_t *dim, rank;
  if (!mc_onnx_known_ints(n, 0, "the shape", &dim, &rank)) return false;
  if (rank > MC_MAX_RANK)
    return mc_onnx_error(n, "ConstantOfShape: rank %lld: at most %d is supported", (long long)rank,
                         MC_MAX_RANK);
  const pb_attr *a = mc_onnx_attr(n, "value");
  folded *v = a ? mc_onnx_tensor(n->im, a->t, n->loc.what) : NULL;
  if (a && !v) return false;
  if (v && v->n != 1)
    return mc_onnx_error(n, "ConstantOfShape: value has %lld elements, expected one",
                         (long long)v->n);
  folded *k = mc_folded_new(n, v ? v->etype : ONNX_FLOAT, (int)rank, dim);
  if (k && v)
    for (int64_t i = 0, size = mc_folded_elem(k); i < k->n; i++)
      memcpy((char *)k->data + i * size, v->data, (size_t)size);
  mc_onnx_give_folded(n, 0, k);
  return k != NULL;
}

bool mc_onnx_range(node *n, int arg) {
  (void)arg;
  const folded *s = n->in[0]->k, *l = n->in[1]->k, *d = n->in[2]->k;
  if (!s || !l || !d || s->n != 1 || l->n != 1 || d->n != 1)
    return mc_onnx_error(n, "Range: start, limit and delta must be known numbers");
  bool real = mc_onnx_is_real(s->etype);
  double start = real ? (double)mc_folded_f32(s, 0) : (double)mc_folded_int(s, 0),
         limit = real ? (double)mc_folded_f32(l, 0) : (double)mc_folded_int(l, 0);
  double delta = real ? (double)mc_folded_f32(d, 0) : (double)mc_folded_int(d, 0),
         count = (limit - start) / delta;
  if (!(count > 0)) count = 0;
  if (delta == 0 || count > 1e8)
    return mc_onnx_error(n, "Range: from %g to %g by %g", start, limit, delta);
  int64_t len = (int64_t)count;
  if ((double)len < count) len++;
  folded *k = mc_folded_new(n, s->etype, 1, &len);
  for (int64_t i = 0; k && i < len; i++) {
    if (real)
      mc_folded_set_f32(k, i, (float)(start + (double)i * delta));
    else
      mc_folded_set_int(
          k, i,
          (int64_t)((uint64_t)mc_folded_int(s, 0) + (uint64_t)i * (uint64_t)mc_folded_int(d, 0)));
  }
  mc_onnx_give_folded(n, 0, k);
  return k != NULL;
}

/* Shape (with start and end since opset 15) and Size (arg 1). */
bool mc_onnx_shape(node *n, int arg) {
  const val *x = n->in[0];
  int64_t from = mc_onnx_attr_i(n, "start", 0), to = mc_onnx_attr_i(n, "end", x->rank),
          rank = x->rank;
  from = from < 0 ? (from < -rank ? 0 : from + rank) : from > rank ? rank : from;
  to = to < 0 ? (to < -rank ? 0 : to + rank) : to > rank ? rank : to;
  int64_t len = arg || to < from ? 0 : to - from, size = 1;
  folded *k = mc_folded_new(n, ONNX_INT64, arg ? 0 : 1, &len);
  for (int i = 0; i < rank; i++) size *= x->dim[i];
  if (k && arg) mc_folded_set_int(k, 0, size);
  for (int64_t i = 0; k && i < len; i++) mc_folded_set_int(k, i, x->dim[from + i]);
  mc_onnx_give_folded(n, 0, k);
  return k != NULL;
}

/* ---- the same elements ---- */
bool mc_onnx_identity(node *n, int arg) {
  (void)arg;
  mc_onnx_give_val(n, 0, n->in[0]);
  return true;
}

/* Dropout at inference is the identity. */
bool mc_onnx_dropout(node *n, int arg) {
  float training = 0;
  if (n->nin > 2 && n->in[2] && (!mc_onnx_known_f32(n->in[2], &training) || training != 0))
    return mc_onnx_error(n, "Dropout: training_mode must be known and false");
  mc_onnx_warn_training(n);
  return mc_onnx_identity(n, arg);
}

static bool reshaped(node *n, int rank, const int64_t *dim) {
  val *x = n->in[0];
  int64_t have = 1, want = mc_onnx_count(rank, dim);
  for (int i = 0; i < x->rank; i++) have *= x->dim[i];
  if (want < 0)
    return mc_onnx_error(n, "%s: shape %s is out of range", n->row->op,
                         mc_onnx_dims(n->im->arena, rank, dim));
  if (have != want)
    return mc_onnx_error(n, "%s: %s has %lld elements, %s has %lld", n->row->op,
                         mc_onnx_dims(n->im->arena, x->rank, x->dim), (long long)have,
                         mc_onnx_dims(n->im->arena, rank, dim), (long long)want);
  if (x->k) {
    folded *k = mc_folded_reshape(n, x->k, rank, dim);
    if (rank == x->rank && !memcmp(dim, x->dim, (size_t)rank * sizeof *dim)) k = x->k;
    mc_onnx_give_folded(n, 0, k);
    return true;
  }
  mc_value *v = mc_onnx_reshape(n, x->v, rank, dim);
  mc_onnx_give(n, 0, x->etype, v);
  return v != NULL;
}

/* 0 keeps a size (unless allowzero), -1 is what is left. */
bool mc_onnx_reshape_op(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int64_t *want, rank, have = 1, dim[MC_MAX_RANK];
  const int64_t *list;
  size_t len;
  if (mc_onnx_attr_ints(n, "shape", &list, &len)) { /* opsets 1 to 4 */
    want = mc_arena_copy(n->im->arena, list, len * sizeof *list);
    rank = (int64_t)len;
  } else if (n->nin < 2) {
    return mc_onnx_error(n, "Reshape: the shape is missing");
  } else if (!mc_onnx_known_ints(n, 1, "the shape", &want, &rank)) {
    return false;
  }
  if (rank > MC_MAX_RANK)
    return mc_onnx_error(n, "Reshape: rank %lld: at most %d is supported", (long long)rank,
                         MC_MAX_RANK);
  bool allow_zero = mc_onnx_attr_i(n, "allowzero", 0);
  int free_axis = -1;
  for (int i = 0; i < x->rank; i++) have *= x->dim[i];
  for (int i = 0; i < rank; i++) {
    dim[i] = want[i];
    if (!want[i] && !allow_zero) {
      if (i >= x->rank)
        return mc_onnx_error(n, "Reshape: size %d is kept, but the operand has rank %d", i,
                             x->rank);
      dim[i] = x->dim[i];
    }
    if (want[i] == -1) {
      if (free_axis >= 0) return mc_onnx_error(n, "Reshape: two sizes are -1");
      free_axis = i;
      dim[i] = 1;
    }
  }
  int64_t known = mc_onnx_count((int)rank, dim);
  if (known < 0)
    return mc_onnx_error(n, "Reshape: shape %s is out of range",
                         mc_onnx_dims(n->im->arena, (int)rank, want));
  if (free_axis >= 0) dim[free_axis] = known ? have / known : 0;
  return reshaped(n, (int)rank, dim);
}

bool mc_onnx_flatten(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int64_t axis = mc_onnx_attr_i(n, "axis", 1);
  if (axis < -x->rank || axis > x->rank)
    return mc_onnx_error(n, "Flatten: axis %lld, the operand has rank %d", (long long)axis,
                         x->rank);
  int a = (int)(axis < 0 ? axis + x->rank : axis);
  return reshaped(n, 2,
                  (int64_t[]){ mc_onnx_prod(x->dim, 0, a), mc_onnx_prod(x->dim, a, x->rank) });
}

/* Axes: an attribute before opset 13, an operand since. *k is -1 when they are left out. */
static bool axes_of(node *n, int64_t **v, int64_t *k) {
  const int64_t *list;
  size_t len;
  *k = -1;
  if (mc_onnx_attr_ints(n, "axes", &list, &len)) {
    *v = mc_arena_copy(n->im->arena, list, len * sizeof *list);
    *k = (int64_t)len;
    return true;
  }
  return n->nin < 2 || !n->in[1] || mc_onnx_known_ints(n, 1, "the axes", v, k);
}

bool mc_onnx_squeeze(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int64_t *axes = NULL, k, dim[MC_MAX_RANK];
  bool mask[MC_MAX_RANK] = { false };
  if (!axes_of(n, &axes, &k) || (k >= 0 && !mc_onnx_axes(n, axes, k, x->rank, mask))) return false;
  int rank = 0;
  for (int i = 0; i < x->rank; i++) {
    bool drop = k < 0 ? x->dim[i] == 1 : mask[i];
    if (drop && x->dim[i] != 1)
      return mc_onnx_error(n, "Squeeze: axis %d has size %lld", i, (long long)x->dim[i]);
    if (!drop) dim[rank++] = x->dim[i];
  }
  return reshaped(n, rank, dim);
}

bool mc_onnx_unsqueeze(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int64_t *axes = NULL, k, dim[MC_MAX_RANK];
  bool mask[MC_MAX_RANK];
  if (!axes_of(n, &axes, &k)) return false;
  if (k < 0) return mc_onnx_error(n, "Unsqueeze: axes are missing");
  if (x->rank + k > MC_MAX_RANK)
    return mc_onnx_error(n, "Unsqueeze: rank %lld: at most %d is supported",
                         (long long)(x->rank + k), MC_MAX_RANK);
  int rank = x->rank + (int)k;
  if (!mc_onnx_axes(n, axes, k, rank, mask)) return false;
  for (int i = 0, j = 0; i < rank; i++) dim[i] = mask[i] ? 1 : x->dim[j++];
  return reshaped(n, rank, dim);
}

/* ---- element types ---- */
/* What has no form of its own in the graph is rounded by a cast there and back. */
static mc_value *through(node *n, mc_value *v, mc_dtype t) {
  return mc_onnx_as(n, MC_OP_cast, mc_onnx_as(n, MC_OP_cast, v, t), MC_f32);
}

static bool cast_to(node *n, int64_t to) {
  val *x = n->in[0];
  const etype_info *e = to >= 0 && to < 1000 ? mc_onnx_etype((int)to) : NULL;
  if (!e)
    return mc_onnx_error(n, "%s: element type %s (%lld) is not supported", n->row->op,
                         mc_onnx_etype_name(to >= 0 && to < 1000 ? (int)to : 0), (long long)to);
  if (e->num == x->etype) return mc_onnx_give_val(n, 0, x), true;
  if (x->k) {
    folded *k = mc_folded_cast(n, x->k, e->num);
    mc_onnx_give_folded(n, 0, k);
    return k != NULL;
  }
  mc_value *v = mc_onnx_as(n, MC_OP_cast, x->v, e->carry);
  if (e->num == ONNX_BOOL) v = mc_onnx_nonzero(n, v); /* integers stay unequal to 0 as f32 */
  bool half = e->num == ONNX_FLOAT16 || e->num == ONNX_BFLOAT16;
  if (half && x->etype != ONNX_BOOL) v = through(n, v, e->border);
  mc_onnx_give(n, 0, e->num, v);
  return v != NULL;
}

/* Before opset 6 types had names. */
static int64_t type_number(const char *name) {
  static const struct {
    const char *name;
    int num;
  } types[] = {

#define MC_ETYPE(id, num, text, store, carry, border, bytes, field, bits) { #id, num },
#include "etypes.def"
  };
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (!strcmp(types[i].name, name)) return types[i].num;
  return 0;
}

bool mc_onnx_cast(node *n, int arg) {
  (void)arg;
  if (!mc_onnx_attr(n, "to")) return mc_onnx_error(n, "Cast: attribute 'to' is missing");
  return cast_to(n, n->im->opset < 6 ? type_number(mc_onnx_attr_s(n, "to", ""))
                                     : mc_onnx_attr_i(n, "to", 0));
}

bool mc_onnx_cast_like(node *n, int arg) {
  (void)arg;
  return cast_to(n, n->in[1]->etype);
}
