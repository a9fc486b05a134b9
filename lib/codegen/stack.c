/* Stack use of the entries: LLVM tells each function's frame when it has laid it out (the attribute
 * "warn-stack-size" makes a diagnostic of it), and calls are known, since nothing here recurses and
 * the only pointer that is called is the caller's parallel_for, which calls tasks. */
#include "stack.h"
#include <stdlib.h>
#include <string.h>

enum {
  CALL = 8,      /* the return address */
  ALIGN = 64,    /* what a frame may lose to the alignment of its vectors */
  RED_ZONE = 128 /* x86-64: what the last function may use below its frame */
};

void stack_ask(module *m) {
  mc_map_init(&m->frames, m->arena);
  for (LLVMValueRef f = LLVMGetFirstFunction(m->m); f; f = LLVMGetNextFunction(f))
    if (LLVMCountBasicBlocks(f)) {
      LLVMAttributeRef a = LLVMCreateStringAttribute(m->c, "warn-stack-size", 15, "0", 1);
      LLVMAddAttributeAtIndex(f, (unsigned)LLVMAttributeFunctionIndex, a);
    }
}

bool stack_heard(module *m, const char *text) {
  static const char start[] = "stack frame size (", name[] = "in function '";
  const char *at = strstr(text, start), *from = at ? strstr(at, name) : NULL,
             *end = strrchr(text, '\'');
  if (!m->frames.arena || !from || end < from + sizeof name) return false;
  from += sizeof name - 1;
  const char *key = mc_arena_strndup(m->arena, from, (size_t)(end - from));
  unsigned long long bytes = strtoull(at + sizeof start - 1, NULL, 10);
  *mc_map_str_slot(&m->frames, key) = (void *)(uintptr_t)bytes;
  return true;
}

typedef struct walk {
  module *m;
  mc_map done;
  uint64_t task; /* the deepest task */
} walk;

static uint64_t depth(walk *w, LLVMValueRef f);

static uint64_t depth_of_call(walk *w, LLVMValueRef call) {
  LLVMValueRef to = LLVMGetCalledValue(call);
  if (!LLVMIsAFunction(to)) return LLVMIsAInlineAsm(to) ? 0 : CALL + w->task;
  if (LLVMGetIntrinsicID(to)) return CALL; /* memcpy and memset may be calls */
  return LLVMCountBasicBlocks(to) ? depth(w, to) : CALL;
}

/* Bytes from the call of f on: its return address, its frame, the deepest of what it calls. */
static uint64_t depth(walk *w, LLVMValueRef f) {
  void **slot = mc_map_ptr_slot(&w->done, f);
  if (*slot) return (uintptr_t)*slot;
  uint64_t below = 0;
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b))
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) {
      uint64_t d = LLVMIsACallInst(i) ? depth_of_call(w, i) : 0;
      if (below < d) below = d;
    }
  size_t n;
  const char *name = LLVMGetValueName2(f, &n);
  uint64_t frame = (uintptr_t)mc_map_str_get(&w->m->frames, name);
  uint64_t sum = CALL + (frame ? frame + ALIGN : 0) + below;
  *mc_map_ptr_slot(&w->done, f) = (void *)(uintptr_t)sum;
  return sum;
}

static bool is_task(LLVMValueRef f) {
  static const char end[] = ".task";
  size_t n;
  const char *name = LLVMGetValueName2(f, &n);
  return n >= sizeof end && strcmp(name + n - (sizeof end - 1), end) == 0;
}

int64_t stack_bytes(module *m) {
  walk w = { .m = m };
  uint64_t most = 0;
  mc_map_init(&w.done, m->arena);
  for (LLVMValueRef f = LLVMGetFirstFunction(m->m); f; f = LLVMGetNextFunction(f))
    if (LLVMCountBasicBlocks(f) && is_task(f) && w.task < depth(&w, f)) w.task = depth(&w, f);
  for (LLVMValueRef f = LLVMGetFirstFunction(m->m); f; f = LLVMGetNextFunction(f))
    if (LLVMCountBasicBlocks(f) && LLVMGetLinkage(f) == LLVMExternalLinkage && most < depth(&w, f))
      most = depth(&w, f);
  most += RED_ZONE;
  return (int64_t)((most + 15) / 16 * 16);
}
