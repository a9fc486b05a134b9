/* Planned graph to machine code through LLVM's C API. */
#ifndef MC_CODEGEN_CODEGEN_H
#define MC_CODEGEN_CODEGEN_H
#include "mc/analysis/cost.h"
#include "mc/plan/plan.h"
#include "mc/ref/eval.h"
#include "mc/support/blob.h"

typedef enum mc_emit { MC_EMIT_OBJ, MC_EMIT_ASM, MC_EMIT_LLVM } mc_emit;

typedef struct mc_codegen_opts {
  const mc_target *target;
  const char *prefix; /* symbol prefix: PREFIX_run */
  bool debug;         /* -g */
  int opt_level;
  const char *version;
  uint64_t model; /* of mcc (NULL: not told); hash of the network as it was read */
  bool watch;     /* for mc_jit_watch; of several levels the lowest */
  bool apart;     /* no code is shared between groups; debug and opt_level 0 do that, too */
} mc_codegen_opts;

/* What a caller of parallel entries gives: run task(arg, 0) ... task(arg, ntasks - 1), in any order
 * and on any threads, and return when all are finished (docs/reference/abi.md). */
#ifndef MC_PARALLEL_FOR
#define MC_PARALLEL_FOR
typedef void mc_parallel_for(void *ctx, int ntasks, void (*task)(void *arg, int i), void *arg);
#endif
/* An object file in pieces: what LLVM wrote, and weights that it never saw. `bytes`: their sum. */
typedef struct mc_code {
  const mc_piece *piece;
  size_t n, bytes;
  int64_t stack_bytes; /* of a call, at most (docs/reference/abi.md) */
  mc_arena *own;
} mc_code;

/* The object of the planned graph; a plan with `next` is one object for several levels
 * (docs/reference/abi.md, "Levels"). False after reporting; mc_code_free after success. */
bool mc_codegen_object(mc_code *out, const mc_plan *p, const mc_codegen_opts *o, mc_diag *d);
void mc_code_free(mc_code *c);
/* Machine code, assembly or LLVM IR text of the planned graph, appended to out. */
bool mc_codegen_emit(mc_strbuf *out, const mc_plan *p, const mc_codegen_opts *o, mc_emit what,
                     mc_diag *d);
/* The C header (docs/reference/abi.md) of the object that p and o give and that uses so much stack.
 */
void mc_codegen_header(mc_strbuf *out, const mc_plan *p, const mc_codegen_opts *o,
                       int64_t stack_bytes);
/* A hash of all that the header says but for the stack, and the one with it, which names the
 * entries that the header asks for: equal headers link with each other's objects, others do not. */
uint64_t mc_codegen_header_hash(const mc_plan *p, const mc_codegen_opts *o);
uint64_t mc_codegen_header_link(uint64_t hash, int64_t stack_bytes);

/* What an object file is, and bytes of its parts. */
typedef struct mc_object_level {
  const char *name, *isa;
  int64_t code_bytes;
} mc_object_level;

typedef struct mc_object {
  const char *name, *arch, *isa;        /* prefix of its symbols; of the lowest level */
  const char *version, *model, *header; /* of mcc; hashes, 16 digits (docs/reference/abi.md) */
  int64_t file_bytes, code_bytes, constant_bytes, arena_bytes, stack_bytes;
  int threads;
  mc_object_level *level;
  int nlevel; /* lowest first; 0: it does not choose */
} mc_object;

/* Texts are in the arena. False after reporting: not an object, or not one that mcc made. */
bool mc_object_read(mc_object *out, const char *path, mc_arena *a, mc_diag *d);
/* Compile in memory and look up the entry; run it on arrays. */
typedef struct mc_jit mc_jit;
mc_jit *mc_jit_create(const mc_plan *p, const mc_codegen_opts *o, mc_diag *d);
/* Load a compiled object (and read what its PREFIX_info symbol says of inputs, outputs, arena). */
mc_jit *mc_jit_load(const char *path, mc_diag *d);
void mc_jit_destroy(mc_jit *j);
int mc_jit_nin(const mc_jit *j);
int mc_jit_nout(const mc_jit *j);
const mc_type *mc_jit_in_type(const mc_jit *j, int i);
const mc_type *mc_jit_out_type(const mc_jit *j, int i);
const char *mc_jit_in_source(const mc_jit *j, int i); /* the model's own name; NULL: the same */
const char *mc_jit_in_name(const mc_jit *j, int i);
const char *mc_jit_out_name(const mc_jit *j, int i);
int64_t mc_jit_arena_bytes(const mc_jit *j);
/* in[i] / out[i]: dense arrays; arena: mc_jit_arena_bytes bytes aligned to 64, or NULL: its own.
 * Returns what the entry returned (0: fine). */
int mc_jit_run(mc_jit *j, const void *const *in, void *const *out, void *arena);
/* Levels that the object chooses from, lowest first; 0: it does not choose. */
int mc_jit_nlevels(const mc_jit *j);
const char *mc_jit_level_name(const mc_jit *j, int i);
/* The level that runs here; -1: none of them, or an object that does not choose. */
int mc_jit_level(const mc_jit *j);
/* Run this level from now on. False after reporting: no such level, or the machine lacks it. */
bool mc_jit_set_level(mc_jit *j, const char *name, mc_diag *d);
/* What the code was compiled for (mc_plan_opts.threads); 1: there is no parallel entry. */
int mc_jit_threads(const mc_jit *j);
/* Layers by their arithmetic; macs_int8 is not known (0). */
mc_layers mc_jit_layers(const mc_jit *j);
/* One run that calls mark(ctx, i) before group i of the plan, and mark(ctx, ngroup) at the end; pf:
 * must be given where the code was compiled for several threads. Only for code made with
 * mc_codegen_opts.watch. */
int mc_jit_watch(mc_jit *j, const void *const *in, void *const *out, void *arena,
                 void (*mark)(void *ctx, int i), void *ctx, mc_parallel_for *pf, void *pf_ctx);
/* mc_jit_run through the parallel entry; where there is none, mc_jit_run. */
int mc_jit_run_parallel(mc_jit *j, const void *const *in, void *const *out, void *arena,
                        mc_parallel_for *pf, void *ctx);
#endif
