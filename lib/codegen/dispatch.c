/* The choice of a level, once per process and object:
 *
 *   level word: 0 not chosen yet, k + 1 level k, n + 1 the machine has none
 *   groups(arena, io):    w = level word; if (!w) w = choose(); switch (w) { k + 1: run[k](arena,
 *     io); return 0; default: return 1; }
 *   choose():             bits = probe(); for (k = n - 1; k >= 0 && !has(bits, k); k--); store k +
 *     1, or n + 1
 *   has(bits, k):         bit k of bits, and where k needs tiles, ask()
 *
 * Two threads that run for the first time at once both choose, and store the same word: nothing
 * else is written. The word is stored after the system call, with release order, and loaded with
 * acquire order, so who sees a level of tiles may use them. */
#include "dispatch.h"

typedef struct choice {
  module *m;
  LLVMBuilderRef b;
  LLVMTypeRef i32, ptr;
  LLVMValueRef fn, word, probe, ask, has, choose;
  int n;
  uint64_t asks;
} choice;

static LLVMValueRef num(const choice *c, int64_t v) { return LLVMConstInt(c->i32, (uint64_t)v, 1); }

static LLVMValueRef call(const choice *c, LLVMValueRef f, LLVMValueRef *arg, unsigned n) {
  return LLVMBuildCall2(c->b, LLVMGlobalGetValueType(f), f, arg, n, "");
}

static LLVMBasicBlockRef block(const choice *c, const char *name) {
  return LLVMAppendBasicBlockInContext(c->m->c, c->fn, name);
}

static LLVMBasicBlockRef here(const choice *c) { return LLVMGetInsertBlock(c->b); }

static void at(const choice *c, LLVMBasicBlockRef bb) { LLVMPositionBuilderAtEnd(c->b, bb); }

static LLVMValueRef phi(const choice *c, LLVMValueRef a, LLVMBasicBlockRef from_a, LLVMValueRef b,
                        LLVMBasicBlockRef from_b) {
  LLVMValueRef p = LLVMBuildPhi(c->b, LLVMTypeOf(a), "");
  LLVMAddIncoming(p, &a, &from_a, 1);
  LLVMAddIncoming(p, &b, &from_b, 1);
  return p;
}

static LLVMValueRef load_word(const choice *c) {
  LLVMValueRef v = LLVMBuildLoad2(c->b, c->i32, c->word, "");
  LLVMSetOrdering(v, LLVMAtomicOrderingAcquire);
  LLVMSetAlignment(v, 4);
  return v;
}

static void store_word(const choice *c, LLVMValueRef v) {
  LLVMValueRef s = LLVMBuildStore(c->b, v, c->word);
  LLVMSetOrdering(s, LLVMAtomicOrderingRelease);
  LLVMSetAlignment(s, 4);
}

/* ---- functions ---- */
LLVMValueRef dispatch_function(module *m, LLVMBuilderRef *b, const char *suffix, LLVMTypeRef ret,
                               LLVMTypeRef param, unsigned nparams) {
  enum { MOST = 4 };

  LLVMTypeRef list[MOST];
  for (unsigned i = 0; i < nparams && i < MOST; i++) list[i] = param;
  LLVMValueRef f = LLVMAddFunction(m->m, mc_arena_printf(m->arena, "%s%s", m->opts->prefix, suffix),
                                   LLVMFunctionType(ret, list, nparams, 0));
  if (*suffix == '.') LLVMSetLinkage(f, LLVMInternalLinkage);
  *b = module_begin(m, f);
  return f;
}

static void begin(choice *c, const char *suffix, LLVMTypeRef param, unsigned nparams) {
  if (c->b) LLVMDisposeBuilder(c->b);
  c->fn = dispatch_function(c->m, &c->b, suffix, c->i32, param, nparams);
}

static choice open_choice(module *m, int n) {
  return (choice){
    .m = m, .i32 = LLVMInt32TypeInContext(m->c), .ptr = LLVMPointerTypeInContext(m->c, 0), .n = n
  };
}

static void emit_word(choice *c) {
  c->word =
      LLVMAddGlobal(c->m->m, c->i32, mc_arena_printf(c->m->arena, "%s.level", c->m->opts->prefix));
  LLVMSetInitializer(c->word, num(c, 0));
  LLVMSetLinkage(c->word, LLVMInternalLinkage);
  LLVMSetAlignment(c->word, 4);
}

/* int has(bits, k): 0 <= k < n */
static void emit_has(choice *c) {
  begin(c, ".has", c->i32, 2);
  c->has = c->fn;
  LLVMValueRef k = LLVMGetParam(c->fn, 1),
               bit = LLVMBuildAnd(c->b, LLVMBuildLShr(c->b, LLVMGetParam(c->fn, 0), k, ""),
                                  num(c, 1), "");
  if (!c->ask) {
    LLVMBuildRet(c->b, bit);
    return;
  }
  LLVMBasicBlockRef ask = block(c, "ask"), done = block(c, "done");
  LLVMValueRef tiles =
      LLVMBuildAnd(c->b, bit, LLVMBuildLShr(c->b, num(c, (int64_t)c->asks), k, ""), "");
  LLVMBuildCondBr(c->b, LLVMBuildTrunc(c->b, tiles, LLVMInt1TypeInContext(c->m->c), ""), ask, done);
  at(c, ask);
  LLVMBuildRet(c->b, call(c, c->ask, NULL, 0));
  at(c, done);
  LLVMBuildRet(c->b, bit);
}

/* int choose(void): the level word */
static void emit_choose(choice *c) {
  begin(c, ".choose", c->i32, 0);
  c->choose = c->fn;
  LLVMBasicBlockRef entry = here(c), loop = block(c, "loop"), lower = block(c, "lower"),
                    done = block(c, "done");
  LLVMValueRef bits = call(c, c->probe, NULL, 0);
  LLVMBuildBr(c->b, loop);
  at(c, lower);
  LLVMValueRef next = LLVMBuildPhi(c->b, c->i32, ""),
               less = LLVMBuildSub(c->b, next, num(c, 1), "");
  LLVMBuildCondBr(c->b, LLVMBuildICmp(c->b, LLVMIntEQ, next, num(c, 0), ""), done, loop);
  at(c, loop);
  LLVMValueRef k = phi(c, num(c, c->n - 1), entry, less, lower),
               has = call(c, c->has, (LLVMValueRef[]){ bits, k }, 2),
               found = LLVMBuildAdd(c->b, k, num(c, 1), "");
  LLVMAddIncoming(next, &k, &loop, 1);
  LLVMBuildCondBr(c->b, LLVMBuildICmp(c->b, LLVMIntNE, has, num(c, 0), ""), done, lower);
  at(c, done);
  LLVMValueRef w = phi(c, found, loop, num(c, c->n + 1), lower);
  store_word(c, w);
  LLVMBuildRet(c->b, w);
}

/* The word, chosen if need be. */
static LLVMValueRef word_of(choice *c) {
  LLVMBasicBlockRef entry = here(c), cold = block(c, "choose"), warm = block(c, "chosen");
  LLVMValueRef w = load_word(c);
  LLVMBuildCondBr(c->b, LLVMBuildICmp(c->b, LLVMIntEQ, w, num(c, 0), ""), cold, warm);
  at(c, cold);
  LLVMValueRef first = call(c, c->choose, NULL, 0);
  LLVMBuildBr(c->b, warm);
  at(c, warm);
  return phi(c, w, entry, first, cold);
}

/* int PREFIX_level(void): k, or -1 */
static void emit_level(choice *c) {
  begin(c, "_level", c->i32, 0);
  LLVMValueRef w = word_of(c), none = LLVMBuildICmp(c->b, LLVMIntEQ, w, num(c, c->n + 1), "");
  LLVMBuildRet(c->b,
               LLVMBuildSelect(c->b, none, num(c, -1), LLVMBuildSub(c->b, w, num(c, 1), ""), ""));
}

/* int PREFIX_set_level(int k, int trust): 0, or 1 when the machine lacks it; k -1: the best; trust:
 * the caller knows that the machine has it */
static void emit_set_level(choice *c) {
  begin(c, "_set_level", c->i32, 2);
  LLVMValueRef k = LLVMGetParam(c->fn, 0), trust = LLVMGetParam(c->fn, 1);
  LLVMBasicBlockRef best = block(c, "best"), given = block(c, "given"), known = block(c, "known"),
                    check = block(c, "check"), set = block(c, "set"), no = block(c, "no");
  LLVMBuildCondBr(c->b, LLVMBuildICmp(c->b, LLVMIntEQ, k, num(c, -1), ""), best, given);
  at(c, best);
  LLVMValueRef none =
      LLVMBuildICmp(c->b, LLVMIntEQ, call(c, c->choose, NULL, 0), num(c, c->n + 1), "");
  LLVMBuildRet(c->b, LLVMBuildZExt(c->b, none, c->i32, ""));
  at(c, given);
  LLVMBuildCondBr(c->b, LLVMBuildICmp(c->b, LLVMIntULT, k, num(c, c->n), ""), known, no);
  at(c, known);
  LLVMBuildCondBr(c->b, LLVMBuildICmp(c->b, LLVMIntNE, trust, num(c, 0), ""), set, check);
  at(c, check);
  LLVMValueRef has = call(c, c->has, (LLVMValueRef[]){ call(c, c->probe, NULL, 0), k }, 2);
  LLVMBuildCondBr(c->b, LLVMBuildICmp(c->b, LLVMIntNE, has, num(c, 0), ""), set, no);
  at(c, set);
  store_word(c, LLVMBuildAdd(c->b, k, num(c, 1), ""));
  LLVMBuildRet(c->b, num(c, 0));
  at(c, no);
  LLVMBuildRet(c->b, num(c, 1));
}

dispatch dispatch_emit(module *m, const mc_target *const *level, int n) {
  choice c = open_choice(m, n);
  for (int k = 0; k < n; k++) c.asks |= (uint64_t)mc_target_asks(level[k]) << k;
  emit_word(&c);
  c.probe = dispatch_emit_probe(m, level, n);
  if (c.asks) c.ask = dispatch_emit_ask(m);
  emit_has(&c);
  emit_choose(&c);
  emit_level(&c);
  emit_set_level(&c);
  LLVMDisposeBuilder(c.b);
  return (dispatch){ m, c.word, c.choose, n };
}

LLVMValueRef dispatch_entry(const dispatch *d, const char *suffix, LLVMValueRef const *run,
                            unsigned nparams) {
  choice c = open_choice(d->m, d->n);
  c.word = d->word;
  c.choose = d->choose;
  begin(&c, suffix, c.ptr, nparams);
  LLVMValueRef arg[4], w = word_of(&c);
  LLVMGetParams(c.fn, arg);
  LLVMBasicBlockRef none = block(&c, "none");
  LLVMValueRef s = LLVMBuildSwitch(c.b, w, none, (unsigned)c.n);
  for (int k = 0; k < c.n; k++) {
    LLVMBasicBlockRef one = block(&c, "");
    LLVMAddCase(s, num(&c, k + 1), one);
    at(&c, one);
    call(&c, run[k], arg, nparams);
    LLVMBuildRet(c.b, num(&c, 0));
  }
  at(&c, none);
  LLVMBuildRet(c.b, num(&c, 1));
  LLVMDisposeBuilder(c.b);
  return c.fn;
}
