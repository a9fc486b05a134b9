/* Objects with code for several levels: which one runs is found out on the machine
 * (docs/reference/abi.md, "Levels"). */
#ifndef MC_CODEGEN_DISPATCH_H
#define MC_CODEGEN_DISPATCH_H
#include "module.h"

/* The choice among n levels: the word that remembers it, and the function that makes it. */
typedef struct dispatch {
  module *m;
  LLVMValueRef word, choose;
  int n;
} dispatch;

/* The word, the functions after it, PREFIX_level and PREFIX_set_level. level: lowest first. */
dispatch dispatch_emit(module *m, const mc_target *const *level, int n);
/* The internal function int PREFIX<suffix>(ptr...) of `nparams` pointers that calls run[k] (void,
 * the same parameters) of the chosen level k and returns 0, or 1 when the machine has no level. */
LLVMValueRef dispatch_entry(const dispatch *d, const char *suffix, LLVMValueRef const *run,
                            unsigned nparams);

/* The function ret PREFIX<suffix>(param...), internal where the suffix begins with a point; *b
 * is in its first block. */
LLVMValueRef dispatch_function(module *m, LLVMBuilderRef *b, const char *suffix, LLVMTypeRef ret,
                               LLVMTypeRef param, unsigned nparams);
/* probe.c: the internal function int f(void) whose result has bit k set when the processor and the
 * operating system have what level[k] needs. */
LLVMValueRef dispatch_emit_probe(module *m, const mc_target *const *level, int n);
/* probe.c: the internal function int f(void) that asks the operating system for tile registers: 1
 * when this process may use them. x86-64 Linux. */
LLVMValueRef dispatch_emit_ask(module *m);
#endif
