/* How much stack the entries of a module use at most. */
#ifndef MC_CODEGEN_STACK_H
#define MC_CODEGEN_STACK_H
#include "module.h"

/* Before code is made of m: frames shall be told. */
void stack_ask(module *m);
/* A message of LLVM; true: it told a frame. */
bool stack_heard(module *m, const char *text);
/* After code was made: bytes that a call of any entry needs, from its return address down, without
 * what memcpy, memset and the caller's parallel_for need themselves. A multiple of 16, and an upper
 * bound. */
int64_t stack_bytes(module *m);
#endif
