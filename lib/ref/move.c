/* Ops that move elements: any element type, bytes are copied. */
#include "eval.h"

static size_t size_of(const mc_array *x) { return mc_dtype_size(x->type->dtype); }

static char *element(const mc_array *x, int64_t i) {
  return (char *)x->data + i * (int64_t)size_of(x);
}

bool mc_eval_reshape(mc_eval_cx *cx) {
  memcpy(cx->out[0].data, cx->in[0].data, (size_t)mc_type_bytes(cx->out[0].type));
  return true;
}

bool mc_eval_transpose(mc_eval_cx *cx) {
  const mc_type *y = cx->out[0].type;
  const mc_ints *perm = &MC_ATTRS(cx->node, transpose)->perm;
  int64_t from[MC_MAX_RANK], to[MC_MAX_RANK], own[MC_MAX_RANK];
  mc_strides(cx->in[0].type, own);
  mc_strides(y, to);
  for (int i = 0; i < y->rank; i++) from[i] = own[perm->v[i]];
  mc_copy_box(cx->out[0].data, to, cx->in[0].data, from, y->dim, y->rank, size_of(&cx->in[0]));
  return true;
}

bool mc_eval_broadcast(mc_eval_cx *cx) {
  const mc_type *y = cx->out[0].type;
  int64_t from[MC_MAX_RANK], to[MC_MAX_RANK];
  mc_broadcast_strides(cx->in[0].type, y, from);
  mc_strides(y, to);
  mc_copy_box(cx->out[0].data, to, cx->in[0].data, from, y->dim, y->rank, size_of(&cx->in[0]));
  return true;
}

bool mc_eval_slice(mc_eval_cx *cx) {
  const mc_attrs_slice *a = MC_ATTRS(cx->node, slice);
  const mc_type *y = cx->out[0].type;
  int64_t from[MC_MAX_RANK], to[MC_MAX_RANK], start = 0;
  mc_strides(cx->in[0].type, from);
  mc_strides(y, to);
  for (int i = 0; i < y->rank; i++) {
    start += a->starts.v[i] * from[i];
    from[i] *= a->steps.n ? a->steps.v[i] : 1;
  }
  mc_copy_box(cx->out[0].data, to, element(&cx->in[0], start), from, y->dim, y->rank,
              size_of(&cx->in[0]));
  return true;
}

bool mc_eval_split(mc_eval_cx *cx) {
  const mc_array *x = &cx->in[0];
  mc_cut cut = mc_cut_at(x->type, mc_axis(MC_ATTRS(cx->node, split)->axis, x->type->rank));
  int64_t at = 0;
  for (int k = 0; k < cx->nout; k++) {
    int64_t run = mc_type_elems(cx->out[k].type) / cut.outer;
    for (int64_t o = 0; o < cut.outer; o++)
      memcpy(element(&cx->out[k], o * run), element(x, o * cut.n * cut.inner + at),
             (size_t)run * size_of(x));
    at += run;
  }
  return true;
}

static bool same_elem(const mc_type *a, const mc_type *b) {
  return a->dtype == b->dtype && a->q.kind == b->q.kind &&
         (a->q.kind == MC_Q_NONE || (a->q.scale == b->q.scale && a->q.zero == b->q.zero));
}

bool mc_eval_concat(mc_eval_cx *cx) {
  mc_array *y = &cx->out[0];
  mc_cut cut = mc_cut_at(y->type, mc_axis(MC_ATTRS(cx->node, concat)->axis, y->type->rank));
  int64_t at = 0;
  for (int k = 0; k < cx->nin; k++) {
    const mc_array *x = &cx->in[k];
    int64_t run = mc_type_elems(x->type) / cut.outer;
    bool copy = same_elem(x->type, y->type);
    if (!copy && !(mc_is_act(x) && mc_is_act(y))) return mc_eval_no_form(cx);
    float m = copy ? 1 : x->type->q.scale / y->type->q.scale;
    for (int64_t o = 0; o < cut.outer; o++) {
      int64_t to = o * cut.n * cut.inner + at;
      if (copy)
        memcpy(element(y, to), element(x, o * run), (size_t)run * size_of(x));
      else
        for (int64_t i = 0; i < run; i++)
          mc_put_q(y, to + i, (float)mc_centered(x, o * run + i) * m);
    }
    at += run;
  }
  return true;
}

/* An index out of range reads the nearest element; -1 is the last. */
static int64_t index_in(int64_t i, int64_t n) {
  if (i < 0) i += n;
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

bool mc_eval_gather(mc_eval_cx *cx) {
  const mc_array *x = &cx->in[0], *index = &cx->in[1];
  mc_cut cut = mc_cut_at(x->type, mc_axis(MC_ATTRS(cx->node, gather)->axis, x->type->rank));
  int64_t n = mc_type_elems(index->type);
  for (int64_t o = 0; o < cut.outer; o++)
    for (int64_t i = 0; i < n; i++) {
      int64_t from = (o * cut.n + index_in(mc_int_at(index, i), cut.n)) * cut.inner;
      memcpy(element(&cx->out[0], (o * n + i) * cut.inner), element(x, from),
             (size_t)cut.inner * size_of(x));
    }
  return true;
}

/* ---- pad ---- */
/* Input index of output index o along an axis of n elements; -1: border. */
static int64_t pad_source(mc_e_padmode mode, int64_t o, int64_t before, int64_t n) {
  int64_t i = o - before;
  if (i >= 0 && i < n) return i;
  switch (mode) {
  case mc_padmode_edge: return i < 0 ? 0 : n - 1;
  case mc_padmode_reflect: return i < 0 ? -i : 2 * (n - 1) - i;
  case mc_padmode_constant:
  case mc_padmode_count_: break;
  }
  return -1;
}

/* Element 0 of `cell`, an array of one element of y's type, becomes the border's value. */
static void border_value(mc_array *cell, float value) {
  const mc_type *t = cell->type;
  if (mc_dtype_is_float(t->dtype))
    mc_float_put(cell, 0, (double)value);
  else if (mc_is_act(cell))
    mc_put_q(cell, 0, value / t->q.scale);
  else if (t->q.kind == MC_Q_TENSOR) {
    int saturated;
    mc_int_put(cell, 0, mc_fx_quantize_i32(value, t->q.scale, &saturated) + (int64_t)t->q.zero);
  } else
    mc_int_put(cell, 0, (int64_t)value);
}

bool mc_eval_pad(mc_eval_cx *cx) {
  const mc_attrs_pad *a = MC_ATTRS(cx->node, pad);
  const mc_type *x = cx->in[0].type, *y = cx->out[0].type;
  int64_t stride[MC_MAX_RANK], space = 0;
  mc_array cell = { y, &space };
  border_value(&cell, a->value);
  mc_strides(x, stride);
  for (int64_t i = 0, n = mc_type_elems(y); i < n; i++) {
    int64_t rest = i, from = 0;
    bool border = false;
    for (int k = y->rank - 1; k >= 0; k--) {
      int64_t s = pad_source((mc_e_padmode)a->mode, rest % y->dim[k], a->before.v[k], x->dim[k]);
      border = border || s < 0;
      from += s * stride[k];
      rest /= y->dim[k];
    }
    memcpy(element(&cx->out[0], i), border ? (char *)&space : element(&cx->in[0], from),
           size_of(&cx->in[0]));
  }
  return true;
}
