/* Address arithmetic, vectors, loops. */
#include "builder.h"
#include <assert.h>

static bool known_i64(kvalue v, int64_t *out) {
  if (!LLVMIsAConstantInt(v)) return false;
  *out = LLVMConstIntGetSExtValue(v);
  return true;
}

kvalue build_add(kbuilder *k, kvalue a, kvalue b) {
  int64_t x;
  if (known_i64(a, &x) && x == 0) return b;
  if (known_i64(b, &x) && x == 0) return a;
  return LLVMBuildAdd(k->b, a, b, "");
}

kvalue build_add_const(kbuilder *k, kvalue a, int64_t c) {
  return c ? LLVMBuildAdd(k->b, a, LLVMConstInt(LLVMTypeOf(a), (uint64_t)c, 1), "") : a;
}

kvalue build_sub(kbuilder *k, kvalue a, kvalue b) { return LLVMBuildSub(k->b, a, b, ""); }

kvalue build_mul_const(kbuilder *k, kvalue a, int64_t c) {
  return c == 0   ? LLVMConstNull(LLVMTypeOf(a))
         : c == 1 ? a
                  : LLVMBuildMul(k->b, a, LLVMConstInt(LLVMTypeOf(a), (uint64_t)c, 1), "");
}

kvalue build_smin(kbuilder *k, kvalue a, kvalue b) {
  return build_intrinsic2(k, "llvm.smin", a, b);
}

kvalue build_smax(kbuilder *k, kvalue a, kvalue b) {
  return build_intrinsic2(k, "llvm.smax", a, b);
}

kvalue build_splat(kbuilder *k, kvalue s, int lanes) {
  if (lanes == 1) return s;
  if (LLVMIsConstant(s)) return build_splat_const(s, lanes);
  ktype v = LLVMVectorType(LLVMTypeOf(s), (unsigned)lanes);
  kvalue u = LLVMBuildInsertElement(k->b, LLVMGetPoison(v), s, build_i32(k, 0), "");
  return LLVMBuildShuffleVector(k->b, u, LLVMGetPoison(v),
                                LLVMConstNull(LLVMVectorType(k->i32, (unsigned)lanes)), "");
}

kvalue build_shuffle(kbuilder *k, kvalue a, kvalue b, const int *mask, int n) {
  kvalue x[128];
  assert(n <= 128);
  for (int i = 0; i < n; i++) x[i] = mask[i] < 0 ? LLVMGetPoison(k->i32) : build_i32(k, mask[i]);
  return LLVMBuildShuffleVector(k->b, a, b ? b : LLVMGetPoison(LLVMTypeOf(a)),
                                LLVMConstVector(x, (unsigned)n), "");
}

kvalue build_extract(kbuilder *k, kvalue v, int from, int lanes) {
  int have = lanes_of(v);
  if (have == lanes) return v;
  if (lanes == 1) return LLVMBuildExtractElement(k->b, v, build_i32(k, from), "");
  int mask[64];
  for (int i = 0; i < lanes; i++) mask[i] = from + i;
  return build_shuffle(k, v, NULL, mask, lanes);
}

kvalue build_concat(kbuilder *k, kvalue *v, int n) {
  kvalue cur[64];
  int mask[64];
  for (int i = 0; i < n; i++) cur[i] = v[i];
  for (; n > 1; n /= 2) {
    int lanes = lanes_of(cur[0]);
    ktype pair = lanes == 1 ? LLVMVectorType(LLVMTypeOf(cur[0]), 2) : NULL;
    for (int i = 0; i < 2 * lanes; i++) mask[i] = i;
    for (int i = 0; i < n / 2; i++) {
      if (lanes == 1) {
        kvalue u =
            LLVMBuildInsertElement(k->b, LLVMGetPoison(pair), cur[2 * i], build_i32(k, 0), "");
        cur[i] = LLVMBuildInsertElement(k->b, u, cur[2 * i + 1], build_i32(k, 1), "");
      } else
        cur[i] = build_shuffle(k, cur[2 * i], cur[2 * i + 1], mask, 2 * lanes);
    }
  }
  return cur[0];
}

kvalue build_widen(kbuilder *k, kvalue v, int lanes) {
  int have = lanes_of(v), mask[64];
  if (have == lanes) return v;
  if (have == 1)
    return LLVMBuildInsertElement(k->b,
                                  LLVMGetPoison(LLVMVectorType(LLVMTypeOf(v), (unsigned)lanes)), v,
                                  build_i32(k, 0), "");
  for (int i = 0; i < lanes; i++) mask[i] = i < have ? i : -1;
  return build_shuffle(k, v, NULL, mask, lanes);
}

kvalue build_bitcast(kbuilder *k, kvalue v, ktype t) {
  return LLVMTypeOf(v) == t ? v : LLVMBuildBitCast(k->b, v, t, "");
}

kvalue build_ext(kbuilder *k, kvalue v, ktype elem, bool is_signed) {
  ktype t = type_of_lanes(k, elem, lanes_of(v));
  if (LLVMTypeOf(v) == t) return v;
  return is_signed ? LLVMBuildSExt(k->b, v, t, "") : LLVMBuildZExt(k->b, v, t, "");
}

kvalue build_trunc(kbuilder *k, kvalue v, ktype elem) {
  ktype t = type_of_lanes(k, elem, lanes_of(v));
  return LLVMTypeOf(v) == t ? v : LLVMBuildTrunc(k->b, v, t, "");
}

kvalue build_select(kbuilder *k, kvalue c, kvalue a, kvalue b) {
  return LLVMBuildSelect(k->b, c, a, b, "");
}

static void add_phis(kbuilder *k, kloop *l, kvalue lo, kvalue *init, int n, kbasic_block pre) {
  l->iv = LLVMBuildPhi(k->b, LLVMTypeOf(lo), "");
  LLVMAddIncoming(l->iv, &lo, &pre, 1);
  for (int i = 0; i < n; i++) {
    l->carried[i] = LLVMBuildPhi(k->b, LLVMTypeOf(init[i]), "");
    LLVMAddIncoming(l->carried[i], &init[i], &pre, 1);
  }
}

void build_for(kbuilder *k, kloop *l, kvalue lo, kvalue hi, int64_t step, kvalue *init, int n) {
  int64_t a = 0, b = 0;
  bool fixed = known_i64(lo, &a) && known_i64(hi, &b);
  assert(n <= KLOOP_MAX_CARRIED && (!fixed || a < b));
  *l = (kloop){ .hi = hi, .step = step, .n = n, .single = fixed && a + step >= b, .top = !fixed };
  if (l->single) {
    l->iv = lo;
    for (int i = 0; i < n; i++) l->carried[i] = init[i];
    return;
  }
  kbasic_block pre = LLVMGetInsertBlock(k->b);
  l->head = LLVMAppendBasicBlockInContext(k->c, k->fn, "loop");
  l->exit = LLVMAppendBasicBlockInContext(k->c, k->fn, "done");
  LLVMBuildBr(k->b, l->head);
  LLVMPositionBuilderAtEnd(k->b, l->head);
  add_phis(k, l, lo, init, n, pre);
  if (!l->top) return;
  kbasic_block body = LLVMAppendBasicBlockInContext(k->c, k->fn, "body");
  LLVMBuildCondBr(k->b, LLVMBuildICmp(k->b, LLVMIntSLT, l->iv, hi, ""), body, l->exit);
  LLVMPositionBuilderAtEnd(k->b, body);
}

void build_end(kbuilder *k, kloop *l, kvalue *next) {
  if (l->single) {
    for (int i = 0; i < l->n; i++) l->carried[i] = next[i];
    return;
  }
  kbasic_block cur = LLVMGetInsertBlock(k->b);
  kvalue nx =
      LLVMBuildNSWAdd(k->b, l->iv, LLVMConstInt(LLVMTypeOf(l->iv), (uint64_t)l->step, 1), "");
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

void build_range(kbuilder *k, kloop *l, int64_t n, int64_t step, kvalue *init, int ncarried) {
  build_for(k, l, build_i64(k, 0), build_i64(k, n), step, init, ncarried);
}
