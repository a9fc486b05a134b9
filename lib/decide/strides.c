#include "mc/decide/strides.h"

mc_strides mc_strides_dense(const mc_type *t) {
  mc_strides v = { .dtype = t->dtype, .rank = t->rank };
  int64_t s = (int64_t)mc_dtype_size(t->dtype);
  for (int d = t->rank - 1; d >= 0; d--) {
    v.stride[d] = s;
    s *= t->dim[d];
  }
  return v;
}

mc_strides mc_strides_transposed(mc_strides s, const mc_node *transpose, bool back) {
  const mc_ints *perm = &MC_ATTRS(transpose, transpose)->perm;
  mc_strides r = s;
  for (int d = 0; d < perm->n; d++)
    if (back)
      r.stride[perm->v[d]] = s.stride[d];
    else
      r.stride[d] = s.stride[perm->v[d]];
  return r;
}

mc_strides mc_strides_broadcast(mc_strides s, const mc_type *t, int rank, const int64_t *dim) {
  mc_strides r = s;
  r.rank = rank;
  for (int d = 0; d < rank; d++) {
    int at = d - (rank - t->rank);
    r.stride[d] = at < 0 || (t->dim[at] == 1 && dim[d] != 1) ? 0 : s.stride[at];
  }
  return r;
}

static bool mergeable(const int64_t *stride, int d, const int64_t *dim) {
  return stride[d] == stride[d + 1] * dim[d + 1] || dim[d] == 1;
}

int mc_collapse(int first, int rank, int64_t *dim, int64_t **stride, int n, int keep) {
  for (int d = keep - 2; d >= first; d--) {
    bool ok = true;
    if (dim[d + 1] == 1) { /* the inner of the two is empty: the outer one's strides stay */
      for (int j = 0; j < n; j++) stride[j][d + 1] = stride[j][d];
    } else {
      for (int j = 0; j < n && ok; j++) ok = mergeable(stride[j], d, dim);
    }
    if (!ok) continue;
    dim[d + 1] *= dim[d];
    for (int i = d; i + 1 < rank; i++) {
      dim[i] = dim[i + 1];
      for (int j = 0; j < n; j++) stride[j][i] = stride[j][i + 1];
    }
    rank--;
  }
  return rank;
}
