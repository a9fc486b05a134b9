/* Address arithmetic, vectors, loops. */
#include "kb.h"
#include <assert.h>

static bool const_i64(V v, int64_t *out) {
  if (!LLVMIsAConstantInt(v)) return false;
  *out = LLVMConstIntGetSExtValue(v);
  return true;
}

V kb_add(kb *k, V a, V b) {
  int64_t x;
  if (const_i64(a, &x) && x == 0) return b;
  if (const_i64(b, &x) && x == 0) return a;
  return LLVMBuildAdd(k->b, a, b, "");
}

V kb_addi(kb *k, V a, int64_t c) {
  return c ? LLVMBuildAdd(k->b, a, LLVMConstInt(LLVMTypeOf(a), (uint64_t)c, 1), "") : a;
}

V kb_sub(kb *k, V a, V b) { return LLVMBuildSub(k->b, a, b, ""); }

V kb_muli(kb *k, V a, int64_t c) {
  return c == 0   ? LLVMConstNull(LLVMTypeOf(a))
         : c == 1 ? a
                  : LLVMBuildMul(k->b, a, LLVMConstInt(LLVMTypeOf(a), (uint64_t)c, 1), "");
}

V kb_smin(kb *k, V a, V b) { return kb_intr2(k, "llvm.smin", a, b); }

V kb_smax(kb *k, V a, V b) { return kb_intr2(k, "llvm.smax", a, b); }

V kb_splat(kb *k, V s, int lanes) {
  if (lanes == 1) return s;
  if (LLVMIsConstant(s)) return kb_splat_c(s, lanes);
  T v = LLVMVectorType(LLVMTypeOf(s), (unsigned)lanes);
  V u = LLVMBuildInsertElement(k->b, LLVMGetPoison(v), s, kb_i32(k, 0), "");
  return LLVMBuildShuffleVector(k->b, u, LLVMGetPoison(v),
                                LLVMConstNull(LLVMVectorType(k->i32, (unsigned)lanes)), "");
}

V kb_shuffle(kb *k, V a, V b, const int *mask, int n) {
  V x[128];
  assert(n <= 128);
  for (int i = 0; i < n; i++) x[i] = mask[i] < 0 ? LLVMGetPoison(k->i32) : kb_i32(k, mask[i]);
  return LLVMBuildShuffleVector(k->b, a, b ? b : LLVMGetPoison(LLVMTypeOf(a)),
                                LLVMConstVector(x, (unsigned)n), "");
}

V kb_extract(kb *k, V v, int from, int lanes) {
  int have = kb_lanes(v);
  if (have == lanes) return v;
  if (lanes == 1) return LLVMBuildExtractElement(k->b, v, kb_i32(k, from), "");
  int mask[64];
  for (int i = 0; i < lanes; i++) mask[i] = from + i;
  return kb_shuffle(k, v, NULL, mask, lanes);
}

V kb_concat(kb *k, V *v, int n) {
  V cur[64];
  int mask[64];
  for (int i = 0; i < n; i++) cur[i] = v[i];
  for (; n > 1; n /= 2) {
    int lanes = kb_lanes(cur[0]);
    T pair = lanes == 1 ? LLVMVectorType(LLVMTypeOf(cur[0]), 2) : NULL;
    for (int i = 0; i < 2 * lanes; i++) mask[i] = i;
    for (int i = 0; i < n / 2; i++) {
      if (lanes == 1) {
        V u = LLVMBuildInsertElement(k->b, LLVMGetPoison(pair), cur[2 * i], kb_i32(k, 0), "");
        cur[i] = LLVMBuildInsertElement(k->b, u, cur[2 * i + 1], kb_i32(k, 1), "");
      } else
        cur[i] = kb_shuffle(k, cur[2 * i], cur[2 * i + 1], mask, 2 * lanes);
    }
  }
  return cur[0];
}

V kb_widen(kb *k, V v, int lanes) {
  int have = kb_lanes(v), mask[64];
  if (have == lanes) return v;
  if (have == 1)
    return LLVMBuildInsertElement(
        k->b, LLVMGetPoison(LLVMVectorType(LLVMTypeOf(v), (unsigned)lanes)), v, kb_i32(k, 0), "");
  for (int i = 0; i < lanes; i++) mask[i] = i < have ? i : -1;
  return kb_shuffle(k, v, NULL, mask, lanes);
}

V kb_bitcast(kb *k, V v, T t) { return LLVMTypeOf(v) == t ? v : LLVMBuildBitCast(k->b, v, t, ""); }

V kb_ext(kb *k, V v, T elem, bool is_signed) {
  T t = kb_vt(k, elem, kb_lanes(v));
  if (LLVMTypeOf(v) == t) return v;
  return is_signed ? LLVMBuildSExt(k->b, v, t, "") : LLVMBuildZExt(k->b, v, t, "");
}

V kb_trunc(kb *k, V v, T elem) {
  T t = kb_vt(k, elem, kb_lanes(v));
  return LLVMTypeOf(v) == t ? v : LLVMBuildTrunc(k->b, v, t, "");
}

V kb_select(kb *k, V c, V a, V b) { return LLVMBuildSelect(k->b, c, a, b, ""); }

static void add_phis(kb *k, kb_loop *l, V lo, V *init, int n, BB pre) {
  l->iv = LLVMBuildPhi(k->b, LLVMTypeOf(lo), "");
  LLVMAddIncoming(l->iv, &lo, &pre, 1);
  for (int i = 0; i < n; i++) {
    l->carried[i] = LLVMBuildPhi(k->b, LLVMTypeOf(init[i]), "");
    LLVMAddIncoming(l->carried[i], &init[i], &pre, 1);
  }
}

void kb_for(kb *k, kb_loop *l, V lo, V hi, int64_t step, V *init, int n) {
  int64_t a = 0, b = 0;
  bool fixed = const_i64(lo, &a) && const_i64(hi, &b);
  assert(n <= KB_MAX_CARRIED && (!fixed || a < b));
  *l = (kb_loop){ .hi = hi, .step = step, .n = n, .single = fixed && a + step >= b, .top = !fixed };
  if (l->single) {
    l->iv = lo;
    for (int i = 0; i < n; i++) l->carried[i] = init[i];
    return;
  }
  BB pre = LLVMGetInsertBlock(k->b);
  l->head = LLVMAppendBasicBlockInContext(k->c, k->fn, "loop");
  l->exit = LLVMAppendBasicBlockInContext(k->c, k->fn, "done");
  LLVMBuildBr(k->b, l->head);
  LLVMPositionBuilderAtEnd(k->b, l->head);
  add_phis(k, l, lo, init, n, pre);
  if (!l->top) return;
  BB body = LLVMAppendBasicBlockInContext(k->c, k->fn, "body");
  LLVMBuildCondBr(k->b, LLVMBuildICmp(k->b, LLVMIntSLT, l->iv, hi, ""), body, l->exit);
  LLVMPositionBuilderAtEnd(k->b, body);
}

void kb_end(kb *k, kb_loop *l, V *next) {
  if (l->single) {
    for (int i = 0; i < l->n; i++) l->carried[i] = next[i];
    return;
  }
  BB cur = LLVMGetInsertBlock(k->b);
  V nx = LLVMBuildNSWAdd(k->b, l->iv, LLVMConstInt(LLVMTypeOf(l->iv), (uint64_t)l->step, 1), "");
  LLVMAddIncoming(l->iv, &nx, &cur, 1);
  for (int i = 0; i < l->n; i++) LLVMAddIncoming(l->carried[i], &next[i], &cur, 1);
  if (l->top)
    LLVMBuildBr(k->b, l->head);
  else
    LLVMBuildCondBr(k->b, LLVMBuildICmp(k->b, LLVMIntSLT, nx, l->hi, ""), l->head, l->exit);
  if (!l->top)
    for (int i = 0; i < l->n; i++) l->carried[i] = next[i];
  LLVMPositionBuilderAtEnd(k->b, l->exit);
}

void kb_range(kb *k, kb_loop *l, int64_t n, int64_t step, V *init, int ncarried) {
  kb_for(k, l, kb_i64(k, 0), kb_i64(k, n), step, init, ncarried);
}
