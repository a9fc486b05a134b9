/* Functions as sequences of numbers that are equal where two functions do the same on other
 * constants (same.c). */
#ifndef MC_CODEGEN_SAME_H
#define MC_CODEGEN_SAME_H
#include "mc/support/arena.h"
#include <llvm-c/Core.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A place where equal functions may differ: */
typedef enum same_kind {
  SAME_GLOBAL, /* operand `op` of `user` is the global variable `value`, or `offset` bytes after it
                */
  SAME_ARENA,  /* `user` is the first parameter plus `value` bytes, an i64 */
  SAME_NUMBER /* operand `op` of `user` is `value` in every lane: f32, or an integer of 8 to 32 bits
               */
} same_kind;

typedef struct same_hole {
  same_kind kind;
  LLVMValueRef user, value;
  unsigned op;
  int64_t offset;
} same_hole;

typedef struct same_code {
  LLVMValueRef fn;
  MC_VEC(uint64_t) key;
  MC_VEC(same_hole) hole;
  int instructions;
} same_code;

/* Two functions of one module whose keys are equal bytes are the same function but for the values
 * in their holes, which are as many and of the same kinds. False: the function has something that
 * is not known here. */
bool same_read(same_code *out, LLVMValueRef fn, mc_arena *a);
/* The n attributes of the function itself, in the arena. */
LLVMAttributeRef *same_attributes(LLVMValueRef fn, unsigned *n, mc_arena *a);
#endif
