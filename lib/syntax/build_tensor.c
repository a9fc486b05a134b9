/* Tensors: the weights file, the data section, and the types that name them. */
#include "build.h"
#include "mc/support/suggest.h"
#include <inttypes.h>
#include <string.h>

/* ---- the weights file ---- */

static bool mappable(const mc_st_entry *e, mc_dtype *t) {
  if (!mc_dtype_from_st(e->dtype_name, t) || e->rank > MC_MAX_RANK) return false;
  for (int i = 0; i < e->rank; i++)
    if (e->dim[i] < 1) return false;
  return true;
}

/* bool data may hold nothing but 0 and 1: C code reads it as such. */
static bool check_bools(mir_build *b, const mc_st_entry *e, mc_loc at) {
  for (size_t i = 0; i < e->size; i++)
    if (((const unsigned char *)e->data)[i] > 1)
      return mc_error(b->p.diag, at,
                      "tensor '%s' of the weights file: a bool that is neither 0 nor 1", e->name);
  return true;
}

static void map_weights(mir_build *b) {
  const ast_file *f = b->p.file;
  mc_module *m = b->m;
  mc_loc at = mir_loc(&b->p, f->weights);
  if (!(m->weights_file = mir_string(&b->p, f->weights, m->arena))) return;
  const char *path = m->weights_file[0] == '/'
                         ? m->weights_file
                         : mc_arena_printf(m->arena, "%s/%s", m->dir, m->weights_file);
  mc_st_file *st = mc_st_open(path, m->arena, b->p.diag, at);
  if (!st) {
    b->weights_failed = true;
    return;
  }
  MC_PUSH(m->arena, &m->blobs, st->blob);
  for (size_t i = 0; i < st->n; i++) {
    const mc_st_entry *e = &st->entry[i];
    mc_dtype t;
    if (!mappable(e, &t) || (t == MC_bool && !check_bools(b, e, at)))
      continue; /* an error only for who names it */
    mc_tensor *x = mc_tensor_map(m, e->name, t, e->rank, e->dim, e->data, e->size, m->weights_file);
    if (x) x->loc = at; /* else the data section has it, which hides the file's */
  }
}

/* ---- the data section ---- */

static const mc_type *data_type(mir_build *b, const ast_data *d) {
  const mc_type *t = mir_build_type(b, d->type);
  if (t && mc_type_is_quant(t))
    return mc_error(b->p.diag, mir_loc(&b->p, d->type->at),
                    "a tensor's own type has no quantization; write that where it is used"),
           NULL;
  return t;
}

/* The place in the text of byte `at` of the joined strings. */
static mir_span joined_place(const ast_data *d, size_t at) {
  for (size_t i = 0; i < d->strings->list.n; i++) {
    mir_span s = d->strings->list.v[i];
    size_t n = s.end - s.begin - 2;
    if (at < n) return (mir_span){ s.begin + 1u + (uint32_t)at, s.begin + 2u + (uint32_t)at };
    at -= n;
  }
  mir_span last = d->strings->list.v[d->strings->list.n - 1];
  return (mir_span){ last.end - 1, last.end };
}

static unsigned char *decode(mir_build *b, const ast_data *d, size_t *n) {
  mc_strbuf s = { 0 };
  for (size_t i = 0; i < d->strings->list.n; i++) {
    mir_span at = d->strings->list.v[i];
    mc_sb_write(&s, b->p.src->text + at.begin + 1, at.end - at.begin - 2);
  }
  size_t bad;
  unsigned char *p = mc_base64_decode(mc_sb_str(&s), s.n, n, b->p.arena, &bad);
  if (!p)
    mc_error(b->p.diag, mir_loc(&b->p, joined_place(d, bad)),
             bad == s.n ? "base64 text whose length is no multiple of 4" : "not base64");
  mc_sb_free(&s);
  return p;
}

static void build_data(mir_build *b, const ast_data *d) {
  char *name = mir_name(&b->p, d->name, b->p.arena);
  const mc_type *t = data_type(b, d);
  size_t n;
  unsigned char *bytes = decode(b, d, &n);
  if (!name || !t || !bytes) return;
  mc_tensor *old = mc_module_tensor(b->m, name);
  mc_loc at = mir_loc(&b->p, d->name);
  if (old) {
    mc_error(b->p.diag, at, "tensor @%s is defined twice", name);
    mc_note(b->p.diag, old->loc, "first defined here");
    return;
  }
  if ((int64_t)n != mc_type_bytes(t)) {
    mc_error(b->p.diag, at, "the type of @%s needs %" PRId64 " bytes, but the text has %zu", name,
             mc_type_bytes(t), n);
    return;
  }
  for (size_t i = 0; t->dtype == MC_bool && i < n; i++)
    if (bytes[i] > 1) {
      mc_error(b->p.diag, at, "a bool of @%s that is neither 0 nor 1", name);
      return;
    }
  void *data;
  mc_tensor *x = mc_tensor_create(b->m, name, t->dtype, t->rank, t->dim, &data);
  memcpy(data, bytes, n);
  x->loc = at;
}

void mir_build_tensors(mir_build *b) {
  const ast_file *f = b->p.file;
  for (size_t i = 0; i < f->data.n; i++) build_data(b, f->data.v[i]);
  if (f->weights.end) map_weights(b);
  if (f->calibration.end) b->m->calibration = mir_string(&b->p, f->calibration, b->m->arena);
}

mc_tensor *mir_find_tensor(mir_build *b, mir_span at) {
  char *name = mir_name(&b->p, at, b->p.arena);
  mc_tensor *t = name ? mc_module_tensor(b->m, name) : NULL;
  if (t || !name || b->weights_failed) return t;
  const char *near = NULL;
  for (size_t i = 0; i < b->m->tensors.n; i++)
    near = mc_suggest_better(name, near, b->m->tensors.entries[i].key);
  mc_loc loc = mir_loc(&b->p, at);
  if (near)
    mc_error(b->p.diag, loc, "unknown tensor @%s, did you mean @%s?", name, near);
  else
    mc_error(b->p.diag, loc, "unknown tensor @%s", name);
  if (b->m->weights_file)
    mc_note(b->p.diag, mir_loc(&b->p, b->p.file->weights),
            "neither the data section nor this file has it (with a supported type)");
  else
    mc_note(b->p.diag, loc,
            "the file has no 'weights' line, and its data section has no such tensor");
  return NULL;
}

/* ---- types ---- */

static bool dtype_of(mir_build *b, mir_span at, mc_dtype *out) {
  const char *s = mir_span_text(&b->p, at, b->p.arena);
  for (int i = 0; i < MC_NUM_DTYPES; i++)
    if (strcmp(mc_dtype_names[i], s) == 0) return *out = (mc_dtype)i, true;
  const char *near = mc_suggest(s, mc_dtype_names);
  if (near)
    return mc_error(b->p.diag, mir_loc(&b->p, at), "unknown element type '%s', did you mean '%s'?",
                    s, near);
  return mc_error(b->p.diag, mir_loc(&b->p, at), "unknown element type '%s'", s);
}

static bool per_tensor(mir_build *b, const ast_type *t, mc_quant *q) {
  int64_t zero;
  q->kind = MC_Q_TENSOR;
  q->scale = mir_span_f32(&b->p, t->scale);
  if (!mir_span_int(&b->p, t->zero, &zero) || zero != (int32_t)zero)
    return mc_error(b->p.diag, mir_loc(&b->p, t->zero), "the zero point does not fit into 32 bits");
  q->zero = (int32_t)zero;
  return true;
}

static bool per_axis(mir_build *b, const ast_type *t, mc_quant *q) {
  int64_t axis;
  q->kind = MC_Q_AXIS;
  if (!mir_span_int(&b->p, t->zero, &axis) || axis < 0 || axis >= MC_MAX_RANK)
    return mc_error(b->p.diag, mir_loc(&b->p, t->zero), "the axis must be 0 to 7");
  q->axis = (int)axis;
  q->scales = mir_find_tensor(b, t->scale);
  return q->scales != NULL;
}

static bool shape_of(mir_build *b, const ast_type *t, mc_type *out) {
  if (t->dims->list.n > MC_MAX_RANK)
    return mc_error(b->p.diag, mir_loc(&b->p, t->at), "more than 8 dimensions");
  out->rank = (int)t->dims->list.n;
  for (int i = 0; i < out->rank; i++)
    if (!mir_span_int(&b->p, t->dims->list.v[i], &out->dim[i]))
      return mc_error(b->p.diag, mir_loc(&b->p, t->dims->list.v[i]),
                      "the dimension does not fit into 64 bits");
  return true;
}

const mc_type *mir_build_type(mir_build *b, const ast_type *t) {
  mc_type proto = { .dtype = MC_f32 };
  if (!dtype_of(b, t->dtype, &proto.dtype) || !shape_of(b, t, &proto)) return NULL;
  if (t->quant == AST_PER_TENSOR && !per_tensor(b, t, &proto.q)) return NULL;
  if (t->quant == AST_PER_AXIS && !per_axis(b, t, &proto.q)) return NULL;
  const char *wrong = mc_type_check(&proto);
  if (wrong) return mc_error(b->p.diag, mir_loc(&b->p, t->at), "%s", wrong), NULL;
  return mc_type_intern(b->m, &proto);
}

void mir_build_range(mir_build *b, const ast_type *t, mc_value *v) {
  if (!t->has_range) return;
  v->range = (mc_range){ true, mir_span_f32(&b->p, t->lo), mir_span_f32(&b->p, t->hi) };
  if (!(v->range.lo <= v->range.hi))
    mc_error(b->p.diag, mir_loc(&b->p, t->range), "the range's low end is not below its high end");
}

const char *mir_build_source(mir_build *b, mir_span at) {
  return at.end ? mir_string(&b->p, at, b->m->arena) : NULL;
}
