/* Moving elements: transpose, concat, split, slice, gather, expand, tile, pad, depth and space. On
 * constants the elements are moved here. */
#include "imp.h"
#include <string.h>

static bool moved(node *n, int i, const val *x, mc_value *v) {
  mc_onnx_give(n, i, x->etype, v);
  return v != NULL;
}

static bool moved_folded(node *n, int i, folded *k) {
  mc_onnx_give_folded(n, i, k);
  return k != NULL;
}

/* A result without elements is known, whatever it is made of: Concat leaves it out, other readers
 * are refused. */
static bool empty(node *n, int i, const val *x, const int64_t *dim) {
  return moved_folded(n, i, mc_folded_new(n, x->etype, x->rank, dim));
}

/* ---- transpose ---- */
static bool permute(node *n, val *x, const int *perm) {
  if (!x->k) return moved(n, 0, x, mc_onnx_transpose(n, x->v, perm));
  int64_t stride[MC_MAX_RANK], dim[MC_MAX_RANK], st[MC_MAX_RANK];
  mc_onnx_strides(x->rank, x->dim, stride);
  for (int i = 0; i < x->rank; i++) dim[i] = x->dim[perm[i]], st[i] = stride[perm[i]];
  return moved_folded(n, 0, mc_folded_strided(n, x->k, x->rank, dim, st, 0));
}

bool mc_onnx_transpose_op(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  const int64_t *v;
  size_t k;
  int perm[MC_MAX_RANK];
  for (int i = 0; i < x->rank; i++) perm[i] = x->rank - 1 - i;
  if (mc_onnx_attr_ints(n, "perm", &v, &k)) {
    bool mask[MC_MAX_RANK];
    if (k != (size_t)x->rank)
      return mc_onnx_error(n, "Transpose: perm has %zu values, the operand rank %d", k, x->rank);
    if (!mc_onnx_axes(n, v, (int64_t)k, x->rank, mask)) return false;
    for (int i = 0; i < x->rank; i++) perm[i] = (int)(v[i] < 0 ? v[i] + x->rank : v[i]);
  }
  return permute(n, x, perm);
}

/* ---- concat, split ---- */
static folded *concat_known(node *n, val *const *x, int count, int axis, const int64_t *dim) {
  folded *r = mc_folded_new(n, x[0]->etype, x[0]->rank, dim);
  if (!r) return NULL;
  int64_t outer = mc_onnx_prod(dim, 0, axis),
          inner = mc_onnx_prod(dim, axis + 1, x[0]->rank) * mc_folded_elem(r);
  char *to = r->data;
  for (int64_t o = 0; o < outer; o++)
    for (int i = 0; i < count; i++) {
      size_t bytes = (size_t)(x[i]->dim[axis] * inner);
      if (bytes) memcpy(to, (const char *)x[i]->k->data + (size_t)o * bytes, bytes);
      to += bytes;
    }
  return r;
}

/* The first operand that has elements, else the first. */
static const val *reference(const node *n) {
  for (int i = 0; i < n->nin; i++)
    if (mc_onnx_count(n->in[i]->rank, n->in[i]->dim)) return n->in[i];
  return n->in[0];
}

/* [0], as the empty list of older exporters, fits every shape. */
static bool is_nothing(const val *v) { return v->rank == 1 && v->dim[0] == 0; }

bool mc_onnx_concat(node *n, int arg) {
  (void)arg;
  int axis = 0, count = 0;
  val **x = MC_NEWN(n->im->arena, val *, n->nin);
  bool known = true;
  for (int i = 0; i < n->nin; i++) {
    if (!n->in[i]) return mc_onnx_error(n, "Concat: operand %d is left out", i);
    known &= n->in[i]->k != NULL;
  }
  const val *a = reference(n);
  if (!mc_onnx_attr(n, "axis") && n->im->opset >= 4)
    return mc_onnx_error(n, "Concat: attribute 'axis' is missing");
  if (!mc_onnx_axis(n, mc_onnx_attr_i(n, "axis", 1), a->rank, &axis)) return false;
  int64_t dim[MC_MAX_RANK];
  memcpy(dim, a->dim, sizeof dim);
  dim[axis] = 0;
  for (int i = 0; i < n->nin; i++) {
    val *b = n->in[i];
    if (is_nothing(b) && a->rank != 1) continue;
    bool fits = b->rank == a->rank && b->etype == a->etype;
    for (int d = 0; fits && d < a->rank; d++) fits = d == axis || b->dim[d] == a->dim[d];
    if (!fits)
      return mc_onnx_error(
          n, "Concat: operand %d is %s %s, another one %s %s", i, mc_onnx_etype_name(b->etype),
          mc_onnx_dims(n->im->arena, b->rank, b->dim), mc_onnx_etype_name(a->etype),
          mc_onnx_dims(n->im->arena, a->rank, a->dim));
    dim[axis] += b->dim[axis];
    if (dim[axis] > ONNX_MAX_DIM) return mc_onnx_error(n, "Concat: the result is too large");
    if (b->dim[axis] || known) x[count++] = b; /* empty operands only exist as constants */
  }
  if (known) return moved_folded(n, 0, concat_known(n, x, count, axis, dim));
  if (count == 1) return mc_onnx_give_val(n, 0, x[0]), true;
  mc_value **in = MC_NEWN(n->im->arena, mc_value *, count);
  for (int i = 0; i < count; i++)
    if (!(in[i] = mc_onnx_value(n, x[i]))) return false;
  return moved(n, 0, a,
               mc_build1(&n->im->b, MC_OP_concat, in, count, &(mc_attrs_concat){ .axis = axis }));
}

/* Part of x: `size` elements of each axis from `start` by `step`. */
static bool part(node *n, int i, val *x, const int64_t *start, const int64_t *size,
                 const int64_t *step) {
  if (!mc_onnx_count(x->rank, size)) return empty(n, i, x, size);
  if (!x->k) return moved(n, i, x, mc_onnx_slice(n, x->v, start, size, step));
  int64_t stride[MC_MAX_RANK], at = 0;
  mc_onnx_strides(x->rank, x->dim, stride);
  for (int a = 0; a < x->rank; a++) {
    at += size[a] ? start[a] * stride[a] : 0;
    stride[a] *= step[a];
  }
  return moved_folded(n, i, mc_folded_strided(n, x->k, x->rank, size, stride, at));
}

/* Sizes: attribute `split` or an operand; or equal parts, num_outputs (opset 18) leaving a smaller
 * last one. */
static bool split_sizes(node *n, int64_t total, int64_t **size, int64_t *k) {
  const int64_t *v;
  size_t len;
  if (mc_onnx_attr_ints(n, "split", &v, &len)) {
    *size = mc_arena_copy(n->im->arena, v, len * sizeof *v);
    *k = (int64_t)len;
    return true;
  }
  if (n->nin > 1 && n->in[1]) return mc_onnx_known_ints(n, 1, "the sizes", size, k);
  *k = mc_onnx_attr_i(n, "num_outputs", n->nout);
  if (*k < 1 || *k != n->nout)
    return mc_onnx_error(n, "Split: num_outputs is %lld, the node has %d outputs", (long long)*k,
                         n->nout);
  *size = MC_NEWN(n->im->arena, int64_t, *k);
  int64_t each = (total + *k - 1) / *k;
  for (int64_t i = 0; i < *k; i++) (*size)[i] = i < *k - 1 ? each : total - each * (*k - 1);
  return true;
}

static bool split_computed(node *n, val *x, int axis, const int64_t *size) {
  int64_t *some = MC_NEWN(n->im->arena, int64_t, n->nout), dim[MC_MAX_RANK];
  int k = 0;
  memcpy(dim, x->dim, sizeof dim);
  dim[axis] = 0;
  for (int i = 0; i < n->nout; i++)
    if (size[i]) some[k++] = size[i];
  mc_node *s = k == 1 ? NULL
                      : mc_build(&n->im->b, MC_OP_split, &x->v, 1,
                                 &(mc_attrs_split){ .axis = axis, .sizes = { some, k } });
  if (!s && k > 1) return false;
  for (int i = 0, j = 0; i < n->nout; i++) {
    if (!size[i] && !empty(n, i, x, dim)) return false;
    if (size[i] && s) mc_onnx_give(n, i, x->etype, s->out[j++]);
    if (size[i] && !s) mc_onnx_give_val(n, i, x);
  }
  return true;
}

bool mc_onnx_split(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int axis = 0;
  int64_t *size, k, sum = 0;
  if (!mc_onnx_axis(n, mc_onnx_attr_i(n, "axis", 0), x->rank, &axis) ||
      !split_sizes(n, x->dim[axis], &size, &k))
    return false;
  for (int64_t i = 0; i < k && sum <= x->dim[axis]; i++) {
    if (size[i] < 0 || size[i] > x->dim[axis])
      return mc_onnx_error(n, "Split: part %lld has size %lld", (long long)i, (long long)size[i]);
    sum += size[i];
  }
  if (sum != x->dim[axis] || k != n->nout)
    return mc_onnx_error(n, "Split: %lld sizes with sum %lld for %d outputs and an axis of %lld",
                         (long long)k, (long long)sum, n->nout, (long long)x->dim[axis]);
  if (!x->k) return split_computed(n, x, axis, size);
  int64_t start[MC_MAX_RANK] = { 0 }, dim[MC_MAX_RANK],
          one[MC_MAX_RANK] = { 1, 1, 1, 1, 1, 1, 1, 1 };
  memcpy(dim, x->dim, sizeof dim);
  for (int i = 0; i < n->nout; i++) {
    dim[axis] = size[i];
    if (n->out[i] && !part(n, i, x, start, dim, one)) return false;
    start[axis] += size[i];
  }
  return true;
}

/* ---- slice ---- */
/* Normalize one axis as numpy does; the result may be empty. */
static void slice_axis(int64_t dim, int64_t s, int64_t e, int64_t step, int64_t *start,
                       int64_t *size) {
  int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
  if (s < 0) s = s < -dim ? low : s + dim;
  if (e < 0) e = e < -dim ? low : e + dim;
  s = s < low ? low : s > high ? high : s;
  e = e < low ? low : e > high ? high : e;
  int64_t span = step > 0 ? e - s : s - e, mag = step > 0            ? step
                                                 : step == INT64_MIN ? INT64_MAX
                                                                     : -step;
  *start = s;
  *size = span <= 0 ? 0 : (span - 1) / mag + 1;
}

/* starts, ends, axes: attributes before opset 10, operands since (with steps). */
static bool slice_lists(node *n, int64_t *list[4], int64_t len[4]) {
  static const char *const names[4] = { "starts", "ends", "axes", "steps" };
  for (int i = 0; i < 4; i++) {
    const int64_t *v;
    size_t k;
    len[i] = -1;
    if (mc_onnx_attr_ints(n, names[i], &v, &k)) {
      list[i] = mc_arena_copy(n->im->arena, v, k * sizeof *v);
      len[i] = (int64_t)k;
    } else if (n->nin > i + 1 && n->in[i + 1] &&
               !mc_onnx_known_ints(n, i + 1, names[i], &list[i], &len[i])) {
      return false;
    }
  }
  if (len[0] < 0 || len[1] < 0) return mc_onnx_error(n, "Slice: starts or ends are missing");
  for (int i = 1; i < 4; i++)
    if (len[i] >= 0 && len[i] != len[0])
      return mc_onnx_error(n, "Slice: %lld starts, but %lld %s", (long long)len[0],
                           (long long)len[i], names[i]);
  return true;
}

bool mc_onnx_slice_op(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int64_t *list[4] = { NULL }, len[4], start[MC_MAX_RANK] = { 0 }, size[MC_MAX_RANK],
          step[MC_MAX_RANK];
  bool seen[MC_MAX_RANK] = { false };
  if (!slice_lists(n, list, len)) return false;
  for (int i = 0; i < MC_MAX_RANK; i++) size[i] = x->dim[i], step[i] = 1;
  for (int64_t i = 0; i < len[0]; i++) {
    int a = 0;
    if (!mc_onnx_axis(n, len[2] >= 0 ? list[2][i] : i, x->rank, &a)) return false;
    if (seen[a]) return mc_onnx_error(n, "Slice: axis %d is given twice", a);
    seen[a] = true;
    step[a] = len[3] >= 0 ? list[3][i] : 1;
    if (!step[a]) return mc_onnx_error(n, "Slice: a step of 0");
    slice_axis(x->dim[a], list[0][i], list[1][i], step[a], &start[a], &size[a]);
    if (size[a] <= 1)
      step[a] = 1; /* whatever the file says there; keeps products of steps and sizes small */
  }
  return part(n, 0, x, start, size, step);
}

/* ---- gather ---- */
static bool gather_known(node *n, const val *x, const val *index, int axis, int rank,
                         const int64_t *dim) {
  folded *r = mc_folded_new(n, x->etype, rank, dim);
  if (!r) return false;
  int64_t outer = mc_onnx_prod(x->dim, 0, axis),
          inner = mc_onnx_prod(x->dim, axis + 1, x->rank) * mc_folded_elem(r), len = x->dim[axis];
  char *to = r->data;
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < index->k->n; i++, to += inner) {
      int64_t j = mc_folded_int(index->k, i);
      if (j < -len || j >= len)
        return mc_onnx_error(n, "Gather: index %lld, the axis has size %lld", (long long)j,
                             (long long)len);
      if (inner)
        memcpy(to, (const char *)x->k->data + (o * len + (j < 0 ? j + len : j)) * inner,
               (size_t)inner);
    }
  return moved_folded(n, 0, r);
}

bool mc_onnx_gather(node *n, int arg) {
  (void)arg;
  val *x = n->in[0], *index = n->in[1];
  int axis = 0, rank = 0;
  if (!mc_onnx_axis(n, mc_onnx_attr_i(n, "axis", 0), x->rank, &axis)) return false;
  if (x->rank - 1 + index->rank > MC_MAX_RANK)
    return mc_onnx_error(n, "Gather: the result has rank %d: at most %d is supported",
                         x->rank - 1 + index->rank, MC_MAX_RANK);
  if (index->etype != ONNX_INT64 && index->etype != ONNX_INT32)
    return mc_onnx_error(n, "Gather: indices of type %s", mc_onnx_etype_name(index->etype));
  int64_t dim[MC_MAX_RANK];
  for (int i = 0; i < axis; i++) dim[rank++] = x->dim[i];
  for (int i = 0; i < index->rank; i++) dim[rank++] = index->dim[i];
  for (int i = axis + 1; i < x->rank; i++) dim[rank++] = x->dim[i];
  if (!mc_onnx_count(rank, dim)) return moved_folded(n, 0, mc_folded_new(n, x->etype, rank, dim));
  if (x->k && index->k) return gather_known(n, x, index, axis, rank, dim);
  if (index->k && index->k->n == 1) { /* one known index: a slice */
    int64_t j = mc_folded_int(index->k, 0), start[MC_MAX_RANK] = { 0 }, size[MC_MAX_RANK],
            one[MC_MAX_RANK] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    if (j < -x->dim[axis] || j >= x->dim[axis])
      return mc_onnx_error(n, "Gather: index %lld, the axis has size %lld", (long long)j,
                           (long long)x->dim[axis]);
    memcpy(size, x->dim, sizeof size);
    start[axis] = j < 0 ? j + x->dim[axis] : j, size[axis] = 1;
    return moved(
        n, 0, x,
        mc_onnx_reshape(n, mc_onnx_slice(n, mc_onnx_value(n, x), start, size, one), rank, dim));
  }
  return moved(n, 0, x,
               mc_onnx_op2(n, MC_OP_gather, mc_onnx_value(n, x), mc_onnx_value(n, index),
                           &(mc_attrs_gather){ .axis = axis }));
}

/* ---- repeating ---- */
bool mc_onnx_expand(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int64_t *want, k, dim[MC_MAX_RANK];
  int rank;
  if (!mc_onnx_known_ints(n, 1, "the shape", &want, &k)) return false;
  if (k > MC_MAX_RANK)
    return mc_onnx_error(n, "Expand: rank %lld: at most %d is supported", (long long)k,
                         MC_MAX_RANK);
  for (int64_t i = 0; i < k; i++)
    if (want[i] < 0 || want[i] > ONNX_MAX_DIM)
      return mc_onnx_error(n, "Expand: size %lld is out of range", (long long)want[i]);
  if (!mc_onnx_broadcast(n, x->rank, x->dim, (int)k, want, &rank, dim)) return false;
  if (!mc_onnx_count(rank, dim)) return moved_folded(n, 0, mc_folded_new(n, x->etype, rank, dim));
  if (!x->k) return moved(n, 0, x, mc_onnx_bcast(n, x->v, rank, dim));
  int64_t stride[MC_MAX_RANK], st[MC_MAX_RANK];
  mc_onnx_strides(x->rank, x->dim, stride);
  for (int i = 0; i < rank; i++) {
    int j = i - (rank - x->rank);
    st[i] = j < 0 || x->dim[j] == 1 ? 0 : stride[j];
  }
  return moved_folded(n, 0, mc_folded_strided(n, x->k, rank, dim, st, 0));
}

/* Before opset 6: tiles along one axis. */
static bool one_axis(node *n, int64_t **times, int64_t *k) {
  int64_t *axis, len;
  int a = 0;
  if (n->nin < 3 || !n->in[2])
    return mc_onnx_error(n, "Tile: the axis is missing (opset %lld)", (long long)n->im->opset);
  if (!mc_onnx_known_ints(n, 2, "the axis", &axis, &len)) return false;
  if (len != 1 || *k != 1)
    return mc_onnx_error(n, "Tile: %lld tiles and %lld axes, expected one of each", (long long)*k,
                         (long long)len);
  if (!mc_onnx_axis(n, axis[0], n->in[0]->rank, &a)) return false;
  int64_t tiles = (*times)[0];
  *k = n->in[0]->rank;
  *times = MC_NEWN(n->im->arena, int64_t, *k);
  for (int i = 0; i < *k; i++) (*times)[i] = i == a ? tiles : 1;
  return true;
}

/* [a, b] tiled by [r, s]: [1, a, 1, b] -> [r, a, s, b] -> [r * a, s * b] */
bool mc_onnx_tile(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int64_t *times, k, inner[MC_MAX_RANK], wide[MC_MAX_RANK], dim[MC_MAX_RANK];
  int rank = 0;
  if (!mc_onnx_known_ints(n, 1, "repeats", &times, &k) ||
      (n->im->opset < 6 && !one_axis(n, &times, &k)))
    return false;
  if (k != x->rank)
    return mc_onnx_error(n, "Tile: %lld repeats, the operand has rank %d", (long long)k, x->rank);
  for (int i = 0; i < x->rank; i++) {
    if (times[i] < 1 || times[i] > ONNX_MAX_DIM ||
        times[i] * (x->dim[i] ? x->dim[i] : 1) > ONNX_MAX_DIM)
      return mc_onnx_error(n, "Tile: repeats %lld is out of range", (long long)times[i]);
    dim[i] = times[i] * x->dim[i];
    if (rank + 2 > MC_MAX_RANK && times[i] > 1) return mc_onnx_error(n, "Tile: too many axes");
    if (times[i] > 1) inner[rank] = 1, wide[rank++] = times[i];
    if (rank == MC_MAX_RANK) return mc_onnx_error(n, "Tile: too many axes");
    inner[rank] = x->dim[i], wide[rank++] = x->dim[i];
  }
  mc_value *v = mc_onnx_value(n, x);
  return moved(n, 0, x,
               mc_onnx_reshape(n, mc_onnx_bcast(n, mc_onnx_reshape(n, v, rank, inner), rank, wide),
                               x->rank, dim));
}

/* ---- pad ---- */
static bool pad_mode(node *n, int *mode) {
  const char *s = mc_onnx_attr_s(n, "mode", "constant");
  *mode = !strcmp(s, "constant")  ? mc_padmode_constant
          : !strcmp(s, "edge")    ? mc_padmode_edge
          : !strcmp(s, "reflect") ? mc_padmode_reflect
                                  : -1;
  return *mode >= 0 ||
         mc_onnx_error(n, "Pad: mode '%s' is not supported", mc_onnx_clean(n->im->arena, s));
}

/* All begins, then all ends, for the axes named (opset 18) or for all; attribute before opset 11.
 */
static bool pad_lists(node *n, int rank, int64_t *before, int64_t *after) {
  const int64_t *list;
  int64_t *v, *axes, k, naxes = -1;
  size_t len;
  if (mc_onnx_attr_ints(n, n->im->opset < 2 ? "paddings" : "pads", &list, &len))
    v = mc_arena_copy(n->im->arena, list, len * sizeof *list), k = (int64_t)len;
  else if (n->nin < 2 || !n->in[1])
    return mc_onnx_error(n, "Pad: pads are missing");
  else if (!mc_onnx_known_ints(n, 1, "pads", &v, &k))
    return false;
  bool mask[MC_MAX_RANK];
  if (n->nin > 3 && n->in[3] &&
      (!mc_onnx_known_ints(n, 3, "the axes", &axes, &naxes) ||
       !mc_onnx_axes(n, axes, naxes, rank, mask)))
    return false;
  if (naxes < 0) naxes = rank, axes = NULL;
  if (k != 2 * naxes)
    return mc_onnx_error(n, "Pad: %lld pads for %lld axes", (long long)k, (long long)naxes);
  for (int64_t i = 0; i < naxes; i++) {
    int a = axes ? (int)(axes[i] < 0 ? axes[i] + rank : axes[i]) : (int)i;
    before[a] = v[i], after[a] = v[naxes + i];
    if (before[a] < -ONNX_MAX_DIM || before[a] > ONNX_MAX_DIM || after[a] < -ONNX_MAX_DIM ||
        after[a] > ONNX_MAX_DIM)
      return mc_onnx_error(n, "Pad: pads of axis %d are out of range", a);
  }
  return true;
}

bool mc_onnx_pad_op(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int mode;
  int64_t before[MC_MAX_RANK] = { 0 }, after[MC_MAX_RANK] = { 0 }, start[MC_MAX_RANK],
          size[MC_MAX_RANK], one[MC_MAX_RANK];
  if (!pad_mode(n, &mode) || !pad_lists(n, x->rank, before, after)) return false;
  float value = mc_onnx_attr_f(n, "value", 0);
  if (n->nin > 2 && n->in[2] && !mc_onnx_known_f32(n->in[2], &value))
    return mc_onnx_error(n, "Pad: the value must be a known number");
  for (int i = 0; i < x->rank; i++) { /* negative pads cut */
    start[i] = before[i] < 0 ? -before[i] : 0, one[i] = 1;
    size[i] = x->dim[i] - start[i] - (after[i] < 0 ? -after[i] : 0);
    if (before[i] < 0) before[i] = 0;
    if (after[i] < 0) after[i] = 0;
  }
  return moved(n, 0, x,
               mc_onnx_pad(n, mc_onnx_slice(n, mc_onnx_value(n, x), start, size, one), before,
                           after, mode, value));
}

/* ---- depth and space ---- */
bool mc_onnx_depth_space(node *n, int to_space) {
  val *x = n->in[0];
  int64_t b = mc_onnx_attr_i(n, "blocksize", 0);
  const char *mode = mc_onnx_attr_s(n, "mode", "DCR");
  bool crd = !strcmp(mode, "CRD");
  if (x->rank != 4)
    return mc_onnx_error(n, "%s: an operand of rank %d, expected 4", n->row->op, x->rank);
  if (!crd && strcmp(mode, "DCR"))
    return mc_onnx_error(n, "%s: mode '%s' is not known", n->row->op,
                         mc_onnx_clean(n->im->arena, mode));
  int64_t N = x->dim[0], C = x->dim[1], H = x->dim[2], W = x->dim[3];
  if (b < 1 || b > 1024 || (to_space ? C % (b * b) : H % b || W % b))
    return mc_onnx_error(n, "%s: blocksize %lld does not fit %s", n->row->op, (long long)b,
                         mc_onnx_dims(n->im->arena, 4, x->dim));
  mc_value *v = mc_onnx_value(n, x);
  if (to_space) {
    int64_t c = C / (b * b);
    v = crd ? mc_onnx_transpose(n, mc_onnx_reshape(n, v, 6, (int64_t[]){ N, c, b, b, H, W }),
                                (int[]){ 0, 1, 4, 2, 5, 3 })
            : mc_onnx_transpose(n, mc_onnx_reshape(n, v, 6, (int64_t[]){ N, b, b, c, H, W }),
                                (int[]){ 0, 3, 4, 1, 5, 2 });
    return moved(n, 0, x, mc_onnx_reshape(n, v, 4, (int64_t[]){ N, c, H * b, W * b }));
  }
  v = mc_onnx_transpose(n, mc_onnx_reshape(n, v, 6, (int64_t[]){ N, C, H / b, b, W / b, b }),
                        (int[]){ 0, 3, 5, 1, 2, 4 });
  return moved(n, 0, x, mc_onnx_reshape(n, v, 4, (int64_t[]){ N, C * b * b, H / b, W / b }));
}
