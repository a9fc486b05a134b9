/* Views: from the plan's buffers and the module's constants to addresses. */
#include "lower.h"
#include <assert.h>
#include <stdarg.h>
#include <string.h>

bool group_error(const kgroup *g, const mc_node *n, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_report(g->k->diag, MC_ERROR, (n ? n : g->group)->loc, fmt, ap);
  va_end(ap);
  return false;
}

mc_node *group_first(const kgroup *g) { return mc_region_head(g->region); }

bool group_single(const kgroup *g) {
  const mc_node *n = group_first(g);
  if (n && n->next == g->region->last) return true;
  return group_error(g, NULL, "a '%s' group has no lowering for ops after its first",
                     mc_group_family_text(g->group));
}

bool group_inside(const kgroup *g, const mc_value *v) {
  return mc_ask_inside(&g->decision->ask, v);
}

const mc_buffer *group_buffer(const kgroup *g, const mc_value *v) {
  if (group_inside(g, v)) {
    const mc_node *ret = g->region->last;
    for (int i = 0; i < ret->nin; i++)
      if (ret->in[i] == v) return mc_plan_buffer(g->plan, g->group->out[i]);
    return NULL;
  }
  return mc_plan_buffer(g->plan, v);
}

int64_t view_elem_bytes(const kview *v) { return (int64_t)mc_dtype_size(v->dtype); }

/* Pointer i of the caller's table, loaded in the entry block. */
static kvalue caller_pointer(kbuilder *k, int64_t i) {
  kbasic_block cur = LLVMGetInsertBlock(k->b), entry = LLVMGetEntryBasicBlock(k->fn);
  kvalue first = LLVMGetFirstInstruction(entry);
  if (first) LLVMPositionBuilderBefore(k->b, first);
  kvalue p = build_load(k, k->ptr, build_offset(k, LLVMGetParam(k->fn, 1), 8 * i), 8);
  LLVMPositionBuilderAtEnd(k->b, cur);
  return p;
}

/* Place `at` of the arena, as one instruction wherever it is: groups that differ in places alone
 * share code (codegen/share.c). */
static kvalue arena_place(kbuilder *k, int64_t at) {
  kvalue n = build_i64(k, at);
  return LLVMBuildInBoundsGEP2(k->b, k->i8, LLVMGetParam(k->fn, 0), &n, 1, "");
}

/* Where the value's first element is. */
static kvalue origin(const kgroup *g, const mc_buffer *b) {
  const mc_plan *whole = g->plan->whole ? g->plan->whole : g->plan;
  if (b->place == MC_PLACE_ARENA) return arena_place(g->k, b->offset + b->base);
  return build_offset(
      g->k,
      caller_pointer(g->k, b->place == MC_PLACE_INPUT ? b->index : whole->graph->nin + b->index),
      b->base);
}

/* In a strip: bytes that image and step (the function's last parameters) are away from the first
 * ones; computed at the top, so that no loop does it again. */
static kvalue away(kbuilder *k, const mc_buffer *b) {
  kbasic_block cur = LLVMGetInsertBlock(k->b), entry = LLVMGetEntryBasicBlock(k->fn);
  kvalue first = LLVMGetFirstInstruction(entry), step = LLVMGetParam(k->fn, 3);
  if (first) LLVMPositionBuilderBefore(k->b, first);
  if (b->lap) step = LLVMBuildURem(k->b, step, build_i64(k, b->lap), "");
  kvalue bytes = build_add(k, build_mul_const(k, LLVMGetParam(k->fn, 2), b->per_image),
                           build_mul_const(k, step, b->per_step));
  LLVMPositionBuilderAtEnd(k->b, cur);
  return bytes;
}

static kview buffer_view(const kgroup *g, const mc_buffer *b) {
  kview v = view_at_base(mc_plan_strides(b), origin(g, b));
  if (b->per_image || b->per_step) v.base = build_address(g->k, v.base, away(g->k, b));
  return v;
}

kview view_of(const kgroup *g, const mc_value *v) {
  const mc_tensor *c = mc_value_tensor(v);
  if (c) {
    kview w = view_at_base(mc_strides_dense(v->type),
                           build_rodata(g->k, c->data, c->size, MC_PLAN_SLACK, "const"));
    w.slack = true;
    return w;
  }
  const mc_buffer *b = group_buffer(g, v);
  assert(b && "value without a place");
  return buffer_view(g, b);
}

static mc_strides strides_of(const kview *v) {
  mc_strides s = { .dtype = v->dtype, .rank = v->rank, .slack = v->slack };
  for (int d = 0; d < v->rank; d++) s.stride[d] = v->stride[d];
  return s;
}

kview view_transposed(kview v, const mc_node *transpose, bool back) {
  return view_at_base(mc_strides_transposed(strides_of(&v), transpose, back), v.base);
}

kview view_of_operand(const kgroup *g, const mc_value *v) {
  if (!group_inside(g, v) || v->def->op != MC_OP_transpose) return view_of(g, v);
  return view_transposed(view_of(g, v->def->in[0]), v->def, false);
}

kvalue group_scratch(const kgroup *g) {
  int64_t at = g->plan->scratch_offset ? g->plan->scratch_offset[g->index] : -1;
  if (at < 0) return LLVMGetUndef(g->k->ptr);
  return arena_place(g->k, at);
}

kview view_broadcast(kview v, const mc_type *t, int rank, const int64_t *dim) {
  return view_at_base(mc_strides_broadcast(strides_of(&v), t, rank, dim), v.base);
}

kvalue view_address(kbuilder *k, const kview *v, int rank, kvalue const *iv, const int64_t *c) {
  kvalue off = build_i64(k, 0);
  int64_t fixed = 0;
  for (int d = 0; d < rank; d++) {
    if (c) fixed += c[d] * v->stride[d];
    if (iv[d] && v->stride[d]) off = build_add(k, off, build_mul_const(k, iv[d], v->stride[d]));
  }
  return build_offset(k, build_address(k, v->base, off), fixed);
}

/* ---- loads and stores in register form ---- */
ktype memory_type(kbuilder *k, mc_dtype t) {
  switch (mc_dtype_size(t)) {
  case 1: return k->i8;
  case 2: return k->i16;
  case 4: return t == MC_f32 ? k->f32 : k->i32;
  default: return k->i64;
  }
}

static kvalue f64_bits(kbuilder *k, kvalue v, ktype to) {
  return LLVMBuildBitCast(k->b, v, type_of_lanes(k, to, lanes_of(v)), "");
}

kvalue memory_widen(kbuilder *k, kvalue mem, mc_dtype t) {
  if (t == MC_f32 || t == MC_i64) return mem;
  if (t == MC_f64) return f64_bits(k, mem, LLVMDoubleTypeInContext(k->c));
  if (t == MC_bf16) return vec_from_bf16(k, mem);
  if (t == MC_f16) return vec_from_f16(k, mem);
  return build_ext(k, mem, k->i32, t == MC_i8 || t == MC_i16);
}

kvalue memory_narrow(kbuilder *k, kvalue reg, mc_dtype t) {
  if (t == MC_bf16) return vec_to_bf16(k, reg);
  if (t == MC_f16) return vec_to_f16(k, reg);
  if (t == MC_f64) return f64_bits(k, reg, k->i64);
  return t == MC_f32 || t == MC_i64 ? reg : build_trunc(k, reg, memory_type(k, t));
}

kvalue memory_load_raw(kbuilder *k, kvalue p, mc_dtype t, int64_t stride, int lanes, int valid,
                       bool slack) {
  ktype et = memory_type(k, t);
  int es = (int)mc_dtype_size(t);
  if (stride == es) {
    bool whole = valid >= lanes || (slack && (lanes - valid) * es <= MC_PLAN_SLACK);
    return whole ? build_load(k, type_of_lanes(k, et, lanes), p, es)
                 : build_load_part(k, et, p, lanes, valid, es);
  }
  kvalue r = LLVMGetPoison(type_of_lanes(k, et, lanes));
  if (lanes == 1) return build_load(k, et, p, es);
  for (int i = 0; i < lanes && i < valid; i++)
    r = LLVMBuildInsertElement(k->b, r, build_load(k, et, build_offset(k, p, i * stride), es),
                               build_i32(k, i), "");
  return r;
}

kvalue memory_load(kbuilder *k, kvalue p, mc_dtype t, int64_t stride, int lanes, int valid,
                   bool slack) {
  if (stride == 0)
    return build_splat(
        k, memory_widen(k, build_load(k, memory_type(k, t), p, (int)mc_dtype_size(t)), t), lanes);
  return memory_widen(k, memory_load_raw(k, p, t, stride, lanes, valid, slack), t);
}

void memory_store(kbuilder *k, kvalue reg, kvalue p, mc_dtype t, int64_t stride, int valid) {
  kvalue v = memory_narrow(k, reg, t);
  int es = (int)mc_dtype_size(t), lanes = lanes_of(v);
  if (stride == es || lanes == 1) {
    build_store_part(k, v, p, valid, es);
    return;
  }
  for (int i = 0; i < lanes && i < valid; i++)
    build_store(k, build_extract(k, v, i, 1), build_offset(k, p, i * stride), es);
}

int32_t zero_point_of(const mc_type *t) { return t->q.kind == MC_Q_TENSOR ? t->q.zero : 0; }

/* ---- borders ---- */
/* n pixels of c elements from p on, pixels `pitch` bytes apart. */
static void fill_pixels(kbuilder *k, kvalue p, int byte, int64_t n, int64_t bytes, int64_t pitch) {
  if (n <= 0) return;
  if (bytes == pitch) {
    build_memset(k, p, byte, n * bytes);
    return;
  }
  kloop l;
  build_range(k, &l, n, 1, NULL, 0);
  build_memset(k, build_address(k, p, build_mul_const(k, l.iv, pitch)), byte, bytes);
  build_end(k, &l, NULL);
}

/* Rows lie one after another: the right border of a row and the left one of the next are one
 * piece. */
static void fill_linear(const kgroup *g, kvalue p, const mc_buffer *b, const kview *v, int byte,
                        bool split) {
  kbuilder *k = g->k;
  const int64_t *d = b->value->type->dim, px = v->stride[2], row = v->stride[1];
  int64_t top = b->halo[0] * row, left = b->halo[1] * px, bottom = b->halo[2] * row,
          right = b->halo[3] * px;
  kloop l;
  split_range(g, &l, 1, 1, split);
  build_memset(k, build_offset(k, p, -top - left), byte, top + left);
  build_memset(k, build_offset(k, p, (d[1] - 1) * row + d[2] * px), byte, right + bottom);
  build_end(k, &l, NULL);
  if (left + right == 0 || d[1] == 1) return;
  split_range(g, &l, d[1] - 1, 1, split);
  build_memset(k, build_offset(k, build_address(k, p, build_mul_const(k, l.iv, row)), d[2] * px),
               byte, left + right);
  build_end(k, &l, NULL);
}

typedef struct rows_border {
  int byte;
  int64_t row, bytes, px;
  bool split;
} rows_border; /* bytes: of a pixel that are written */

static void fill_rows(const kgroup *g, kvalue p, const rows_border *r, int64_t rows,
                      int64_t width) {
  if (!rows) return;
  kloop l;
  split_range(g, &l, rows, 1, r->split);
  fill_pixels(g->k, build_address(g->k, p, build_mul_const(g->k, l.iv, r->row)), r->byte, width,
              r->bytes, r->px);
  build_end(g->k, &l, NULL);
}

/* The value is a part of something larger: only its own channels of its own border. */
static void fill_pieces(const kgroup *g, kvalue p, const mc_buffer *b, const kview *v, int byte,
                        bool split) {
  kbuilder *k = g->k;
  const int64_t *d = b->value->type->dim, px = v->stride[2], row = v->stride[1];
  int64_t left = b->halo[1], right = b->halo[3], width = left + d[2] + right;
  rows_border r = { byte, row, d[3] * view_elem_bytes(v), px, split };
  fill_rows(g, build_offset(k, p, -b->halo[0] * row - left * px), &r, b->halo[0], width);
  fill_rows(g, build_offset(k, p, -left * px), &r, left ? d[1] : 0, left);
  fill_rows(g, build_offset(k, p, d[2] * px), &r, right ? d[1] : 0, right);
  fill_rows(g, build_offset(k, p, d[1] * row - left * px), &r, b->halo[2], width);
}

void fill_borders(const kgroup *g) {
  kbuilder *k = g->k;
  for (int i = 0; i < g->group->nout; i++) {
    const mc_buffer *b = mc_plan_buffer(g->plan, g->group->out[i]);
    const mc_type *t = g->group->out[i]->type;
    if (!b || t->rank != 4 || !(b->halo[0] | b->halo[1] | b->halo[2] | b->halo[3])) continue;
    kview v = buffer_view(g, b);
    int byte = mc_dtype_size(t->dtype) == 1 ? zero_point_of(t) : 0;
    bool divided = split_done(g), images = t->dim[0] >= g->tasks;
    kloop l;
    split_range(g, &l, t->dim[0], 1, divided && images);
    kvalue p = build_address(k, v.base, build_mul_const(k, l.iv, v.stride[0]));
    bool linear = b->pitch_c == t->dim[3] && b->pitch_w == b->halo[1] + t->dim[2] + b->halo[3];
    if (linear)
      fill_linear(g, p, b, &v, byte, divided && !images);
    else
      fill_pieces(g, p, b, &v, byte, divided && !images);
    build_end(k, &l, NULL);
  }
}
