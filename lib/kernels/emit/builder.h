/* Kernel builder: short names over LLVM's C API, so that an emitter reads like the loop nest it
 * makes.
 *
 * "Lanes": the same emitter makes vector code (16, 8, 4, 2 lanes) and scalar code (1 lane: plain
 * scalar types). LLVM splits a 16-lane vector where registers are narrower, so emitters think in 16
 * lanes whatever the machine. */
#ifndef MC_KERNELS_BUILDER_H
#define MC_KERNELS_BUILDER_H
#include "mc/kernels/kernels.h"
#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>

typedef LLVMValueRef kvalue;
typedef LLVMTypeRef ktype;
typedef LLVMBasicBlockRef kbasic_block;

enum { KERNEL_LANES = 16, KLOOP_MAX_CARRIED = 160 };

/* Configurations of tiles in the function being built, and the one that the functions before have
 * left (tile.c). */
typedef struct ktiles {
  kvalue config[16], release[16];
  unsigned char now[64], left[64];
  int n;
  bool mixed, stands;
} ktiles;

typedef struct kbuilder {
  LLVMContextRef c;
  LLVMModuleRef m;
  LLVMBuilderRef b;
  const mc_target *target;
  mc_arena *arena;
  mc_diag *diag;
  ktype i1, i8, i16, i32, i64, f32, f16, bf16, ptr, vd;
  kvalue fn; /* the function being built */
  ktiles tiles;
  mc_externals *aside; /* large constants; NULL: all are in the module */
  mc_map consts; /* LLVM's constant of bytes -> private global: equal bytes exist once, in several
                    levels too */
  LLVMDIBuilderRef di;
  LLVMMetadataRef file, scope; /* -g; di NULL: no line tables */
} kbuilder;

void builder_init(kbuilder *k, LLVMModuleRef m, const mc_target *t, mc_arena *a, mc_diag *d);
void builder_fini(kbuilder *k);
bool target_has(const kbuilder *k, uint64_t isa); /* all bits of isa */
/* One instruction for: a fused multiply-add of f32; f16 to f32 and back; sums of four products of
 * bytes in 512 bits. */
bool target_has_fma(const kbuilder *k);
bool target_has_f16(const kbuilder *k);
bool target_has_dots(const kbuilder *k);
int target_lanes(const kbuilder *k); /* 32-bit lanes of the widest register */

/* ---- types and constants ---- */
ktype type_of_lanes(kbuilder *k, ktype elem, int lanes); /* lanes == 1: elem itself */
int lanes_of(kvalue v);
kvalue build_i64(kbuilder *k, int64_t v);
kvalue build_i32(kbuilder *k, int64_t v);
kvalue build_f32(kbuilder *k, float v);
kvalue build_splat_const(kvalue c, int lanes); /* constant splat; lanes == 1: c */
kvalue build_i32s(kbuilder *k, int64_t v, int lanes);
kvalue build_f32s(kbuilder *k, float v, int lanes);
/* Read-only bytes in .rodata, aligned to 64, followed by at least `slack` zero bytes. Equal bytes
 * give the same global. */
kvalue build_rodata(kbuilder *k, const void *data, size_t n, size_t slack, const char *name);
kvalue build_table_i64(kbuilder *k, const int64_t *v, int64_t n, const char *name);

/* ---- functions, attributes ---- */
/* Internal function with target-cpu and target-features; pointer parameters, then nints of i64; the
 * builder is in its entry block. */
kvalue build_function(kbuilder *k, const char *name, ktype ret, int nparams, int nints,
                      bool external);
void build_enum_attr(kbuilder *k, kvalue fn, unsigned index, const char *name, uint64_t v);
/* Memory of the function's frame. */
kvalue build_stack(kbuilder *k, int64_t bytes, int align);
/* Intrinsic call; ov: overloaded types. */
kvalue build_intrinsic(kbuilder *k, const char *name, ktype *ov, unsigned nov, kvalue *a,
                       unsigned na);
kvalue build_intrinsic1(kbuilder *k, const char *name,
                        kvalue a); /* overloaded on its operand's type */
kvalue build_intrinsic2(kbuilder *k, const char *name, kvalue a, kvalue b);

/* ---- line tables (debug.c); all do nothing without build_debug_begin ---- */
void build_debug_begin(kbuilder *k, const mc_module *m);
void build_debug_function(kbuilder *k, kvalue fn, const char *name, mc_loc loc);
void build_debug_at(kbuilder *k,
                    mc_loc loc); /* what is built from here on belongs to this place of the text */
void build_debug_end(kbuilder *k);

/* ---- memory ---- */
kvalue build_address(kbuilder *k, kvalue p, kvalue bytes);
kvalue build_offset(kbuilder *k, kvalue p, int64_t bytes);
kvalue build_load(kbuilder *k, ktype t, kvalue p, int align);
void build_store(kbuilder *k, kvalue v, kvalue p, int align);
/* The first `valid` of `lanes` elements, the others unspecified; never touches memory beyond them.
 */
kvalue build_load_part(kbuilder *k, ktype elem, kvalue p, int lanes, int valid, int align);
void build_store_part(kbuilder *k, kvalue v, kvalue p, int valid, int align);
void build_memset(kbuilder *k, kvalue p, int byte, int64_t n);
void build_memcpy(kbuilder *k, kvalue dst, kvalue src, int64_t n);

/* ---- arithmetic on addresses ---- */
kvalue build_add(kbuilder *k, kvalue a, kvalue b);
kvalue build_add_const(kbuilder *k, kvalue a, int64_t c);
kvalue build_sub(kbuilder *k, kvalue a, kvalue b);
kvalue build_mul_const(kbuilder *k, kvalue a, int64_t c);
kvalue build_smin(kbuilder *k, kvalue a, kvalue b);
kvalue build_smax(kbuilder *k, kvalue a, kvalue b);

/* ---- vectors ---- */
kvalue build_splat(kbuilder *k, kvalue s, int lanes);
kvalue build_shuffle(kbuilder *k, kvalue a, kvalue b, const int *mask,
                     int n); /* b may be NULL; mask -1: any */
kvalue build_extract(kbuilder *k, kvalue v, int from,
                     int lanes);                    /* sub-vector; lanes == 1: the element */
kvalue build_concat(kbuilder *k, kvalue *v, int n); /* n equal vectors, n a power of two */
kvalue build_widen(kbuilder *k, kvalue v,
                   int lanes); /* more lanes, the new ones unspecified; scalars too */
kvalue build_bitcast(kbuilder *k, kvalue v, ktype t);
kvalue build_ext(kbuilder *k, kvalue v, ktype elem,
                 bool is_signed); /* integer extension, lane by lane */
kvalue build_trunc(kbuilder *k, kvalue v, ktype elem);
kvalue build_select(kbuilder *k, kvalue c, kvalue a, kvalue b);

/* ---- loops ---- */
typedef struct kloop {
  kbasic_block head, exit;
  kvalue iv, hi;
  int64_t step;
  int n;
  bool single, top;
  kvalue carried[KLOOP_MAX_CARRIED]; /* phis inside the loop; the final values after build_end */
} kloop;

/* for (iv = lo; iv < hi; iv += step) with n carried values. With constant bounds a loop of one trip
 * makes no blocks, and one of no trips is not allowed. Bounds that are not constants may give no
 * trip. */
void build_for(kbuilder *k, kloop *l, kvalue lo, kvalue hi, int64_t step, kvalue *init, int n);
void build_end(kbuilder *k, kloop *l, kvalue *next);
/* Constant bounds [0, n). */
void build_range(kbuilder *k, kloop *l, int64_t n, int64_t step, kvalue *init, int ncarried);
#endif
