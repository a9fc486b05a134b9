/* What an instruction is: opcode, type, flags, operands. Types, constants and attributes are unique
 * in LLVM's context, so that their addresses stand for them; values of the function are numbered.
 */
#include "same.h"
#include "mc/support/map.h"

typedef struct reader {
  same_code *out;
  mc_arena *arena;
  mc_map number;
  LLVMValueRef arena_param;
} reader;

static void put(reader *r, uint64_t v) { MC_PUSH(r->arena, &r->out->key, v); }

static void put_p(reader *r, const void *p) { put(r, (uint64_t)(uintptr_t)p); }

static void number(reader *r, const void *v) {
  void **slot = mc_map_ptr_slot(&r->number, v);
  *slot = (void *)(uintptr_t)r->number.n;
}

static void add_hole(reader *r, same_hole h) {
  MC_PUSH(r->arena, &r->out->hole, h);
  put(r, h.kind);
  put(r, (uint64_t)h.offset);
  put_p(r, LLVMTypeOf(h.value));
}

/* ---- what may differ ---- */

/* The variable that v points into, and the distance from its start; NULL: v is something else. */
static LLVMValueRef global_of(LLVMValueRef v, int64_t *offset) {
  *offset = 0;
  while (LLVMIsAConstantExpr(v)) {
    if (LLVMGetConstOpcode(v) != LLVMGetElementPtr || LLVMGetNumOperands(v) != 2) return NULL;
    LLVMTypeRef t = LLVMGetGEPSourceElementType(v);
    LLVMValueRef index = LLVMGetOperand(v, 1);
    if (LLVMGetTypeKind(t) != LLVMIntegerTypeKind || LLVMGetIntTypeWidth(t) != 8 ||
        !LLVMIsAConstantInt(index))
      return NULL;
    *offset += LLVMConstIntGetSExtValue(index);
    v = LLVMGetOperand(v, 0);
  }
  return LLVMIsAGlobalVariable(v) ? v : NULL;
}

static bool small_number(LLVMTypeRef t) {
  if (LLVMGetTypeKind(t) == LLVMFloatTypeKind) return true;
  if (LLVMGetTypeKind(t) != LLVMIntegerTypeKind) return false;
  unsigned w = LLVMGetIntTypeWidth(t);
  return w == 8 || w == 16 || w == 32;
}

static bool is_number(LLVMValueRef v) {
  LLVMTypeRef t = LLVMTypeOf(v);
  if (LLVMGetTypeKind(t) != LLVMVectorTypeKind)
    return small_number(t) && (LLVMIsAConstantInt(v) || LLVMIsAConstantFP(v));
  if (!small_number(LLVMGetElementType(t))) return false;
  if (LLVMIsAConstantAggregateZero(v)) return true;
  if (!LLVMIsAConstantDataVector(v)) return false;
  LLVMValueRef first = LLVMGetAggregateElement(v, 0);
  for (unsigned i = 1; i < LLVMGetVectorSize(t); i++)
    if (LLVMGetAggregateElement(v, i) != first) return false;
  return true;
}

/* Whether LLVM asks for no constant there: arithmetic, and arguments of intrinsics that are no
 * immediates (vectors and f32 never are). */
static bool may_vary(LLVMValueRef i, unsigned op) {
  switch (LLVMGetInstructionOpcode(i)) {
  case LLVMFAdd:
  case LLVMFSub:
  case LLVMFMul:
  case LLVMFDiv:
  case LLVMFCmp:
  case LLVMAdd:
  case LLVMSub:
  case LLVMICmp: return true;
  case LLVMSelect: return op > 0;
  case LLVMCall: {
    LLVMValueRef called = LLVMGetCalledValue(i);
    unsigned id = LLVMIsAFunction(called) ? LLVMGetIntrinsicID(called) : 0;
    LLVMTypeKind k = LLVMGetTypeKind(LLVMTypeOf(LLVMGetOperand(i, op)));
    if (id == 0) return false;
    return k == LLVMVectorTypeKind || k == LLVMFloatTypeKind ||
           (id == LLVMLookupIntrinsicID("llvm.memset", 11) && op == 1);
  }
  default: return false;
  }
}

static bool arena_address(const reader *r, LLVMValueRef i) {
  if (LLVMGetInstructionOpcode(i) != LLVMGetElementPtr || LLVMGetNumOperands(i) != 2 ||
      LLVMGetOperand(i, 0) != r->arena_param)
    return false;
  LLVMTypeRef t = LLVMGetGEPSourceElementType(i);
  return LLVMGetTypeKind(t) == LLVMIntegerTypeKind && LLVMGetIntTypeWidth(t) == 8 &&
         LLVMIsAConstantInt(LLVMGetOperand(i, 1));
}

/* ---- instructions ---- */

static void put_call(reader *r, LLVMValueRef i) {
  put_p(r, LLVMGetCalledFunctionType(i));
  put(r, LLVMGetInstructionCallConv(i));
  put(r, (uint64_t)LLVMGetTailCallKind(i));
  for (unsigned at = 0; at <= LLVMGetNumArgOperands(i) + 1; at++) {
    unsigned where = at ? at - 1 : (unsigned)LLVMAttributeFunctionIndex,
             n = LLVMGetCallSiteAttributeCount(i, where);
    LLVMAttributeRef *list = MC_NEWN(r->arena, LLVMAttributeRef, n + 1);
    LLVMGetCallSiteAttributes(i, where, list);
    put(r, n);
    for (unsigned k = 0; k < n; k++) put_p(r, list[k]);
  }
}

static void put_block(reader *r, LLVMBasicBlockRef b) {
  put_p(r, mc_map_ptr_get(&r->number, LLVMBasicBlockAsValue(b)));
}

static void put_indices(reader *r, LLVMValueRef i) {
  for (unsigned k = 0; k < LLVMGetNumIndices(i); k++) put(r, LLVMGetIndices(i)[k]);
}

static void put_mask(reader *r, LLVMValueRef i) {
  unsigned n = LLVMGetNumMaskElements(i);
  put(r, n);
  for (unsigned k = 0; k < n; k++) put(r, (uint64_t)LLVMGetMaskValue(i, k));
}

static bool put_memory(reader *r, LLVMValueRef i) {
  put(r, LLVMGetAlignment(i));
  put(r, (uint64_t)LLVMGetVolatile(i));
  return LLVMGetOrdering(i) == LLVMAtomicOrderingNotAtomic;
}

/* What opcode, type and operands do not say. False: an instruction that is not known. */
static bool put_flags(reader *r, LLVMValueRef i) {
  if (LLVMCanValueUseFastMathFlags(i)) put(r, LLVMGetFastMathFlags(i));
  switch (LLVMGetInstructionOpcode(i)) {
  case LLVMAdd:
  case LLVMSub:
  case LLVMMul:
  case LLVMShl: put(r, (uint64_t)LLVMGetNUW(i) * 2 + (uint64_t)LLVMGetNSW(i)); return true;
  case LLVMUDiv:
  case LLVMSDiv:
  case LLVMLShr:
  case LLVMAShr: put(r, (uint64_t)LLVMGetExact(i)); return true;
  case LLVMOr: put(r, (uint64_t)LLVMGetIsDisjoint(i)); return true;
  case LLVMZExt:
  case LLVMUIToFP: put(r, (uint64_t)LLVMGetNNeg(i)); return true;
  case LLVMICmp: put(r, (uint64_t)LLVMGetICmpPredicate(i)); return true;
  case LLVMFCmp: put(r, (uint64_t)LLVMGetFCmpPredicate(i)); return true;
  case LLVMLoad:
  case LLVMStore: return put_memory(r, i);
  case LLVMAlloca:
    put_p(r, LLVMGetAllocatedType(i));
    put(r, LLVMGetAlignment(i));
    return true;
  case LLVMGetElementPtr:
    put_p(r, LLVMGetGEPSourceElementType(i));
    put(r, (uint64_t)LLVMGEPGetNoWrapFlags(i));
    return true;
  case LLVMShuffleVector: put_mask(r, i); return true;
  case LLVMExtractValue:
  case LLVMInsertValue: put_indices(r, i); return true;
  case LLVMCall: put_call(r, i); return true;
  case LLVMPHI:
    for (unsigned k = 0; k < LLVMCountIncoming(i); k++) put_block(r, LLVMGetIncomingBlock(i, k));
    return true;
  case LLVMRet:
  case LLVMBr:
  case LLVMUnreachable:
  case LLVMFNeg:
  case LLVMFAdd:
  case LLVMFSub:
  case LLVMFMul:
  case LLVMFDiv:
  case LLVMURem:
  case LLVMSRem:
  case LLVMFRem:
  case LLVMAnd:
  case LLVMXor:
  case LLVMTrunc:
  case LLVMSExt:
  case LLVMFPToUI:
  case LLVMFPToSI:
  case LLVMSIToFP:
  case LLVMFPTrunc:
  case LLVMFPExt:
  case LLVMPtrToInt:
  case LLVMIntToPtr:
  case LLVMBitCast:
  case LLVMSelect:
  case LLVMExtractElement:
  case LLVMInsertElement:
  case LLVMFreeze: return true;
  default: return false;
  }
}

static void put_operand(reader *r, LLVMValueRef i, unsigned op) {
  LLVMValueRef v = LLVMGetOperand(i, (unsigned)op), g;
  void *n = mc_map_ptr_get(&r->number, v);
  int64_t offset;
  if (n)
    put_p(r, n); /* small numbers; addresses are none */
  else if (!LLVMIsConstant(v))
    put_p(r, v);
  else if ((g = global_of(v, &offset)) != NULL)
    add_hole(r, (same_hole){ SAME_GLOBAL, i, g, op, offset });
  else if (may_vary(i, op) && is_number(v))
    add_hole(r, (same_hole){ SAME_NUMBER, i, v, op, 0 });
  else
    put_p(r, v);
}

static bool put_instruction(reader *r, LLVMValueRef i) {
  int n = LLVMGetNumOperands(i);
  put(r, (uint64_t)LLVMGetInstructionOpcode(i));
  put_p(r, LLVMTypeOf(i));
  put(r, (uint64_t)n);
  if (LLVMHasMetadata(i) || !put_flags(r, i)) return false;
  r->out->instructions++;
  if (arena_address(r, i)) {
    add_hole(r, (same_hole){ SAME_ARENA, i, LLVMGetOperand(i, 1), 1, 0 });
    return true;
  }
  for (int k = 0; k < n; k++) put_operand(r, i, (unsigned)k);
  return true;
}

/* ---- functions ---- */

static void number_values(reader *r, LLVMValueRef fn) {
  for (LLVMValueRef p = LLVMGetFirstParam(fn); p; p = LLVMGetNextParam(p)) number(r, p);
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(fn); b; b = LLVMGetNextBasicBlock(b)) {
    number(r, LLVMBasicBlockAsValue(b));
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
      number(r, i);
  }
}

LLVMAttributeRef *same_attributes(LLVMValueRef fn, unsigned *n, mc_arena *a) {
  *n = LLVMGetAttributeCountAtIndex(fn, (unsigned)LLVMAttributeFunctionIndex);
  LLVMAttributeRef *list = MC_NEWN(a, LLVMAttributeRef, *n + 1);
  LLVMGetAttributesAtIndex(fn, (unsigned)LLVMAttributeFunctionIndex, list);
  return list;
}

static void put_attributes(reader *r, LLVMValueRef fn) {
  unsigned n;
  LLVMAttributeRef *list = same_attributes(fn, &n, r->arena);
  for (unsigned k = 0; k < n; k++) put_p(r, list[k]);
}

bool same_read(same_code *out, LLVMValueRef fn, mc_arena *a) {
  reader r = { .out = out, .arena = a, .arena_param = LLVMGetParam(fn, 0) };
  *out = (same_code){ .fn = fn };
  mc_map_init(&r.number, a);
  put_p(&r, LLVMGlobalGetValueType(fn));
  put_attributes(&r, fn);
  number_values(&r, fn);
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(fn); b; b = LLVMGetNextBasicBlock(b)) {
    put_block(&r, b);
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
      if (!put_instruction(&r, i)) return false;
  }
  return true;
}
