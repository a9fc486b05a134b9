/* Chains: the loop over strips, and what happens between them to the rows that links hand on.
 * docs/internals/chains.md.
 *
 *   for image   for step:   for link:
 *     at the start of a lap: the last `keep` rows move to the front           (links whose result
 *       another one reads)
 *     at its first step: rows of border above; after its last step: rows of border below
 *     0 <= step - lag < steps: the link's function */
#include "chain.h"

typedef struct chain {
  kbuilder *k;
  const mc_plan *p;
  const mc_chain *c;
  kvalue const *fn;
  kvalue image, step;
} chain;

static kbasic_block when(kbuilder *k, kvalue yes) {
  kbasic_block then = LLVMAppendBasicBlockInContext(k->c, k->fn, ""),
               after = LLVMAppendBasicBlockInContext(k->c, k->fn, "");
  LLVMBuildCondBr(k->b, yes, then, after);
  LLVMPositionBuilderAtEnd(k->b, then);
  return after;
}

static void end_when(kbuilder *k, kbasic_block after) {
  LLVMBuildBr(k->b, after);
  LLVMPositionBuilderAtEnd(k->b, after);
}

/* ---- rows that are handed on ---- */

typedef struct rows {
  kvalue base;
  int64_t row;
  mc_dtype dtype;
} rows; /* the first byte of row 0, its border included; bytes of a row */

static rows rows_of(const chain *s, const mc_link *l) {
  const mc_value *v = l->group->out[0];
  const mc_buffer *b = mc_plan_buffer(s->p, v);
  int64_t pixel = b->pitch_c * (int64_t)mc_dtype_size(v->type->dtype);
  return (rows){ build_offset(s->k, LLVMGetParam(s->k->fn, 0),
                              b->offset + b->base - b->halo[1] * pixel),
                 b->pitch_w * pixel, v->type->dtype };
}

/* What reads as nothing: the zero point for a convolution, the least number for a maximum. */
static void fill(const chain *s, const mc_link *l, const rows *r, kvalue from, int64_t n) {
  kbuilder *k = s->k;
  const mc_type *t = l->group->out[0]->type;
  bool most = l[1].head->op == MC_OP_max_pool, wide = mc_dtype_size(t->dtype) > 1;
  kvalue at = build_address(k, r->base, build_mul_const(k, from, r->row));
  if (!most || !wide) {
    build_memset(k, at,
                 wide                ? 0
                 : !most             ? zero_point_of(t)
                 : t->dtype == MC_i8 ? 0x80
                                     : 0,
                 n * r->row);
    return;
  }
  kvalue least = t->dtype == MC_f32 ? build_f32(k, -__builtin_inff())
                                    : LLVMConstInt(k->i16, 0xff80, 0); /* of bf16 */
  int64_t size = (int64_t)mc_dtype_size(t->dtype);
  kloop loop;
  build_range(k, &loop, n * r->row / size, 1, NULL, 0);
  build_store(k, least, build_address(k, at, build_mul_const(k, loop.iv, size)), (int)size);
  build_end(k, &loop, NULL);
}

static kvalue compare(const chain *s, LLVMIntPredicate how, kvalue a, int64_t b) {
  return LLVMBuildICmp(s->k->b, how, a, build_i64(s->k, b), "");
}

/* The n rows from row `from` on to the front; where the places overlap, in pieces that do not. */
static void move_rows(kbuilder *k, const rows *r, int64_t n, int64_t from) {
  for (int64_t at = 0; at < n; at += from)
    build_memcpy(k, build_offset(k, r->base, at * r->row),
                 build_offset(k, r->base, (from + at) * r->row),
                 (n - at < from ? n - at : from) * r->row);
}

/* In front of the link's own rows: a new lap, and the border above. Returns the number of the row
 * where they begin. */
static kvalue begin_rows(const chain *s, const mc_link *l, const rows *r) {
  kbuilder *k = s->k;
  kvalue at =
      l->lap == 1 ? build_i64(k, 0) : LLVMBuildURem(k->b, s->step, build_i64(k, l->lap), "");
  kvalue own = build_add_const(k, build_mul_const(k, at, l->rows), l->keep);
  if (l->keep) {
    kvalue turn = LLVMBuildAnd(k->b, compare(s, LLVMIntEQ, at, 0),
                               compare(s, LLVMIntUGT, s->step, l->lag), "");
    kbasic_block after = when(k, turn);
    move_rows(k, r, l->keep, l->lap * l->rows);
    end_when(k, after);
  }
  if (l[1].pad) {
    kbasic_block after = when(k, compare(s, LLVMIntEQ, s->step, l->lag));
    fill(s, l, r, build_add_const(k, own, -l[1].pad), l[1].pad);
    end_when(k, after);
  }
  return own;
}

/* ---- the loop ---- */

static void call_link(const chain *s, int i) {
  kvalue arg[] = { LLVMGetParam(s->k->fn, 0), LLVMGetParam(s->k->fn, 1), s->image, s->step };
  LLVMBuildCall2(s->k->b, LLVMGlobalGetValueType(s->fn[i]), s->fn[i], arg, 4, "");
}

static void run_link(const chain *s, int i) {
  kbuilder *k = s->k;
  const mc_link *l = &s->c->link[i];
  int64_t all = mc_chain_all_steps(s->c);
  bool handed = i + 1 < s->c->n, begins = l->lag > 0, ends = l->lag + s->c->steps < all;
  rows r = { 0 };
  kvalue own = NULL, yes = NULL;
  if (handed) {
    r = rows_of(s, l);
    own = begin_rows(s, l, &r);
  }
  if (begins) yes = compare(s, LLVMIntUGE, s->step, l->lag);
  if (ends) {
    kvalue more = compare(s, LLVMIntULT, s->step, l->lag + s->c->steps);
    yes = yes ? LLVMBuildAnd(k->b, yes, more, "") : more;
  }
  kbasic_block after = yes ? when(k, yes) : NULL;
  call_link(s, i);
  if (yes) end_when(k, after);
  if (!handed || l[1].lag == l->lag) return;
  after = when(k, compare(s, LLVMIntUGE, s->step, l->lag + s->c->steps));
  fill(s, l, &r, own, l->rows);
  end_when(k, after);
}

void kchain_emit(mc_group_code *out, kbuilder *k, const mc_plan *p, const mc_chain *c,
                 kvalue const *fn, const char *name) {
  chain s = { .k = k, .p = p, .c = c, .fn = fn };
  const mc_node *last = c->link[c->n - 1].group;
  kloop image, step;
  out->fn[0] = build_function(k, name, k->vd, 2, 0, false);
  out->tasks[0] = 1;
  out->n = 1;
  build_debug_function(k, out->fn[0], name, c->link[0].group->loc);
  build_range(k, &image, c->images, 1, NULL, 0);
  s.image = image.iv;
  build_range(k, &step, mc_chain_all_steps(c), 1, NULL, 0);
  s.step = step.iv;
  for (int i = 0; i < c->n; i++) run_link(&s, i);
  build_end(k, &step, NULL);
  build_end(k, &image, NULL);
  kgroup g = { .k = k,
               .plan = p,
               .group = p->group[c->first + c->n - 1],
               .index = c->first + c->n - 1,
               .region = last->region,
               .name = name,
               .code = out,
               .tasks = 1 };
  fill_borders(&g);
  LLVMBuildRetVoid(k->b);
}
