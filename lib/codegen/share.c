/* One body for groups whose code differs in constants alone: layers of equal shapes.
 *
 *   NAME(arena, io):                       NAME of every group stays a symbol; the shared body is
 * NAME.shared of the first of them FIRST.shared(arena, io, addresses ..., numbers)
 *
 * Bodies get what differs as parameters: addresses of constants (which nothing else points to and
 * nothing writes, so LLVM knows as much about them as about constants), places in the arena, and a
 * table of numbers. What is the same in all groups stays in the body. docs/internals/modules.md,
 * "Equal layers". */
#include "same.h"
#include "module.h"
#include "mc/support/map.h"
#include <string.h>

enum {
  LEAST = 40,
  HELD = 8
}; /* instructions of a body that is worth a call; registers, see holds_too_much */

typedef MC_VEC(same_code *) set;

/* n groups; column: for each hole the parameter, or the place in the table, of what is there;
 * -1: the same in all. */
typedef struct shared {
  module *m;
  LLVMBuilderRef b;
  same_code **member;
  int n;
  int *column, nparam, nnumber;
  const same_hole **param,
      **number; /* hole of the first member that stands for each parameter, each number */
  size_t *param_hole, *number_hole; /* their numbers */
  LLVMValueRef body;
  int nold;
  bool *keeps; /* which of the group's own parameters the body has, too */
  const char *name;
} shared;

static LLVMTypeRef pointer(module *m) { return LLVMPointerTypeInContext(m->c, 0); }

static LLVMTypeRef byte_type(module *m) { return LLVMInt8TypeInContext(m->c); }

static LLVMValueRef bytes_from(module *m, LLVMBuilderRef b, LLVMValueRef p, LLVMValueRef n) {
  return LLVMBuildInBoundsGEP2(b, byte_type(m), p, &n, 1, "");
}

/* ---- what differs ---- */

static void find_columns(shared *s) {
  mc_arena *a = s->m->arena;
  size_t nhole = s->member[0]->hole.n;
  mc_map seen;
  mc_map_init(&seen, a);
  s->column = MC_NEWN(a, int, nhole + 1);
  s->param = MC_NEWN(a, const same_hole *, nhole + 1);
  s->number = MC_NEWN(a, const same_hole *, nhole + 1);
  s->param_hole = MC_NEWN(a, size_t, nhole + 1);
  s->number_hole = MC_NEWN(a, size_t, nhole + 1);
  const void **values = MC_NEWN(a, const void *, s->n);
  for (size_t h = 0; h < nhole; h++) {
    bool differ = false;
    for (int i = 0; i < s->n; i++) {
      values[i] = s->member[i]->hole.v[h].value;
      differ = differ || values[i] != values[0];
    }
    s->column[h] = -1;
    if (!differ) continue;
    void **slot = mc_map_bytes_slot(&seen, values, (size_t)s->n * sizeof *values);
    const same_hole *first = &s->member[0]->hole.v[h];
    bool number = first->kind == SAME_NUMBER;
    int *count = number ? &s->nnumber : &s->nparam;
    if (!*slot) {
      (number ? s->number : s->param)[*count] = first;
      (number ? s->number_hole : s->param_hole)[*count] = h;
      *slot = (void *)(intptr_t)++*count;
    }
    s->column[h] = (int)(intptr_t)*slot - 1;
  }
}

/* Whether the block can be reached from itself. */
static bool in_loop(LLVMBasicBlockRef b, mc_arena *a) {
  MC_VEC(LLVMBasicBlockRef) todo = { 0 };
  mc_map seen;
  mc_map_init(&seen, a);
  MC_PUSH(a, &todo, b);
  while (todo.n) {
    LLVMValueRef end = LLVMGetBasicBlockTerminator(todo.v[--todo.n]);
    for (unsigned i = 0; i < LLVMGetNumSuccessors(end); i++) {
      LLVMBasicBlockRef next = LLVMGetSuccessor(end, i);
      if (next == b) return true;
      void **slot = mc_map_ptr_slot(&seen, next);
      if (!*slot) MC_PUSH(a, &todo, next);
      *slot = b;
    }
  }
  return false;
}

/* Vectors at fixed distances from constants are registers that LLVM loads before a loop and, where
 * there are too many, again from their place. From a parameter it does not load them again: it
 * spills them, which cost a depthwise kernel with all its weights in registers a quarter of its
 * speed. */
static bool holds_too_much(const shared *s, const mc_target *t) {
  LLVMTargetDataRef layout = LLVMGetModuleDataLayout(s->m->m);
  uint64_t bytes = 0;
  mc_map seen;
  mc_map_init(&seen, s->m->arena);
  for (size_t h = 0; h < s->member[0]->hole.n; h++) {
    const same_hole *x = &s->member[0]->hole.v[h];
    if (s->column[h] < 0 || x->kind != SAME_GLOBAL || LLVMGetInstructionOpcode(x->user) != LLVMLoad)
      continue;
    int64_t key[2] = { s->column[h], x->offset };
    void **slot = mc_map_bytes_slot(&seen, key, sizeof key);
    if (!*slot && in_loop(LLVMGetInstructionParent(x->user), s->m->arena))
      bytes += LLVMStoreSizeOfType(layout, LLVMTypeOf(x->user));
    *slot = &seen;
  }
  return bytes > (uint64_t)HELD * (uint64_t)t->vector_bytes;
}

/* A parameter of the group stays where something besides arena addresses that become parameters
 * uses it. */
static void find_kept(shared *s) {
  LLVMValueRef f = s->member[0]->fn;
  mc_map gone;
  mc_map_init(&gone, s->m->arena);
  for (size_t h = 0; h < s->member[0]->hole.n; h++)
    if (s->member[0]->hole.v[h].kind == SAME_ARENA && s->column[h] >= 0)
      *mc_map_ptr_slot(&gone, s->member[0]->hole.v[h].user) = s;
  s->nold = (int)LLVMCountParams(f);
  s->keeps = MC_NEWN(s->m->arena, bool, s->nold + 1);
  for (int i = 0; i < s->nold; i++)
    for (LLVMUseRef u = LLVMGetFirstUse(LLVMGetParam(f, (unsigned)i)); u && !s->keeps[i];
         u = LLVMGetNextUse(u))
      s->keeps[i] = !mc_map_ptr_get(&gone, LLVMGetUser(u));
}

/* ---- the body ---- */

static void add_attr(shared *s, unsigned param, const char *name, uint64_t v) {
  unsigned id = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(s->body, param + 1, LLVMCreateEnumAttribute(s->m->c, id, v));
}

static void constant_attrs(shared *s, unsigned param, uint64_t bytes, uint64_t align) {
  add_attr(s, param, "noalias", 0);
  add_attr(s, param, "readonly", 0);
  add_attr(s, param, "align", align);
  add_attr(s, param, "dereferenceable", bytes);
}

static void copy_attributes(module *m, LLVMValueRef to, LLVMValueRef from) {
  unsigned n;
  LLVMAttributeRef *list = same_attributes(from, &n, m->arena);
  for (unsigned i = 0; i < n; i++)
    LLVMAddAttributeAtIndex(to, (unsigned)LLVMAttributeFunctionIndex, list[i]);
}

static unsigned first_new(const shared *s) {
  unsigned n = 0;
  for (int i = 0; i < s->nold; i++) n += s->keeps[i];
  return n;
}

static uint64_t least_bytes(const shared *s, size_t hole) {
  LLVMTargetDataRef layout = LLVMGetModuleDataLayout(s->m->m);
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < s->n; i++) {
    uint64_t n =
        LLVMABISizeOfType(layout, LLVMGlobalGetValueType(s->member[i]->hole.v[hole].value));
    if (n < least) least = n;
  }
  return least;
}

/* The first member's blocks move into it. */
static void make_body(shared *s) {
  module *m = s->m;
  LLVMValueRef f = s->member[0]->fn;
  LLVMTypeRef *list = MC_NEWN(m->arena, LLVMTypeRef, s->nold + s->nparam + 1);
  unsigned n = 0, at = first_new(s);
  for (int i = 0; i < s->nold; i++)
    if (s->keeps[i]) list[n++] = LLVMTypeOf(LLVMGetParam(f, (unsigned)i));
  for (int i = 0; i < s->nparam + (s->nnumber > 0); i++) list[n++] = pointer(m);
  s->body = LLVMAddFunction(m->m, mc_arena_printf(m->arena, "%s.shared", s->name),
                            LLVMFunctionType(LLVMVoidTypeInContext(m->c), list, n, 0));
  LLVMSetLinkage(s->body, LLVMInternalLinkage);
  copy_attributes(m, s->body, f);
  for (int i = 0; i < s->nparam; i++)
    if (s->param[i]->kind == SAME_GLOBAL)
      constant_attrs(s, at + (unsigned)i, least_bytes(s, s->param_hole[i]), 64);
  if (s->nnumber) constant_attrs(s, at + (unsigned)s->nparam, (uint64_t)s->nnumber * 4, 4);
  LLVMBasicBlockRef none = LLVMAppendBasicBlockInContext(m->c, s->body, "none"), last = none, next;
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b; b = next) {
    next = LLVMGetNextBasicBlock(b);
    LLVMMoveBasicBlockAfter(b, last);
    last = b;
  }
  LLVMDeleteBasicBlock(none);
  unsigned to = 0;
  for (int i = 0; i < s->nold; i++)
    if (s->keeps[i])
      LLVMReplaceAllUsesWith(LLVMGetParam(f, (unsigned)i), LLVMGetParam(s->body, to++));
}

/* Before whatever reads operand `op` of user. */
static void position(shared *s, const same_hole *h) {
  if (LLVMGetInstructionOpcode(h->user) == LLVMPHI)
    LLVMPositionBuilderBefore(s->b,
                              LLVMGetBasicBlockTerminator(LLVMGetIncomingBlock(h->user, h->op)));
  else
    LLVMPositionBuilderBefore(s->b, h->user);
}

static LLVMValueRef load_number(shared *s, const same_hole *h, LLVMValueRef table, int at) {
  LLVMContextRef c = s->m->c;
  LLVMTypeRef t = LLVMTypeOf(h->value), i32 = LLVMInt32TypeInContext(c);
  bool vector = LLVMGetTypeKind(t) == LLVMVectorTypeKind;
  LLVMValueRef p = bytes_from(s->m, s->b, table,
                              LLVMConstInt(LLVMInt64TypeInContext(c), (uint64_t)at * 4, 0)),
               v = LLVMBuildLoad2(s->b, vector ? LLVMGetElementType(t) : t, p, "");
  LLVMSetAlignment(v, 4);
  if (!vector) return v;
  v = LLVMBuildInsertElement(s->b, LLVMGetPoison(t), v, LLVMConstInt(i32, 0, 0), "");
  return LLVMBuildShuffleVector(s->b, v, LLVMGetPoison(t),
                                LLVMConstNull(LLVMVectorType(i32, LLVMGetVectorSize(t))), "");
}

static void fill_holes(shared *s) {
  unsigned at = first_new(s);
  LLVMTypeRef i64 = LLVMInt64TypeInContext(s->m->c);
  for (size_t i = 0; i < s->member[0]->hole.n; i++) {
    const same_hole *h = &s->member[0]->hole.v[i];
    if (s->column[i] < 0 || h->kind == SAME_ARENA) continue;
    position(s, h);
    LLVMValueRef v =
        LLVMGetParam(s->body, at + (unsigned)(h->kind == SAME_NUMBER ? s->nparam : s->column[i]));
    if (h->kind == SAME_NUMBER)
      v = load_number(s, h, v, s->column[i]);
    else if (h->offset)
      v = bytes_from(s->m, s->b, v, LLVMConstInt(i64, (uint64_t)h->offset, 1));
    LLVMSetOperand(h->user, h->op, v);
  }
  for (size_t i = 0; i < s->member[0]->hole.n; i++) {
    const same_hole *h = &s->member[0]->hole.v[i];
    if (s->column[i] < 0 || h->kind != SAME_ARENA) continue;
    LLVMReplaceAllUsesWith(h->user, LLVMGetParam(s->body, at + (unsigned)s->column[i]));
    LLVMInstructionEraseFromParent(h->user);
  }
}

/* ---- the groups' own functions ---- */

static uint32_t bits_of(LLVMValueRef v) {
  if (LLVMIsAConstantAggregateZero(v)) return 0;
  if (LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind) v = LLVMGetAggregateElement(v, 0);
  if (!LLVMIsAConstantFP(v)) return (uint32_t)LLVMConstIntGetZExtValue(v);
  LLVMBool loses;
  float f = (float)LLVMConstRealGetDouble(v, &loses);
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return bits;
}

static LLVMValueRef number_table(shared *s, const same_code *c, const char *name) {
  unsigned char *text = mc_arena_alloc(s->m->arena, (size_t)s->nnumber * 4);
  for (int i = 0; i < s->nnumber; i++) {
    uint32_t bits = bits_of(c->hole.v[s->number_hole[i]].value);
    for (int k = 0; k < 4; k++) text[i * 4 + k] = (unsigned char)(bits >> 8 * k);
  }
  LLVMValueRef init =
      LLVMConstStringInContext2(s->m->c, (const char *)text, (size_t)s->nnumber * 4, 1);
  LLVMValueRef g =
      LLVMAddGlobal(s->m->m, LLVMTypeOf(init), mc_arena_printf(s->m->arena, "%s.numbers", name));
  LLVMSetInitializer(g, init);
  LLVMSetGlobalConstant(g, 1);
  LLVMSetLinkage(g, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
  LLVMSetAlignment(g, 4);
  return g;
}

/* Takes the name of c's function, whose body is no longer wanted. */
static LLVMValueRef make_caller(shared *s, same_code *c) {
  module *m = s->m;
  size_t len;
  const char *raw = LLVMGetValueName2(c->fn, &len), *name = mc_arena_strndup(m->arena, raw, len);
  LLVMValueRef f = LLVMAddFunction(m->m, "", LLVMGlobalGetValueType(c->fn)),
               *arg = MC_NEWN(m->arena, LLVMValueRef, s->nold + s->nparam + 1);
  LLVMSetLinkage(f, LLVMInternalLinkage);
  copy_attributes(m, f, c->fn);
  LLVMPositionBuilderAtEnd(s->b, LLVMAppendBasicBlockInContext(m->c, f, "entry"));
  unsigned n = 0;
  for (int i = 0; i < s->nold; i++)
    if (s->keeps[i]) arg[n++] = LLVMGetParam(f, (unsigned)i);
  for (int i = 0; i < s->nparam; i++) {
    LLVMValueRef v = c->hole.v[s->param_hole[i]].value;
    arg[n++] = s->param[i]->kind == SAME_GLOBAL ? v : bytes_from(m, s->b, LLVMGetParam(f, 0), v);
  }
  if (s->nnumber) arg[n++] = number_table(s, c, name);
  LLVMValueRef call = LLVMBuildCall2(s->b, LLVMGlobalGetValueType(s->body), s->body, arg, n, "");
  LLVMSetTailCallKind(call, LLVMTailCallKindNoTail); /* a debugger sees which layer it is in */
  LLVMBuildRetVoid(s->b);
  LLVMDeleteFunction(c->fn);
  LLVMSetValueName2(f, name, len);
  return f;
}

static void share(module *m, const set *members, const mc_plan *p, LLVMBuilderRef b,
                  mc_map *renamed) {
  shared s = { .m = m, .b = b, .member = members->v, .n = (int)members->n };
  size_t len;
  const char *name = LLVMGetValueName2(s.member[0]->fn, &len);
  s.name = mc_arena_strndup(m->arena, name, len);
  find_columns(&s);
  if (!p->small && holds_too_much(&s, p->target)) return;
  find_kept(&s);
  make_body(&s);
  fill_holes(&s);
  for (int i = 0; i < s.n; i++) {
    void **to = mc_map_ptr_slot(renamed, s.member[i]->fn);
    *to = make_caller(&s, s.member[i]);
  }
}

void module_share(module *m, const mc_plan *p, mc_group_code *group) {
  mc_arena *a = mc_arena_create();
  mc_map sets, renamed;
  mc_map_init(&sets, a);
  mc_map_init(&renamed, a);
  for (int i = 0; i < p->ngroup; i++)
    for (int k = 0; k < group[i].n; k++) {
      same_code *c = MC_NEW(a, same_code);
      if (!same_read(c, group[i].fn[k], a) || c->instructions < LEAST) continue;
      void **slot = mc_map_bytes_slot(&sets, c->key.v, c->key.n * sizeof *c->key.v);
      if (!*slot) *slot = MC_NEW(a, set);
      set *in = *slot;
      MC_PUSH(a, in, c);
    }
  LLVMBuilderRef b = LLVMCreateBuilderInContext(m->c);
  for (size_t i = 0; i < sets.n; i++) {
    const set *in = sets.entries[i].val;
    if (in->n > 1) share(m, in, p, b, &renamed);
  }
  LLVMDisposeBuilder(b);
  for (int i = 0; i < p->ngroup; i++)
    for (int k = 0; k < group[i].n; k++) {
      LLVMValueRef now = mc_map_ptr_get(&renamed, group[i].fn[k]);
      if (now) group[i].fn[k] = now;
    }
  mc_arena_destroy(a);
}
