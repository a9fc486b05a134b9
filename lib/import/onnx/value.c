/* Values: known or in the graph; and the few ways in which handlers make nodes. */
#include "imp.h"
#include <string.h>

void mc_onnx_give(node *n, int i, int etype, mc_value *v) {
  if (!v || i >= n->nout || !n->out[i]) return;
  val *o = n->out[i];
  *o = (val){ .etype = etype, .rank = v->type->rank, .v = v };
  memcpy(o->dim, v->type->dim, sizeof o->dim);
}

void mc_onnx_give_folded(node *n, int i, folded *k) {
  if (!k || i >= n->nout || !n->out[i]) return;
  val *o = n->out[i];
  *o = (val){ .etype = k->etype, .rank = k->rank, .k = k };
  memcpy(o->dim, k->dim, sizeof o->dim);
}

void mc_onnx_give_val(node *n, int i, const val *v) {
  if (i < n->nout && n->out[i]) *n->out[i] = *v;
}

mc_tensor *mc_onnx_new_tensor(node *n, const folded *k, const char *suffix, mc_dtype dtype,
                              void **data) {
  for (int i = 0; i < k->rank; i++)
    if (!k->dim[i])
      return mc_onnx_error(n, "an operand of shape %s has no elements",
                           mc_onnx_dims(n->im->arena, k->rank, k->dim)),
             NULL;
  if (!mc_folded_charge(n->im, k->n * (int64_t)mc_dtype_size(dtype)))
    return mc_onnx_error(n, "constants take more than %d MB and %d times the file's size together",
                         (int)(ONNX_MAX_FOLDED >> 20), (int)ONNX_FOLDED_PER_BYTE),
           NULL;
  bool named = k->named || k->n > 16 || *suffix;
  const char *base = k->name ? k->name : n->p->n_output ? n->p->output[0] : "constant";
  if (*suffix) base = mc_arena_printf(n->im->arena, "%s%s", base, suffix);
  return mc_tensor_create(n->im->m, named ? mc_onnx_ident(n->im, base) : NULL, dtype, k->rank,
                          k->dim, data);
}

/* A tensor of the graph with k's elements in their carried form: truth values become f32. */
static mc_tensor *tensor_of(node *n, const folded *k) {
  const etype_info *e = mc_onnx_etype(k->etype);
  void *data;
  mc_tensor *t = mc_onnx_new_tensor(n, k, "", e->carry, &data);
  if (!t) return NULL;
  if (e->carry == e->store)
    memcpy(data, k->data, (size_t)k->n * (size_t)mc_folded_elem(k));
  else
    for (int64_t i = 0; i < k->n; i++) ((float *)data)[i] = mc_folded_f32(k, i);
  return t;
}

mc_builder mc_onnx_folded_builder(node *n, const folded *k, const mc_tensor *t) {
  mc_builder b = n->im->b;
  b.source = t->name && k->named && strcmp(t->name, k->name)
                 ? mc_onnx_clean(n->im->m->arena, k->name)
                 : NULL;
  return b;
}

mc_value *mc_onnx_folded_value(node *n, folded *k) {
  if (k->plain) return k->plain;
  if (k->quant && !mc_onnx_quantized_folded(n, k, &k->plain)) return NULL;
  if (k->plain) return k->plain;
  mc_tensor *t = tensor_of(n, k);
  if (!t) return NULL;
  mc_builder b = mc_onnx_folded_builder(n, k, t);
  return k->plain = mc_build_tensor(&b, t, NULL);
}

mc_value *mc_onnx_value(node *n, val *v) {
  return v->v ? v->v : v->k ? mc_onnx_folded_value(n, v->k) : NULL;
}

mc_value *mc_onnx_scalar_like(node *n, const mc_value *like, double x) {
  if (!like) return NULL;
  void *data;
  mc_tensor *t = mc_tensor_create(n->im->m, NULL, like->type->dtype, 0, NULL, &data);
  switch (like->type->dtype) {
  case MC_f32: *(float *)data = (float)x; break;
  case MC_i64: *(int64_t *)data = (int64_t)x; break;
  case MC_i32: *(int32_t *)data = (int32_t)x; break;
  default:
    return mc_onnx_error(n, "%s: element type %s is not supported", n->row->op,
                         mc_dtype_names[like->type->dtype]),
           NULL;
  }
  return mc_build_tensor(&n->im->b, t, NULL);
}

mc_value *mc_onnx_scalar(node *n, float x) {
  void *data;
  mc_tensor *t = mc_tensor_create(n->im->m, NULL, MC_f32, 0, NULL, &data);
  *(float *)data = x;
  return mc_build_tensor(&n->im->b, t, NULL);
}

mc_value *mc_onnx_permuted(node *n, folded *k, const int *perm) {
  struct {
    const folded *k;
    int perm[MC_MAX_RANK];
  } key;

  memset(&key, 0, sizeof key);
  key.k = k;
  bool same = true;
  for (int i = 0; i < k->rank; i++) key.perm[i] = perm[i], same &= perm[i] == i;
  if (same) return mc_onnx_folded_value(n, k);
  mc_value *done = mc_map_bytes_get(&n->im->permuted, &key, sizeof key);
  if (done) return done;
  int64_t stride[MC_MAX_RANK], dim[MC_MAX_RANK], st[MC_MAX_RANK];
  mc_onnx_strides(k->rank, k->dim, stride);
  for (int i = 0; i < k->rank; i++) dim[i] = k->dim[perm[i]], st[i] = stride[perm[i]];
  folded *p = mc_folded_strided(n, k, k->rank, dim, st, 0);
  mc_value *v = p ? mc_onnx_folded_value(n, p) : NULL;
  *mc_map_bytes_slot(&n->im->permuted, &key, sizeof key) = v;
  return v;
}

bool mc_onnx_axis(node *n, int64_t axis, int rank, int *out) {
  if (axis < -rank || axis >= rank)
    return mc_onnx_error(n, "%s: axis %lld, the operand has rank %d", n->row->op, (long long)axis,
                         rank);
  *out = (int)(axis < 0 ? axis + rank : axis);
  return true;
}

bool mc_onnx_axes(node *n, const int64_t *v, int64_t k, int rank, bool *mask) {
  memset(mask, 0, MC_MAX_RANK * sizeof *mask);
  for (int64_t i = 0; i < k; i++) {
    int a = 0;
    if (!mc_onnx_axis(n, v[i], rank, &a)) return false;
    if (mask[a]) return mc_onnx_error(n, "%s: axis %d is given twice", n->row->op, a);
    mask[a] = true;
  }
  return true;
}

int64_t mc_onnx_prod(const int64_t *dim, int from, int to) {
  int64_t p = 1;
  for (int i = from; i < to; i++) p *= dim[i];
  return p;
}

bool mc_onnx_broadcast(node *n, int ra, const int64_t *a, int rb, const int64_t *b, int *rank,
                       int64_t *dim) {
  *rank = ra > rb ? ra : rb;
  for (int i = 0; i < *rank; i++) {
    int ia = i - (*rank - ra), ib = i - (*rank - rb);
    int64_t da = ia < 0 ? 1 : a[ia], db = ib < 0 ? 1 : b[ib];
    if (da != db && da != 1 && db != 1)
      return mc_onnx_error(n, "%s: shapes %s and %s do not broadcast", n->row->op,
                           mc_onnx_dims(n->im->arena, ra, a), mc_onnx_dims(n->im->arena, rb, b));
    dim[i] = da == 1 ? db : da;
  }
  return true;
}

/* ---- emission ---- */
mc_value *mc_onnx_op1(node *n, mc_opcode op, mc_value *a, const void *attrs) {
  return a ? mc_build1(&n->im->b, op, &a, 1, attrs) : NULL;
}

mc_value *mc_onnx_op2(node *n, mc_opcode op, mc_value *a, mc_value *b, const void *attrs) {
  return a && b ? mc_build1(&n->im->b, op, (mc_value *[]){ a, b }, 2, attrs) : NULL;
}

mc_value *mc_onnx_as(node *n, mc_opcode op, mc_value *a, mc_dtype dtype) {
  if (!a || a->type->dtype == dtype) return a;
  const mc_type *t = mc_type_make(n->im->m, dtype, 0, NULL);
  return mc_build1_as(&n->im->b, op, &a, 1, NULL, t);
}

mc_value *mc_onnx_transpose(node *n, mc_value *x, const int *perm) {
  if (!x) return NULL;
  int64_t p[MC_MAX_RANK];
  bool same = true, inverse = x->def && x->def->op == MC_OP_transpose;
  for (int i = 0; i < x->type->rank; i++) {
    p[i] = perm[i];
    same &= perm[i] == i;
    inverse = inverse && MC_ATTRS(x->def, transpose)->perm.v[perm[i]] == i;
  }
  if (same) return x;
  if (inverse) return x->def->in[0]; /* what the importer itself put there a moment ago */
  mc_attrs_transpose a = { .perm = { p, x->type->rank } };
  return mc_onnx_op1(n, MC_OP_transpose, x, &a);
}

mc_value *mc_onnx_reshape(node *n, mc_value *x, int rank, const int64_t *dim) {
  if (!x) return NULL;
  if (x->type->rank == rank && !memcmp(x->type->dim, dim, (size_t)rank * sizeof *dim)) return x;
  int64_t d[MC_MAX_RANK];
  for (int i = 0; i < rank; i++) d[i] = dim[i];
  mc_attrs_reshape a = { .shape = { d, rank } };
  return mc_onnx_op1(n, MC_OP_reshape, x, &a);
}

mc_value *mc_onnx_bcast(node *n, mc_value *x, int rank, const int64_t *dim) {
  if (!x) return NULL;
  if (x->type->rank == rank && !memcmp(x->type->dim, dim, (size_t)rank * sizeof *dim)) return x;
  int64_t d[MC_MAX_RANK];
  for (int i = 0; i < rank; i++) d[i] = dim[i];
  mc_attrs_broadcast a = { .shape = { d, rank } };
  return mc_onnx_op1(n, MC_OP_broadcast, x, &a);
}

mc_value *mc_onnx_reduce(node *n, mc_opcode op, mc_value *x, const bool *mask, bool keepdims) {
  if (!x) return NULL;
  int64_t axes[MC_MAX_RANK];
  int k = 0;
  for (int i = 0; i < x->type->rank; i++)
    if (mask[i]) axes[k++] = i;
  if (!k) return x;
  mc_attrs_reduce_mean a = { .axes = { axes, k },
                             .keepdims =
                                 keepdims }; /* the three reductions have the same attributes */
  _Static_assert(sizeof(mc_attrs_reduce_mean) == sizeof(mc_attrs_reduce_max) &&
                     sizeof(mc_attrs_reduce_mean) == sizeof(mc_attrs_reduce_sum),
                 "one layout");
  return mc_onnx_op1(n, op, x, &a);
}

mc_value *mc_onnx_pad(node *n, mc_value *x, const int64_t *before, const int64_t *after, int mode,
                      float value) {
  if (!x) return NULL;
  int64_t b[MC_MAX_RANK], e[MC_MAX_RANK], any = 0;
  for (int i = 0; i < x->type->rank; i++) b[i] = before[i], e[i] = after[i], any |= b[i] | e[i];
  if (!any) return x;
  mc_attrs_pad a = {
    .before = { b, x->type->rank }, .after = { e, x->type->rank }, .mode = mode, .value = value
  };
  return mc_onnx_op1(n, MC_OP_pad, x, &a);
}

mc_value *mc_onnx_slice(node *n, mc_value *x, const int64_t *start, const int64_t *size,
                        const int64_t *step) {
  if (!x) return NULL;
  int64_t b[MC_MAX_RANK], s[MC_MAX_RANK], t[MC_MAX_RANK];
  int rank = x->type->rank;
  bool whole = true, unit = true;
  for (int i = 0; i < rank; i++) {
    b[i] = start[i], s[i] = size[i], t[i] = step[i];
    if (size[i] < 1)
      return mc_onnx_error(n, "%s: the result has no elements along axis %d", n->row->op, i), NULL;
    whole &= size[i] == x->type->dim[i] && step[i] == 1;
    unit &= step[i] == 1;
  }
  if (whole) return x;
  mc_attrs_slice a = { .starts = { b, rank },
                       .sizes = { s, rank },
                       .steps = { t, unit ? 0 : rank } };
  return mc_onnx_op1(n, MC_OP_slice, x, &a);
}

mc_value *mc_onnx_channel_last(node *n, mc_value *x, bool back) {
  if (!x) return NULL;
  int rank = x->type->rank, perm[MC_MAX_RANK];
  perm[0] = 0;
  for (int i = 1; i < rank; i++)
    perm[i] = back ? (i == 1 ? rank - 1 : i - 1) : (i == rank - 1 ? 1 : i + 1);
  return mc_onnx_transpose(n, x, perm);
}

mc_value *mc_onnx_to_nhwc(node *n, mc_value *x) {
  if (!x) return NULL;
  const int64_t *d = x->type->dim;
  if (x->type->rank == 3) x = mc_onnx_reshape(n, x, 4, (int64_t[]){ d[0], d[1], 1, d[2] });
  return mc_onnx_channel_last(n, x, false);
}

mc_value *mc_onnx_from_nhwc(node *n, mc_value *x, int rank) {
  x = mc_onnx_channel_last(n, x, true);
  if (!x || rank == 4) return x;
  const int64_t *d = x->type->dim;
  return mc_onnx_reshape(n, x, 3, (int64_t[]){ d[0], d[1], d[3] });
}
