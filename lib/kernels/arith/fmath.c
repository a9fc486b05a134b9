/* support/fmath_steps.h instantiated with LLVM values: every step one instruction, no fast-math
 * flags, so the bits are the evaluator's. */
#include "vec.h"

#define FV kvalue
#define IV kvalue
#define MV kvalue
#define FM(name) fmath_##name
#define FM_FN
#define FM_CX kfmath *cx,
#define FM_ARG cx,
#define F_K(c) build_f32s(cx->k, c, cx->lanes)
#define I_K(c) build_i32s(cx->k, c, cx->lanes)
#define F_ADD(p, q) LLVMBuildFAdd(cx->k->b, p, q, "")
#define F_SUB(p, q) LLVMBuildFSub(cx->k->b, p, q, "")
#define F_MUL(p, q) LLVMBuildFMul(cx->k->b, p, q, "")
#define F_DIV(p, q) LLVMBuildFDiv(cx->k->b, p, q, "")
#define F_MIN(a, b) vec_fmin(cx->k, a, b)
#define F_MAX(a, b) vec_fmax(cx->k, a, b)
#define F_LT(p, q) LLVMBuildFCmp(cx->k->b, LLVMRealOLT, p, q, "")
#define F_LE(p, q) LLVMBuildFCmp(cx->k->b, LLVMRealOLE, p, q, "")
#define F_EQ(p, q) LLVMBuildFCmp(cx->k->b, LLVMRealOEQ, p, q, "")
#define F_SEL(m, a, b) build_select(cx->k, m, a, b)
#define F_BITS(a) build_bitcast(cx->k, a, type_of_lanes(cx->k, cx->k->i32, cx->lanes))
#define I_BITS(a) build_bitcast(cx->k, a, type_of_lanes(cx->k, cx->k->f32, cx->lanes))
#define F_TO_I(a) LLVMBuildFPToSI(cx->k->b, a, type_of_lanes(cx->k, cx->k->i32, cx->lanes), "")
#define I_TO_F(a) vec_to_f32(cx->k, a)
#define I_ADD(i, j) LLVMBuildAdd(cx->k->b, i, j, "")
#define I_AND(i, j) LLVMBuildAnd(cx->k->b, i, j, "")
#define I_XOR(i, j) LLVMBuildXor(cx->k->b, i, j, "")
#define I_SHL(i, n) LLVMBuildShl(cx->k->b, i, build_i32s(cx->k, n, cx->lanes), "")
#define I_SHR(i, n) LLVMBuildAShr(cx->k->b, i, build_i32s(cx->k, n, cx->lanes), "")
#define M_AND(m, n) LLVMBuildAnd(cx->k->b, m, n, "")
#include "mc/support/fmath_steps.h"
