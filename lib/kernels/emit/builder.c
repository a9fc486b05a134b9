/* Types, constants, functions, memory. */
#include "builder.h"
#include <assert.h>
#include <string.h>

void builder_init(kbuilder *k, LLVMModuleRef m, const mc_target *t, mc_arena *a, mc_diag *d) {
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

void builder_fini(kbuilder *k) { LLVMDisposeBuilder(k->b); }

bool target_has(const kbuilder *k, uint64_t isa) { return (k->target->isa & isa) == isa; }

/* Every level with avx2 has fma and f16c as well. */
bool target_has_fma(const kbuilder *k) {
  return k->target->arch == MC_ARCH_aarch64 || target_has(k, MC_ISA_BIT(avx2));
}

bool target_has_f16(const kbuilder *k) { return target_has_fma(k); }

bool target_has_dots(const kbuilder *k) { return target_has(k, MC_ISA_BIT(avx512vnni)); }

int target_lanes(const kbuilder *k) {
  return k->target->vector_bytes >= 64 ? 16 : k->target->vector_bytes >= 32 ? 8 : 4;
}

ktype type_of_lanes(kbuilder *k, ktype elem, int lanes) {
  (void)k;
  return lanes == 1 ? elem : LLVMVectorType(elem, (unsigned)lanes);
}

int lanes_of(kvalue v) {
  ktype t = LLVMTypeOf(v);
  return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 1;
}

static ktype elem_of(kvalue v) {
  ktype t = LLVMTypeOf(v);
  return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t;
}

kvalue build_i64(kbuilder *k, int64_t v) { return LLVMConstInt(k->i64, (uint64_t)v, 1); }

kvalue build_i32(kbuilder *k, int64_t v) { return LLVMConstInt(k->i32, (uint64_t)v, 1); }

/* Through the bits: LLVMConstReal takes a double, which would lose the payload of a NaN. */
kvalue build_f32(kbuilder *k, float v) {
  uint32_t bits;
  memcpy(&bits, &v, 4);
  return LLVMConstBitCast(LLVMConstInt(k->i32, bits, 0), k->f32);
}

kvalue build_splat_const(kvalue c, int lanes) {
  if (lanes == 1) return c;
  kvalue a[64];
  assert(lanes <= 64);
  for (int i = 0; i < lanes; i++) a[i] = c;
  return LLVMConstVector(a, (unsigned)lanes);
}

kvalue build_i32s(kbuilder *k, int64_t v, int lanes) {
  return build_splat_const(build_i32(k, v), lanes);
}

kvalue build_f32s(kbuilder *k, float v, int lanes) {
  return build_splat_const(build_f32(k, v), lanes);
}

/* LLVM keeps equal constants once, so the initializer stands for the bytes. */
static kvalue rodata(kbuilder *k, const char *bytes, size_t n, const char *name) {
  kvalue init = LLVMConstStringInContext2(k->c, bytes, n, 1),
         *slot = (kvalue *)mc_map_ptr_slot(&k->consts, init);
  if (*slot) return *slot;
  kvalue g = LLVMAddGlobal(k->m, LLVMTypeOf(init), name);
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
static kvalue find_aside(const kbuilder *k, const char *bytes, size_t n) {
  for (size_t i = 0; i < k->aside->n; i++)
    if (k->aside->v[i].size == n && memcmp(k->aside->v[i].data, bytes, n) == 0)
      return k->aside->v[i].global;
  return NULL;
}

static kvalue put_aside(kbuilder *k, const char *bytes, size_t n, const char *name) {
  kvalue old = find_aside(k, bytes, n);
  if (old) return old;
  kvalue g = LLVMAddGlobal(k->m, LLVMArrayType2(k->i8, n), name);
  LLVMSetAlignment(g, 64);
  MC_PUSH(k->arena, k->aside, ((mc_external){ g, NULL, bytes, n }));
  return g;
}

kvalue build_rodata(kbuilder *k, const void *data, size_t n, size_t slack, const char *name) {
  enum { LARGE = 1 << 16 };

  if (!k->aside && n > 0 && slack == 0 && n % 64 == 0) return rodata(k, data, n, name);
  size_t total = (n + slack + 63) / 64 * 64;
  char *bytes = mc_arena_alloc(k->arena, total);
  if (n) memcpy(bytes, data, n);
  return k->aside && total >= LARGE ? put_aside(k, bytes, total, name)
                                    : rodata(k, bytes, total, name);
}

kvalue build_table_i64(kbuilder *k, const int64_t *v, int64_t n, const char *name) {
  return build_rodata(k, v, (size_t)n * 8, 0, name);
}

void build_enum_attr(kbuilder *k, kvalue fn, unsigned index, const char *name, uint64_t v) {
  unsigned id = LLVMGetEnumAttributeKindForName(name, strlen(name));
  assert(id);
  LLVMAddAttributeAtIndex(fn, index, LLVMCreateEnumAttribute(k->c, id, v));
}

static void string_attr(kbuilder *k, kvalue fn, const char *name, const char *v) {
  LLVMAddAttributeAtIndex(
      fn, (unsigned)LLVMAttributeFunctionIndex,
      LLVMCreateStringAttribute(k->c, name, (unsigned)strlen(name), v, (unsigned)strlen(v)));
}

kvalue build_function(kbuilder *k, const char *name, ktype ret, int nparams, int nints,
                      bool external) {
  ktype *p = MC_NEWN(k->arena, ktype, nparams + nints + 1);
  for (int i = 0; i < nparams + nints; i++) p[i] = i < nparams ? k->ptr : k->i64;
  kvalue f = LLVMAddFunction(k->m, name, LLVMFunctionType(ret, p, (unsigned)(nparams + nints), 0));
  string_attr(k, f, "target-cpu", k->target->cpu);
  string_attr(k, f, "target-features", k->target->features);
  if (k->target->vector_bytes >= 64) string_attr(k, f, "prefer-vector-width", "512");
  build_enum_attr(k, f, (unsigned)LLVMAttributeFunctionIndex, "nounwind", 0);
  if (!external) {
    LLVMSetLinkage(f, LLVMInternalLinkage);
    build_enum_attr(k, f, (unsigned)LLVMAttributeFunctionIndex, "noinline", 0);
  }
  LLVMPositionBuilderAtEnd(k->b, LLVMAppendBasicBlockInContext(k->c, f, "entry"));
  k->fn = f;
  return f;
}

kvalue build_stack(kbuilder *k, int64_t bytes, int align) {
  kbasic_block cur = LLVMGetInsertBlock(k->b), entry = LLVMGetEntryBasicBlock(k->fn);
  kvalue first = LLVMGetFirstInstruction(entry);
  if (first) LLVMPositionBuilderBefore(k->b, first);
  kvalue p = LLVMBuildAlloca(k->b, LLVMArrayType2(k->i8, (uint64_t)bytes), "");
  LLVMSetAlignment(p, (unsigned)align);
  LLVMPositionBuilderAtEnd(k->b, cur);
  return p;
}

kvalue build_intrinsic(kbuilder *k, const char *name, ktype *ov, unsigned nov, kvalue *a,
                       unsigned na) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  assert(id && "unknown intrinsic");
  kvalue f = LLVMGetIntrinsicDeclaration(k->m, id, ov, nov);
  ktype ft = LLVMIntrinsicGetType(k->c, id, ov, nov);
  return LLVMBuildCall2(k->b, ft, f, a, na, "");
}

kvalue build_intrinsic1(kbuilder *k, const char *name, kvalue a) {
  ktype t = LLVMTypeOf(a);
  return build_intrinsic(k, name, &t, 1, &a, 1);
}

kvalue build_intrinsic2(kbuilder *k, const char *name, kvalue a, kvalue b) {
  ktype t = LLVMTypeOf(a);
  return build_intrinsic(k, name, &t, 1, (kvalue[]){ a, b }, 2);
}

kvalue build_address(kbuilder *k, kvalue p, kvalue bytes) {
  if (LLVMIsAConstantInt(bytes) && LLVMConstIntGetSExtValue(bytes) == 0) return p;
  return LLVMBuildInBoundsGEP2(k->b, k->i8, p, &bytes, 1, "");
}

kvalue build_offset(kbuilder *k, kvalue p, int64_t bytes) {
  return bytes ? build_address(k, p, build_i64(k, bytes)) : p;
}

kvalue build_load(kbuilder *k, ktype t, kvalue p, int align) {
  kvalue v = LLVMBuildLoad2(k->b, t, p, "");
  LLVMSetAlignment(v, (unsigned)align);
  return v;
}

void build_store(kbuilder *k, kvalue v, kvalue p, int align) {
  LLVMSetAlignment(LLVMBuildStore(k->b, v, p), (unsigned)align);
}

static int elem_bytes(kbuilder *k, ktype elem) {
  return elem == k->f32 || elem == k->i32 ? 4 : elem == k->i8 ? 1 : elem == k->i16 ? 2 : 8;
}

/* AVX-512 has byte masks; elsewhere a part is loaded in pieces of 8, 4, 2, 1 lanes. */
static bool has_masks(const kbuilder *k, int lanes) {
  return lanes >= KERNEL_LANES && target_has(k, MC_ISA_BIT(avx512));
}

static kvalue mask_of(kbuilder *k, int lanes, int valid) {
  kvalue m[64];
  for (int i = 0; i < lanes; i++) m[i] = LLVMConstInt(k->i1, i < valid, 0);
  return LLVMConstVector(m, (unsigned)lanes);
}

kvalue build_load_part(kbuilder *k, ktype elem, kvalue p, int lanes, int valid, int align) {
  ktype vt = type_of_lanes(k, elem, lanes);
  if (valid >= lanes) return build_load(k, vt, p, align);
  if (has_masks(k, lanes)) {
    kvalue a[4] = { p, build_i32(k, align), mask_of(k, lanes, valid), LLVMConstNull(vt) };
    return build_intrinsic(k, "llvm.masked.load", (ktype[]){ vt, k->ptr }, 2, a, 4);
  }
  kvalue r = LLVMConstNull(vt);
  int es = elem_bytes(k, elem);
  for (int at = 0, n = lanes / 2; n >= 1; n /= 2) {
    if (valid - at < n) continue;
    kvalue part =
        build_widen(k,
                    build_load(k, type_of_lanes(k, elem, n), build_offset(k, p, (int64_t)at * es),
                               align < es * n ? align : es),
                    lanes);
    int mask[64];
    for (int i = 0; i < lanes; i++) mask[i] = i >= at && i < at + n ? lanes + i - at : i;
    r = build_shuffle(k, r, part, mask, lanes);
    at += n;
  }
  return r;
}

void build_store_part(kbuilder *k, kvalue v, kvalue p, int valid, int align) {
  int lanes = lanes_of(v);
  if (valid >= lanes) {
    build_store(k, v, p, align);
    return;
  }
  bool few_bytes =
      elem_of(v) == k->i8 &&
      __builtin_popcount((unsigned)valid) <=
          2; /* one or two stores are faster than one under a mask of bytes (6 cycles on Zen 4) */
  if (has_masks(k, lanes) && !few_bytes) {
    kvalue a[4] = { v, p, build_i32(k, align), mask_of(k, lanes, valid) };
    build_intrinsic(k, "llvm.masked.store", (ktype[]){ LLVMTypeOf(v), k->ptr }, 2, a, 4);
    return;
  }
  int es = elem_bytes(k, elem_of(v));
  for (int at = 0, n = lanes / 2; n >= 1; n /= 2) {
    if (valid - at < n) continue;
    build_store(k, build_extract(k, v, at, n), build_offset(k, p, (int64_t)at * es),
                align < es * n ? align : es);
    at += n;
  }
}

void build_memset(kbuilder *k, kvalue p, int byte, int64_t n) {
  if (n > 0)
    LLVMBuildMemSet(k->b, p, LLVMConstInt(k->i8, (uint64_t)byte & 255u, 0), build_i64(k, n), 1);
}

void build_memcpy(kbuilder *k, kvalue dst, kvalue src, int64_t n) {
  if (n > 0) LLVMBuildMemCpy(k->b, dst, 1, src, 1, build_i64(k, n));
}
