/* Views: from the plan's buffers and the module's constants to addresses. */
#include "lower.h"
#include <assert.h>
#include <stdarg.h>
#include <string.h>

bool kl_error(const kgroup *g, const mc_node *n, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_report(g->k->diag, MC_ERROR, (n ? n : g->group)->loc, fmt, ap);
  va_end(ap);
  return false;
}

mc_node *kl_first(const kgroup *g) { return mc_region_head(g->region); }

bool kl_single(const kgroup *g) {
  const mc_node *n = kl_first(g);
  if (n && n->next == g->region->last) return true;
  return kl_error(g, NULL, "a '%s' group has no lowering for ops after its first",
                  mc_group_family_text(g->group));
}

bool kl_inside(const kgroup *g, const mc_value *v) {
  return v->def && v->def->graph == g->region && !(mc_ops[v->def->op].traits & MC_T_CONST);
}

const mc_buffer *kl_buffer(const kgroup *g, const mc_value *v) {
  if (kl_inside(g, v)) {
    const mc_node *ret = g->region->last;
    for (int i = 0; i < ret->nin; i++)
      if (ret->in[i] == v) return mc_plan_buffer(g->plan, g->group->out[i]);
    return NULL;
  }
  return mc_plan_buffer(g->plan, v);
}

int64_t kl_elem(const kview *v) { return (int64_t)mc_dtype_size(v->dtype); }

/* Pointer i of the caller's table, loaded in the entry block. */
static V caller_pointer(kb *k, int64_t i) {
  BB cur = LLVMGetInsertBlock(k->b), entry = LLVMGetEntryBasicBlock(k->fn);
  V first = LLVMGetFirstInstruction(entry);
  if (first) LLVMPositionBuilderBefore(k->b, first);
  V p = kb_load(k, k->ptr, kb_gepi(k, LLVMGetParam(k->fn, 1), 8 * i), 8);
  LLVMPositionBuilderAtEnd(k->b, cur);
  return p;
}

/* Place `at` of the arena, as one instruction wherever it is: groups that differ in places alone
 * share code (codegen/share.c). */
static V arena_place(kb *k, int64_t at) {
  V n = kb_i64(k, at);
  return LLVMBuildInBoundsGEP2(k->b, k->i8, LLVMGetParam(k->fn, 0), &n, 1, "");
}

/* Where the value's first element is. */
static V origin(const kgroup *g, const mc_buffer *b) {
  const mc_plan *whole = g->plan->whole ? g->plan->whole : g->plan;
  if (b->place == MC_PLACE_ARENA) return arena_place(g->k, b->offset + b->base);
  return kb_gepi(
      g->k,
      caller_pointer(g->k, b->place == MC_PLACE_INPUT ? b->index : whole->graph->nin + b->index),
      b->base);
}

/* In a strip: bytes that image and step (the function's last parameters) are away from the first
 * ones; computed at the top, so that no loop does it again. */
static V away(kb *k, const mc_buffer *b) {
  BB cur = LLVMGetInsertBlock(k->b), entry = LLVMGetEntryBasicBlock(k->fn);
  V first = LLVMGetFirstInstruction(entry), step = LLVMGetParam(k->fn, 3);
  if (first) LLVMPositionBuilderBefore(k->b, first);
  if (b->lap) step = LLVMBuildURem(k->b, step, kb_i64(k, b->lap), "");
  V bytes =
      kb_add(k, kb_muli(k, LLVMGetParam(k->fn, 2), b->per_image), kb_muli(k, step, b->per_step));
  LLVMPositionBuilderAtEnd(k->b, cur);
  return bytes;
}

static kview buffer_view(const kgroup *g, const mc_buffer *b) {
  kview v = kl_at_base(mc_plan_strides(b), origin(g, b));
  if (b->per_image || b->per_step) v.base = kb_gep(g->k, v.base, away(g->k, b));
  return v;
}

kview kl_view(const kgroup *g, const mc_value *v) {
  const mc_tensor *c = mc_value_tensor(v);
  if (c) {
    kview w = kl_at_base(mc_strides_dense(v->type),
                         kb_rodata(g->k, c->data, c->size, MC_PLAN_SLACK, "const"));
    w.slack = true;
    return w;
  }
  const mc_buffer *b = kl_buffer(g, v);
  assert(b && "value without a place");
  return buffer_view(g, b);
}

static mc_strides strides_of(const kview *v) {
  mc_strides s = { .dtype = v->dtype, .rank = v->rank, .slack = v->slack };
  for (int d = 0; d < v->rank; d++) s.stride[d] = v->stride[d];
  return s;
}

kview kl_transposed(kview v, const mc_node *transpose, bool back) {
  return kl_at_base(mc_strides_transposed(strides_of(&v), transpose, back), v.base);
}

kview kl_operand(const kgroup *g, const mc_value *v) {
  if (!kl_inside(g, v) || v->def->op != MC_OP_transpose) return kl_view(g, v);
  return kl_transposed(kl_view(g, v->def->in[0]), v->def, false);
}

V kl_scratch(const kgroup *g) {
  int64_t at = g->plan->scratch_offset ? g->plan->scratch_offset[g->index] : -1;
  if (at < 0) return LLVMGetUndef(g->k->ptr);
  return arena_place(g->k, at);
}

kview kl_broadcast(kview v, const mc_type *t, int rank, const int64_t *dim) {
  return kl_at_base(mc_strides_broadcast(strides_of(&v), t, rank, dim), v.base);
}

V kl_at(kb *k, const kview *v, int rank, V const *iv, const int64_t *c) {
  V off = kb_i64(k, 0);
  int64_t fixed = 0;
  for (int d = 0; d < rank; d++) {
    if (c) fixed += c[d] * v->stride[d];
    if (iv[d] && v->stride[d]) off = kb_add(k, off, kb_muli(k, iv[d], v->stride[d]));
  }
  return kb_gepi(k, kb_gep(k, v->base, off), fixed);
}

/* ---- loads and stores in register form ---- */
T kl_mem_type(kb *k, mc_dtype t) {
  switch (mc_dtype_size(t)) {
  case 1: return k->i8;
  case 2: return k->i16;
  case 4: return t == MC_f32 ? k->f32 : k->i32;
  default: return k->i64;
  }
}

static V f64_bits(kb *k, V v, T to) {
  return LLVMBuildBitCast(k->b, v, kb_vt(k, to, kb_lanes(v)), "");
}

V kl_widen(kb *k, V mem, mc_dtype t) {
  if (t == MC_f32 || t == MC_i64) return mem;
  if (t == MC_f64) return f64_bits(k, mem, LLVMDoubleTypeInContext(k->c));
  if (t == MC_bf16) return kv_from_bf16(k, mem);
  if (t == MC_f16) return kv_from_f16(k, mem);
  return kb_ext(k, mem, k->i32, t == MC_i8 || t == MC_i16);
}

V kl_narrow(kb *k, V reg, mc_dtype t) {
  if (t == MC_bf16) return kv_to_bf16(k, reg);
  if (t == MC_f16) return kv_to_f16(k, reg);
  if (t == MC_f64) return f64_bits(k, reg, k->i64);
  return t == MC_f32 || t == MC_i64 ? reg : kb_trunc(k, reg, kl_mem_type(k, t));
}

V kl_load_mem(kb *k, V p, mc_dtype t, int64_t stride, int lanes, int valid, bool slack) {
  T et = kl_mem_type(k, t);
  int es = (int)mc_dtype_size(t);
  if (stride == es) {
    bool whole = valid >= lanes || (slack && (lanes - valid) * es <= MC_PLAN_SLACK);
    return whole ? kb_load(k, kb_vt(k, et, lanes), p, es)
                 : kb_load_part(k, et, p, lanes, valid, es);
  }
  V r = LLVMGetPoison(kb_vt(k, et, lanes));
  if (lanes == 1) return kb_load(k, et, p, es);
  for (int i = 0; i < lanes && i < valid; i++)
    r = LLVMBuildInsertElement(k->b, r, kb_load(k, et, kb_gepi(k, p, i * stride), es), kb_i32(k, i),
                               "");
  return r;
}

V kl_load(kb *k, V p, mc_dtype t, int64_t stride, int lanes, int valid, bool slack) {
  if (stride == 0)
    return kb_splat(k, kl_widen(k, kb_load(k, kl_mem_type(k, t), p, (int)mc_dtype_size(t)), t),
                    lanes);
  return kl_widen(k, kl_load_mem(k, p, t, stride, lanes, valid, slack), t);
}

void kl_store(kb *k, V reg, V p, mc_dtype t, int64_t stride, int valid) {
  V v = kl_narrow(k, reg, t);
  int es = (int)mc_dtype_size(t), lanes = kb_lanes(v);
  if (stride == es || lanes == 1) {
    kb_store_part(k, v, p, valid, es);
    return;
  }
  for (int i = 0; i < lanes && i < valid; i++)
    kb_store(k, kb_extract(k, v, i, 1), kb_gepi(k, p, i * stride), es);
}

int32_t kl_zero_point(const mc_type *t) { return t->q.kind == MC_Q_TENSOR ? t->q.zero : 0; }

/* ---- borders ---- */
/* n pixels of c elements from p on, pixels `pitch` bytes apart. */
static void fill_pixels(kb *k, V p, int byte, int64_t n, int64_t bytes, int64_t pitch) {
  if (n <= 0) return;
  if (bytes == pitch) {
    kb_memset(k, p, byte, n * bytes);
    return;
  }
  kb_loop l;
  kb_range(k, &l, n, 1, NULL, 0);
  kb_memset(k, kb_gep(k, p, kb_muli(k, l.iv, pitch)), byte, bytes);
  kb_end(k, &l, NULL);
}

/* Rows lie one after another: the right border of a row and the left one of the next are one
 * piece. */
static void fill_linear(const kgroup *g, V p, const mc_buffer *b, const kview *v, int byte,
                        bool split) {
  kb *k = g->k;
  const int64_t *d = b->value->type->dim, px = v->stride[2], row = v->stride[1];
  int64_t top = b->halo[0] * row, left = b->halo[1] * px, bottom = b->halo[2] * row,
          right = b->halo[3] * px;
  kb_loop l;
  kl_range(g, &l, 1, 1, split);
  kb_memset(k, kb_gepi(k, p, -top - left), byte, top + left);
  kb_memset(k, kb_gepi(k, p, (d[1] - 1) * row + d[2] * px), byte, right + bottom);
  kb_end(k, &l, NULL);
  if (left + right == 0 || d[1] == 1) return;
  kl_range(g, &l, d[1] - 1, 1, split);
  kb_memset(k, kb_gepi(k, kb_gep(k, p, kb_muli(k, l.iv, row)), d[2] * px), byte, left + right);
  kb_end(k, &l, NULL);
}

typedef struct rows_border {
  int byte;
  int64_t row, bytes, px;
  bool split;
} rows_border; /* bytes: of a pixel that are written */

static void fill_rows(const kgroup *g, V p, const rows_border *r, int64_t rows, int64_t width) {
  if (!rows) return;
  kb_loop l;
  kl_range(g, &l, rows, 1, r->split);
  fill_pixels(g->k, kb_gep(g->k, p, kb_muli(g->k, l.iv, r->row)), r->byte, width, r->bytes, r->px);
  kb_end(g->k, &l, NULL);
}

/* The value is a part of something larger: only its own channels of its own border. */
static void fill_pieces(const kgroup *g, V p, const mc_buffer *b, const kview *v, int byte,
                        bool split) {
  kb *k = g->k;
  const int64_t *d = b->value->type->dim, px = v->stride[2], row = v->stride[1];
  int64_t left = b->halo[1], right = b->halo[3], width = left + d[2] + right;
  rows_border r = { byte, row, d[3] * kl_elem(v), px, split };
  fill_rows(g, kb_gepi(k, p, -b->halo[0] * row - left * px), &r, b->halo[0], width);
  fill_rows(g, kb_gepi(k, p, -left * px), &r, left ? d[1] : 0, left);
  fill_rows(g, kb_gepi(k, p, d[2] * px), &r, right ? d[1] : 0, right);
  fill_rows(g, kb_gepi(k, p, d[1] * row - left * px), &r, b->halo[2], width);
}

void kl_fill_borders(const kgroup *g) {
  kb *k = g->k;
  for (int i = 0; i < g->group->nout; i++) {
    const mc_buffer *b = mc_plan_buffer(g->plan, g->group->out[i]);
    const mc_type *t = g->group->out[i]->type;
    if (!b || t->rank != 4 || !(b->halo[0] | b->halo[1] | b->halo[2] | b->halo[3])) continue;
    kview v = buffer_view(g, b);
    int byte = mc_dtype_size(t->dtype) == 1 ? kl_zero_point(t) : 0;
    bool divided = kl_divided(g), images = t->dim[0] >= g->tasks;
    kb_loop l;
    kl_range(g, &l, t->dim[0], 1, divided && images);
    V p = kb_gep(k, v.base, kb_muli(k, l.iv, v.stride[0]));
    bool linear = b->pitch_c == t->dim[3] && b->pitch_w == b->halo[1] + t->dim[2] + b->halo[3];
    if (linear)
      fill_linear(g, p, b, &v, byte, divided && !images);
    else
      fill_pieces(g, p, b, &v, byte, divided && !images);
    kb_end(k, &l, NULL);
  }
}
