/* Kernel builder: short names over LLVM's C API, so that an emitter reads like the loop nest it
 * makes.
 *
 * "Lanes": the same emitter makes vector code (16, 8, 4, 2 lanes) and scalar code (1 lane: plain
 * scalar types). LLVM splits a 16-lane vector where registers are narrower, so emitters think in 16
 * lanes whatever the machine. */
#ifndef MC_KERNELS_KB_H
#define MC_KERNELS_KB_H
#include "mc/kernels/kernels.h"
#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>

typedef LLVMValueRef V;
typedef LLVMTypeRef T;
typedef LLVMBasicBlockRef BB;

enum { KB_LANES = 16, KB_MAX_CARRIED = 160 };

/* Configurations of tiles in the function being built, and the one that the functions before have
 * left (tile.c). */
typedef struct kb_tiles {
  V config[16], release[16];
  unsigned char now[64], left[64];
  int n;
  bool mixed, stands;
} kb_tiles;

typedef struct kb {
  LLVMContextRef c;
  LLVMModuleRef m;
  LLVMBuilderRef b;
  const mc_target *target;
  mc_arena *arena;
  mc_diag *diag;
  T i1, i8, i16, i32, i64, f32, f16, bf16, ptr, vd;
  V fn; /* the function being built */
  kb_tiles tiles;
  mc_externals *aside; /* large constants; NULL: all are in the module */
  mc_map consts; /* LLVM's constant of bytes -> private global: equal bytes exist once, in several
                    levels too */
  LLVMDIBuilderRef di;
  LLVMMetadataRef file, scope; /* -g; di NULL: no line tables */
} kb;

void kb_init(kb *k, LLVMModuleRef m, const mc_target *t, mc_arena *a, mc_diag *d);
void kb_fini(kb *k);
bool kb_has(const kb *k, uint64_t isa); /* all bits of isa */
/* One instruction for: a fused multiply-add of f32; f16 to f32 and back; sums of four products of
 * bytes in 512 bits. */
bool kb_has_fma(const kb *k);
bool kb_has_f16(const kb *k);
bool kb_has_dots(const kb *k);
int kb_phys_lanes(const kb *k); /* 32-bit lanes of the widest register */

/* ---- types and constants ---- */
T kb_vt(kb *k, T elem, int lanes); /* lanes == 1: elem itself */
int kb_lanes(V v);
V kb_i64(kb *k, int64_t v);
V kb_i32(kb *k, int64_t v);
V kb_f32(kb *k, float v);
V kb_splat_c(V c, int lanes); /* constant splat; lanes == 1: c */
V kb_i32s(kb *k, int64_t v, int lanes);
V kb_f32s(kb *k, float v, int lanes);
/* Read-only bytes in .rodata, aligned to 64, followed by at least `slack` zero bytes. Equal bytes
 * give the same global. */
V kb_rodata(kb *k, const void *data, size_t n, size_t slack, const char *name);
V kb_table_i64(kb *k, const int64_t *v, int64_t n, const char *name);

/* ---- functions, attributes ---- */
/* Internal function with target-cpu and target-features; pointer parameters, then nints of i64; the
 * builder is in its entry block. */
V kb_function(kb *k, const char *name, T ret, int nparams, int nints, bool external);
void kb_enum_attr(kb *k, V fn, unsigned index, const char *name, uint64_t v);
/* Memory of the function's frame. */
V kb_stack(kb *k, int64_t bytes, int align);
/* Intrinsic call; ov: overloaded types. */
V kb_intr(kb *k, const char *name, T *ov, unsigned nov, V *a, unsigned na);
V kb_intr1(kb *k, const char *name, V a); /* overloaded on its operand's type */
V kb_intr2(kb *k, const char *name, V a, V b);

/* ---- line tables (debug.c); all do nothing without kb_debug_begin ---- */
void kb_debug_begin(kb *k, const mc_module *m);
void kb_debug_function(kb *k, V fn, const char *name, mc_loc loc);
void kb_debug_at(kb *k,
                 mc_loc loc); /* what is built from here on belongs to this place of the text */
void kb_debug_end(kb *k);

/* ---- memory ---- */
V kb_gep(kb *k, V p, V bytes);
V kb_gepi(kb *k, V p, int64_t bytes);
V kb_load(kb *k, T t, V p, int align);
void kb_store(kb *k, V v, V p, int align);
/* The first `valid` of `lanes` elements, the others unspecified; never touches memory beyond them.
 */
V kb_load_part(kb *k, T elem, V p, int lanes, int valid, int align);
void kb_store_part(kb *k, V v, V p, int valid, int align);
void kb_memset(kb *k, V p, int byte, int64_t n);
void kb_memcpy(kb *k, V dst, V src, int64_t n);

/* ---- arithmetic on addresses ---- */
V kb_add(kb *k, V a, V b);
V kb_addi(kb *k, V a, int64_t c);
V kb_sub(kb *k, V a, V b);
V kb_muli(kb *k, V a, int64_t c);
V kb_smin(kb *k, V a, V b);
V kb_smax(kb *k, V a, V b);

/* ---- vectors ---- */
V kb_splat(kb *k, V s, int lanes);
V kb_shuffle(kb *k, V a, V b, const int *mask, int n); /* b may be NULL; mask -1: any */
V kb_extract(kb *k, V v, int from, int lanes);         /* sub-vector; lanes == 1: the element */
V kb_concat(kb *k, V *v, int n);                       /* n equal vectors, n a power of two */
V kb_widen(kb *k, V v, int lanes); /* more lanes, the new ones unspecified; scalars too */
V kb_bitcast(kb *k, V v, T t);
V kb_ext(kb *k, V v, T elem, bool is_signed); /* integer extension, lane by lane */
V kb_trunc(kb *k, V v, T elem);
V kb_select(kb *k, V c, V a, V b);

/* ---- loops ---- */
typedef struct kb_loop {
  BB head, exit;
  V iv, hi;
  int64_t step;
  int n;
  bool single, top;
  V carried[KB_MAX_CARRIED]; /* phis inside the loop; the final values after kb_end */
} kb_loop;

/* for (iv = lo; iv < hi; iv += step) with n carried values. With constant bounds a loop of one trip
 * makes no blocks, and one of no trips is not allowed. Bounds that are not constants may give no
 * trip. */
void kb_for(kb *k, kb_loop *l, V lo, V hi, int64_t step, V *init, int n);
void kb_end(kb *k, kb_loop *l, V *next);
/* Constant bounds [0, n). */
void kb_range(kb *k, kb_loop *l, int64_t n, int64_t step, V *init, int ncarried);
#endif
