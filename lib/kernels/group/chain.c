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
  kb *k;
  const mc_plan *p;
  const mc_chain *c;
  V const *fn;
  V image, step;
} chain;

static BB when(kb *k, V yes) {
  BB then = LLVMAppendBasicBlockInContext(k->c, k->fn, ""),
     behind = LLVMAppendBasicBlockInContext(k->c, k->fn, "");
  LLVMBuildCondBr(k->b, yes, then, behind);
  LLVMPositionBuilderAtEnd(k->b, then);
  return behind;
}

static void end_when(kb *k, BB behind) {
  LLVMBuildBr(k->b, behind);
  LLVMPositionBuilderAtEnd(k->b, behind);
}

/* ---- rows that are handed on ---- */

typedef struct rows {
  V base;
  int64_t row;
  mc_dtype dtype;
} rows; /* the first byte of row 0, its border included; bytes of a row */

static rows rows_of(const chain *s, const mc_link *l) {
  const mc_value *v = l->group->out[0];
  const mc_buffer *b = mc_plan_buffer(s->p, v);
  int64_t pixel = b->pitch_c * (int64_t)mc_dtype_size(v->type->dtype);
  return (rows){ kb_gepi(s->k, LLVMGetParam(s->k->fn, 0), b->offset + b->base - b->halo[1] * pixel),
                 b->pitch_w * pixel, v->type->dtype };
}

/* What reads as nothing: the zero point for a convolution, the least number for a maximum. */
static void fill(const chain *s, const mc_link *l, const rows *r, V from, int64_t n) {
  kb *k = s->k;
  const mc_type *t = l->group->out[0]->type;
  bool most = l[1].head->op == MC_OP_max_pool, wide = mc_dtype_size(t->dtype) > 1;
  V at = kb_gep(k, r->base, kb_muli(k, from, r->row));
  if (!most || !wide) {
    kb_memset(k, at,
              wide                ? 0
              : !most             ? kl_zero_point(t)
              : t->dtype == MC_i8 ? 0x80
                                  : 0,
              n * r->row);
    return;
  }
  V least = t->dtype == MC_f32 ? kb_f32(k, -__builtin_inff())
                               : LLVMConstInt(k->i16, 0xff80, 0); /* of bf16 */
  int64_t size = (int64_t)mc_dtype_size(t->dtype);
  kb_loop loop;
  kb_range(k, &loop, n * r->row / size, 1, NULL, 0);
  kb_store(k, least, kb_gep(k, at, kb_muli(k, loop.iv, size)), (int)size);
  kb_end(k, &loop, NULL);
}

static V compare(const chain *s, LLVMIntPredicate how, V a, int64_t b) {
  return LLVMBuildICmp(s->k->b, how, a, kb_i64(s->k, b), "");
}

/* The n rows from row `from` on to the front; where the places overlap, in pieces that do not. */
static void move_rows(kb *k, const rows *r, int64_t n, int64_t from) {
  for (int64_t at = 0; at < n; at += from)
    kb_memcpy(k, kb_gepi(k, r->base, at * r->row), kb_gepi(k, r->base, (from + at) * r->row),
              (n - at < from ? n - at : from) * r->row);
}

/* In front of the link's own rows: a new lap, and the border above. Returns the number of the row
 * where they begin. */
static V begin_rows(const chain *s, const mc_link *l, const rows *r) {
  kb *k = s->k;
  V at = l->lap == 1 ? kb_i64(k, 0) : LLVMBuildURem(k->b, s->step, kb_i64(k, l->lap), "");
  V own = kb_addi(k, kb_muli(k, at, l->rows), l->keep);
  if (l->keep) {
    V turn = LLVMBuildAnd(k->b, compare(s, LLVMIntEQ, at, 0),
                          compare(s, LLVMIntUGT, s->step, l->lag), "");
    BB behind = when(k, turn);
    move_rows(k, r, l->keep, l->lap * l->rows);
    end_when(k, behind);
  }
  if (l[1].pad) {
    BB behind = when(k, compare(s, LLVMIntEQ, s->step, l->lag));
    fill(s, l, r, kb_addi(k, own, -l[1].pad), l[1].pad);
    end_when(k, behind);
  }
  return own;
}

/* ---- the loop ---- */

static void call_link(const chain *s, int i) {
  V arg[] = { LLVMGetParam(s->k->fn, 0), LLVMGetParam(s->k->fn, 1), s->image, s->step };
  LLVMBuildCall2(s->k->b, LLVMGlobalGetValueType(s->fn[i]), s->fn[i], arg, 4, "");
}

static void run_link(const chain *s, int i) {
  kb *k = s->k;
  const mc_link *l = &s->c->link[i];
  int64_t all = mc_chain_all_steps(s->c);
  bool handed = i + 1 < s->c->n, begins = l->lag > 0, ends = l->lag + s->c->steps < all;
  rows r = { 0 };
  V own = NULL, yes = NULL;
  if (handed) {
    r = rows_of(s, l);
    own = begin_rows(s, l, &r);
  }
  if (begins) yes = compare(s, LLVMIntUGE, s->step, l->lag);
  if (ends) {
    V more = compare(s, LLVMIntULT, s->step, l->lag + s->c->steps);
    yes = yes ? LLVMBuildAnd(k->b, yes, more, "") : more;
  }
  BB behind = yes ? when(k, yes) : NULL;
  call_link(s, i);
  if (yes) end_when(k, behind);
  if (!handed || l[1].lag == l->lag) return;
  behind = when(k, compare(s, LLVMIntUGE, s->step, l->lag + s->c->steps));
  fill(s, l, &r, own, l->rows);
  end_when(k, behind);
}

void kchain_emit(mc_group_code *out, kb *k, const mc_plan *p, const mc_chain *c, V const *fn,
                 const char *name) {
  chain s = { .k = k, .p = p, .c = c, .fn = fn };
  const mc_node *last = c->link[c->n - 1].group;
  kb_loop image, step;
  out->fn[0] = kb_function(k, name, k->vd, 2, 0, false);
  out->tasks[0] = 1;
  out->n = 1;
  kb_debug_function(k, out->fn[0], name, c->link[0].group->loc);
  kb_range(k, &image, c->images, 1, NULL, 0);
  s.image = image.iv;
  kb_range(k, &step, mc_chain_all_steps(c), 1, NULL, 0);
  s.step = step.iv;
  for (int i = 0; i < c->n; i++) run_link(&s, i);
  kb_end(k, &step, NULL);
  kb_end(k, &image, NULL);
  kgroup g = { .k = k,
               .plan = p,
               .group = p->group[c->first + c->n - 1],
               .index = c->first + c->n - 1,
               .region = last->region,
               .name = name,
               .code = out,
               .tasks = 1 };
  kl_fill_borders(&g);
  LLVMBuildRetVoid(k->b);
}
