/* Types, constants, functions, memory. */
#include "kb.h"
#include <assert.h>
#include <string.h>

void kb_init(kb *k, LLVMModuleRef m, const mc_target *t, mc_arena *a, mc_diag *d) {
  memset(k, 0, sizeof *k);
  k->m = m;
  k->c = LLVMGetModuleContext(m);
  k->b = LLVMCreateBuilderInContext(k->c);
  k->target = t;
  k->arena = a;
  k->diag = d;
  k->i1 = LLVMInt1TypeInContext(k->c);
  k->i8 = LLVMInt8TypeInContext(k->c);
  k->i16 = LLVMInt16TypeInContext(k->c);
  k->i32 = LLVMInt32TypeInContext(k->c);
  k->i64 = LLVMInt64TypeInContext(k->c);
  k->f32 = LLVMFloatTypeInContext(k->c);
  k->f16 = LLVMHalfTypeInContext(k->c);
  k->bf16 = LLVMBFloatTypeInContext(k->c);
  k->ptr = LLVMPointerTypeInContext(k->c, 0);
  k->vd = LLVMVoidTypeInContext(k->c);
  mc_map_init(&k->consts, a);
}

void kb_fini(kb *k) { LLVMDisposeBuilder(k->b); }

bool kb_has(const kb *k, uint64_t isa) { return (k->target->isa & isa) == isa; }

/* Every level with avx2 has fma and f16c as well. */
bool kb_has_fma(const kb *k) {
  return k->target->arch == MC_ARCH_aarch64 || kb_has(k, MC_ISA_BIT(avx2));
}

bool kb_has_f16(const kb *k) { return kb_has_fma(k); }

bool kb_has_dots(const kb *k) { return kb_has(k, MC_ISA_BIT(avx512vnni)); }

int kb_phys_lanes(const kb *k) {
  return k->target->vector_bytes >= 64 ? 16 : k->target->vector_bytes >= 32 ? 8 : 4;
}

T kb_vt(kb *k, T elem, int lanes) {
  (void)k;
  return lanes == 1 ? elem : LLVMVectorType(elem, (unsigned)lanes);
}

int kb_lanes(V v) {
  T t = LLVMTypeOf(v);
  return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 1;
}

static T elem_of(V v) {
  T t = LLVMTypeOf(v);
  return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t;
}

V kb_i64(kb *k, int64_t v) { return LLVMConstInt(k->i64, (uint64_t)v, 1); }

V kb_i32(kb *k, int64_t v) { return LLVMConstInt(k->i32, (uint64_t)v, 1); }

/* Through the bits: LLVMConstReal takes a double, which would lose the payload of a NaN. */
V kb_f32(kb *k, float v) {
  uint32_t bits;
  memcpy(&bits, &v, 4);
  return LLVMConstBitCast(LLVMConstInt(k->i32, bits, 0), k->f32);
}

V kb_splat_c(V c, int lanes) {
  if (lanes == 1) return c;
  V a[64];
  assert(lanes <= 64);
  for (int i = 0; i < lanes; i++) a[i] = c;
  return LLVMConstVector(a, (unsigned)lanes);
}

V kb_i32s(kb *k, int64_t v, int lanes) { return kb_splat_c(kb_i32(k, v), lanes); }

V kb_f32s(kb *k, float v, int lanes) { return kb_splat_c(kb_f32(k, v), lanes); }

/* LLVM keeps equal constants once, so the initializer stands for the bytes. */
static V rodata(kb *k, const char *bytes, size_t n, const char *name) {
  V init = LLVMConstStringInContext2(k->c, bytes, n, 1),
    *slot = (V *)mc_map_ptr_slot(&k->consts, init);
  if (*slot) return *slot;
  V g = LLVMAddGlobal(k->m, LLVMTypeOf(init), name);
  LLVMSetInitializer(g, init);
  LLVMSetGlobalConstant(g, 1);
  LLVMSetExternallyInitialized(g, 1); /* read-only all the same; keeps LLVM from copying loads at
                                         known addresses into constant pools */
  LLVMSetLinkage(g, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
  LLVMSetAlignment(g, 64);
  return *slot = g;
}

/* Another level may have packed the same bytes. There are few blocks, and unequal ones differ
 * early. */
static V find_aside(const kb *k, const char *bytes, size_t n) {
  for (size_t i = 0; i < k->aside->n; i++)
    if (k->aside->v[i].size == n && memcmp(k->aside->v[i].data, bytes, n) == 0)
      return k->aside->v[i].global;
  return NULL;
}

static V put_aside(kb *k, const char *bytes, size_t n, const char *name) {
  V old = find_aside(k, bytes, n);
  if (old) return old;
  V g = LLVMAddGlobal(k->m, LLVMArrayType2(k->i8, n), name);
  LLVMSetAlignment(g, 64);
  MC_PUSH(k->arena, k->aside, ((mc_external){ g, NULL, bytes, n }));
  return g;
}

V kb_rodata(kb *k, const void *data, size_t n, size_t slack, const char *name) {
  enum { LARGE = 1 << 16 };

  if (!k->aside && n > 0 && slack == 0 && n % 64 == 0) return rodata(k, data, n, name);
  size_t total = (n + slack + 63) / 64 * 64;
  char *bytes = mc_arena_alloc(k->arena, total);
  if (n) memcpy(bytes, data, n);
  return k->aside && total >= LARGE ? put_aside(k, bytes, total, name)
                                    : rodata(k, bytes, total, name);
}

V kb_table_i64(kb *k, const int64_t *v, int64_t n, const char *name) {
  return kb_rodata(k, v, (size_t)n * 8, 0, name);
}

void kb_enum_attr(kb *k, V fn, unsigned index, const char *name, uint64_t v) {
  unsigned id = LLVMGetEnumAttributeKindForName(name, strlen(name));
  assert(id);
  LLVMAddAttributeAtIndex(fn, index, LLVMCreateEnumAttribute(k->c, id, v));
}

static void string_attr(kb *k, V fn, const char *name, const char *v) {
  LLVMAddAttributeAtIndex(
      fn, (unsigned)LLVMAttributeFunctionIndex,
      LLVMCreateStringAttribute(k->c, name, (unsigned)strlen(name), v, (unsigned)strlen(v)));
}

V kb_function(kb *k, const char *name, T ret, int nparams, int nints, bool external) {
  T *p = MC_NEWN(k->arena, T, nparams + nints + 1);
  for (int i = 0; i < nparams + nints; i++) p[i] = i < nparams ? k->ptr : k->i64;
  V f = LLVMAddFunction(k->m, name, LLVMFunctionType(ret, p, (unsigned)(nparams + nints), 0));
  string_attr(k, f, "target-cpu", k->target->cpu);
  string_attr(k, f, "target-features", k->target->features);
  if (k->target->vector_bytes >= 64) string_attr(k, f, "prefer-vector-width", "512");
  kb_enum_attr(k, f, (unsigned)LLVMAttributeFunctionIndex, "nounwind", 0);
  if (!external) {
    LLVMSetLinkage(f, LLVMInternalLinkage);
    kb_enum_attr(k, f, (unsigned)LLVMAttributeFunctionIndex, "noinline", 0);
  }
  LLVMPositionBuilderAtEnd(k->b, LLVMAppendBasicBlockInContext(k->c, f, "entry"));
  k->fn = f;
  return f;
}

V kb_stack(kb *k, int64_t bytes, int align) {
  BB cur = LLVMGetInsertBlock(k->b), entry = LLVMGetEntryBasicBlock(k->fn);
  V first = LLVMGetFirstInstruction(entry);
  if (first) LLVMPositionBuilderBefore(k->b, first);
  V p = LLVMBuildAlloca(k->b, LLVMArrayType2(k->i8, (uint64_t)bytes), "");
  LLVMSetAlignment(p, (unsigned)align);
  LLVMPositionBuilderAtEnd(k->b, cur);
  return p;
}

V kb_intr(kb *k, const char *name, T *ov, unsigned nov, V *a, unsigned na) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  assert(id && "unknown intrinsic");
  V f = LLVMGetIntrinsicDeclaration(k->m, id, ov, nov);
  T ft = LLVMIntrinsicGetType(k->c, id, ov, nov);
  return LLVMBuildCall2(k->b, ft, f, a, na, "");
}

V kb_intr1(kb *k, const char *name, V a) {
  T t = LLVMTypeOf(a);
  return kb_intr(k, name, &t, 1, &a, 1);
}

V kb_intr2(kb *k, const char *name, V a, V b) {
  T t = LLVMTypeOf(a);
  return kb_intr(k, name, &t, 1, (V[]){ a, b }, 2);
}

V kb_gep(kb *k, V p, V bytes) {
  if (LLVMIsAConstantInt(bytes) && LLVMConstIntGetSExtValue(bytes) == 0) return p;
  return LLVMBuildInBoundsGEP2(k->b, k->i8, p, &bytes, 1, "");
}

V kb_gepi(kb *k, V p, int64_t bytes) { return bytes ? kb_gep(k, p, kb_i64(k, bytes)) : p; }

V kb_load(kb *k, T t, V p, int align) {
  V v = LLVMBuildLoad2(k->b, t, p, "");
  LLVMSetAlignment(v, (unsigned)align);
  return v;
}

void kb_store(kb *k, V v, V p, int align) {
  LLVMSetAlignment(LLVMBuildStore(k->b, v, p), (unsigned)align);
}

static int elem_bytes(kb *k, T elem) {
  return elem == k->f32 || elem == k->i32 ? 4 : elem == k->i8 ? 1 : elem == k->i16 ? 2 : 8;
}

/* AVX-512 has byte masks; elsewhere a part is loaded in pieces of 8, 4, 2, 1 lanes. */
static bool has_masks(const kb *k, int lanes) {
  return lanes >= KB_LANES && kb_has(k, MC_ISA_BIT(avx512));
}

static V mask_of(kb *k, int lanes, int valid) {
  V m[64];
  for (int i = 0; i < lanes; i++) m[i] = LLVMConstInt(k->i1, i < valid, 0);
  return LLVMConstVector(m, (unsigned)lanes);
}

V kb_load_part(kb *k, T elem, V p, int lanes, int valid, int align) {
  T vt = kb_vt(k, elem, lanes);
  if (valid >= lanes) return kb_load(k, vt, p, align);
  if (has_masks(k, lanes)) {
    V a[4] = { p, kb_i32(k, align), mask_of(k, lanes, valid), LLVMConstNull(vt) };
    return kb_intr(k, "llvm.masked.load", (T[]){ vt, k->ptr }, 2, a, 4);
  }
  V r = LLVMConstNull(vt);
  int es = elem_bytes(k, elem);
  for (int at = 0, n = lanes / 2; n >= 1; n /= 2) {
    if (valid - at < n) continue;
    V part = kb_widen(
        k,
        kb_load(k, kb_vt(k, elem, n), kb_gepi(k, p, (int64_t)at * es), align < es * n ? align : es),
        lanes);
    int mask[64];
    for (int i = 0; i < lanes; i++) mask[i] = i >= at && i < at + n ? lanes + i - at : i;
    r = kb_shuffle(k, r, part, mask, lanes);
    at += n;
  }
  return r;
}

void kb_store_part(kb *k, V v, V p, int valid, int align) {
  int lanes = kb_lanes(v);
  if (valid >= lanes) {
    kb_store(k, v, p, align);
    return;
  }
  bool few_bytes =
      elem_of(v) == k->i8 &&
      __builtin_popcount((unsigned)valid) <=
          2; /* one or two stores are faster than one under a mask of bytes (6 cycles on Zen 4) */
  if (has_masks(k, lanes) && !few_bytes) {
    V a[4] = { v, p, kb_i32(k, align), mask_of(k, lanes, valid) };
    kb_intr(k, "llvm.masked.store", (T[]){ LLVMTypeOf(v), k->ptr }, 2, a, 4);
    return;
  }
  int es = elem_bytes(k, elem_of(v));
  for (int at = 0, n = lanes / 2; n >= 1; n /= 2) {
    if (valid - at < n) continue;
    kb_store(k, kb_extract(k, v, at, n), kb_gepi(k, p, (int64_t)at * es),
             align < es * n ? align : es);
    at += n;
  }
}

void kb_memset(kb *k, V p, int byte, int64_t n) {
  if (n > 0)
    LLVMBuildMemSet(k->b, p, LLVMConstInt(k->i8, (uint64_t)byte & 255u, 0), kb_i64(k, n), 1);
}

void kb_memcpy(kb *k, V dst, V src, int64_t n) {
  if (n > 0) LLVMBuildMemCpy(k->b, dst, 1, src, 1, kb_i64(k, n));
}
