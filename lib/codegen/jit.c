/* Running objects in this process: the compiler's own output kept in memory, or an object file,
 * through LLJIT. */
#include "elfread.h"
#include "info.h"
#include "module.h"
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <stdlib.h>
#include <string.h>

typedef int entry_fn(void *const *io, void *arena);
typedef void watch_fn(void *const *io, void *arena, void (*mark)(void *ctx, int i), void *ctx,
                      mc_parallel_for *pf, void *pf_ctx);
typedef int level_fn(void);
typedef int set_level_fn(int level, int trust);
typedef int parallel_fn(void *const *io, void *arena, mc_parallel_for *pf, void *ctx);

struct mc_jit {
  mc_arena *arena;
  mc_diag *diag; /* while loading */
  LLVMOrcLLJITRef jit;
  entry_fn *entry;
  parallel_fn *parallel;
  watch_fn *watch; /* or NULL */
  level_fn *level;
  set_level_fn *set_level; /* or NULL */
  mc_info info;
  void *own;
  void **io;
  mc_arena *weights; /* what code made here reads */
};

static bool llvm_error(mc_diag *d, const char *what, LLVMErrorRef e) {
  char *text = LLVMGetErrorMessage(e);
  mc_error(d, mc_noloc, "%s: %s", what, text);
  LLVMDisposeErrorMessage(text);
  return false;
}

/* What the JIT would print. */
static void on_session_error(void *ctx, LLVMErrorRef e) {
  mc_jit *j = ctx;
  if (j->diag)
    llvm_error(j->diag, "JIT", e);
  else
    LLVMConsumeError(e);
}

/* The only functions of others that objects call. */
static bool define_libc(mc_jit *j, mc_diag *d) {
  static const struct {
    const char *name;
    void *(*copy)(void *, const void *, size_t);
    void *(*set)(void *, int, size_t);
  } known[] = { { "memcpy", memcpy, NULL }, { "memset", NULL, memset } };

  LLVMOrcCSymbolMapPair pair[2];
  for (int i = 0; i < 2; i++) {
    pair[i].Name = LLVMOrcLLJITMangleAndIntern(j->jit, known[i].name);
    pair[i].Sym.Address = known[i].copy ? (LLVMOrcExecutorAddress)(uintptr_t)known[i].copy
                                        : (LLVMOrcExecutorAddress)(uintptr_t)known[i].set;
    pair[i].Sym.Flags =
        (LLVMJITSymbolFlags){ LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable,
                              0 };
  }
  LLVMErrorRef e =
      LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(j->jit), LLVMOrcAbsoluteSymbols(pair, 2));
  return !e || llvm_error(d, "JIT", e);
}

/* Weights stay where they were packed; code finds them through the global offset table. */
static bool define_asides(mc_jit *j, const mc_externals *s, mc_diag *d) {
  if (!s || !s->n) return true;
  LLVMOrcCSymbolMapPair *pair = MC_NEWN(j->arena, LLVMOrcCSymbolMapPair, s->n);
  for (size_t i = 0; i < s->n; i++) {
    pair[i].Name = LLVMOrcLLJITMangleAndIntern(j->jit, s->v[i].name);
    pair[i].Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)s->v[i].data;
    pair[i].Sym.Flags = (LLVMJITSymbolFlags){ LLVMJITSymbolGenericFlagsExported, 0 };
  }
  LLVMErrorRef e = LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(j->jit),
                                         LLVMOrcAbsoluteSymbols(pair, s->n));
  return !e || llvm_error(d, "JIT", e);
}

static bool find(mc_jit *j, const char *prefix, const char *suffix, uintptr_t *out, mc_diag *d) {
  LLVMOrcExecutorAddress at;
  LLVMErrorRef e =
      LLVMOrcLLJITLookup(j->jit, &at, mc_arena_printf(j->arena, "%s%s", prefix, suffix));
  if (e) return llvm_error(d, "JIT", e);
  *out = (uintptr_t)at;
  return true;
}

static bool can_run(const mc_info *i, mc_diag *d) {
  if (i->arch != mc_host_arch())
    return mc_error(d, mc_noloc, "the object is for %s, this machine is %s", mc_arch_name(i->arch),
                    mc_arch_name(mc_host_arch()));
  uint64_t missing = i->isa & ~mc_host_isa();
  for (int k = 0; k < MC_NUM_ISA; k++)
    if (missing >> k & 1)
      return mc_error(d, mc_noloc, "the object needs %s, which this machine does not have",
                      mc_isa_name(k));
  if (!mc_host_permit(i->isa))
    return mc_error(d, mc_noloc,
                    "the object needs AMX, which the operating system refuses to this process "
                    "(arch_prctl ARCH_REQ_XCOMP_PERM)");
  return true;
}

static bool find_levels(mc_jit *j, const char *prefix, mc_diag *d) {
  uintptr_t level, set;
  if (!j->info.nlevel) return true;
  if (!find(j, prefix, "_level", &level, d) || !find(j, prefix, "_set_level", &set, d))
    return false;
  j->level = (level_fn *)level;
  j->set_level = (set_level_fn *)set;
  if (j->info.nlevel == 1) j->set_level(0, 1); /* can_run has asked */
  return true;
}

/* Takes the buffer. */
static bool link_object(mc_jit *j, LLVMMemoryBufferRef buf, const char *prefix,
                        const mc_externals *aside, mc_diag *d) {
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  LLVMErrorRef e = LLVMOrcCreateLLJIT(&j->jit, NULL);
  if (e) {
    LLVMDisposeMemoryBuffer(buf);
    return llvm_error(d, "JIT", e);
  }
  LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(j->jit), on_session_error,
                                          j);
  e = LLVMOrcLLJITAddObjectFile(j->jit, LLVMOrcLLJITGetMainJITDylib(j->jit), buf);
  if (e) return llvm_error(d, "JIT", e);
  uintptr_t entry;
  if (!define_libc(j, d) || !define_asides(j, aside, d) || !find(j, prefix, "_call", &entry, d))
    return false;
  j->entry = (entry_fn *)entry;
  if (j->info.threads > 1 && !find(j, prefix, "_call_parallel", &entry, d)) return false;
  if (j->info.threads > 1) j->parallel = (parallel_fn *)entry;
  j->io = MC_NEWN(j->arena, void *, j->info.nin + j->info.nout + 1);
  return find_levels(j, prefix, d);
}

static bool load(mc_jit *j, LLVMMemoryBufferRef buf, const char *prefix, const mc_externals *aside,
                 mc_diag *d) {
  j->diag = d;
  bool ok = link_object(j, buf, prefix, aside, d);
  j->diag = NULL;
  return ok;
}

static mc_jit *create(void) {
  mc_arena *a = mc_arena_create();
  mc_jit *j = MC_NEW(a, mc_jit);
  j->arena = a;
  return j;
}

/* The info text must not refer to the plan. */
static bool own_info(mc_jit *j, const mc_info *i, mc_diag *d) {
  mc_strbuf text = { 0 };
  mc_info_print(&text, i);
  bool ok = mc_info_parse(&j->info, mc_sb_str(&text), j->arena);
  mc_sb_free(&text);
  return ok || mc_error(d, mc_noloc, "internal: the object's description cannot be read back");
}

mc_jit *mc_jit_create(const mc_plan *p, const mc_codegen_opts *o, mc_diag *d) {
  mc_jit *j = create();
  mc_info i = mc_info_of(p, o, j->arena);
  bool ok = can_run(&i, d) && own_info(j, &i, d);
  if (ok) {
    module m;
    ok = module_build(&m, p, o, MODULE_ADDRESS, d);
    LLVMMemoryBufferRef buf = ok ? module_emit(&m, LLVMObjectFile) : NULL;
    mc_externals aside = m.aside;
    j->weights = m.arena;
    m.arena = NULL;
    module_drop(&m);
    ok = buf && load(j, buf, o->prefix, &aside, d);
    uintptr_t watch;
    ok = ok && (!o->watch || find(j, o->prefix, "_watch", &watch, d));
    if (ok && o->watch) j->watch = (watch_fn *)watch;
  }
  if (ok) return j;
  mc_jit_destroy(j);
  return NULL;
}

/* ---- object files ---- */
/* The prefix of the object's symbols; NULL after reporting. */
static const char *inspect(mc_jit *j, LLVMMemoryBufferRef buf, const char *path, mc_diag *d) {
  const unsigned char *p = (const unsigned char *)LLVMGetBufferStart(buf);
  size_t n = LLVMGetBufferSize(buf);
  elf_symbol info;
  if (!elf_is_object(p, n)) {
    mc_error(d, mc_noloc, "%s: not a 64-bit little-endian ELF object", path);
    return NULL;
  }
  const char *text = elf_find(&info, p, n, "_info")
                         ? mc_arena_strndup(j->arena, (const char *)info.data, info.size)
                         : "";
  if (!mc_info_parse(&j->info, text, j->arena))
    mc_error(d, mc_noloc, "%s: not an object that mcc made (it has no PREFIX_info)", path);
  else if (can_run(&j->info, d))
    return mc_arena_strndup(j->arena, info.name, strlen(info.name) - 5);
  return NULL;
}

mc_jit *mc_jit_load(const char *path, mc_diag *d) {
  LLVMMemoryBufferRef buf;
  char *error = NULL;
  if (LLVMCreateMemoryBufferWithContentsOfFile(path, &buf, &error)) {
    mc_error(d, mc_noloc, "cannot read '%s': %s", path, error);
    LLVMDisposeMessage(error);
    return NULL;
  }
  mc_jit *j = create();
  const char *prefix = inspect(j, buf, path, d);
  if (!prefix) LLVMDisposeMemoryBuffer(buf);
  if (prefix && load(j, buf, prefix, NULL, d)) return j;
  mc_jit_destroy(j);
  return NULL;
}

void mc_jit_destroy(mc_jit *j) {
  if (!j) return;
  if (j->jit) LLVMConsumeError(LLVMOrcDisposeLLJIT(j->jit));
  free(j->own);
  mc_arena_destroy(j->weights);
  mc_arena_destroy(j->arena);
}

int mc_jit_nin(const mc_jit *j) { return j->info.nin; }

int mc_jit_nout(const mc_jit *j) { return j->info.nout; }

const mc_type *mc_jit_in_type(const mc_jit *j, int i) { return &j->info.in[i].type; }

const mc_type *mc_jit_out_type(const mc_jit *j, int i) { return &j->info.out[i].type; }

const char *mc_jit_in_source(const mc_jit *j, int i) { return j->info.in[i].source; }

const char *mc_jit_in_name(const mc_jit *j, int i) { return j->info.in[i].name; }

const char *mc_jit_out_name(const mc_jit *j, int i) { return j->info.out[i].name; }

int64_t mc_jit_arena_bytes(const mc_jit *j) { return j->info.arena_bytes; }

int mc_jit_threads(const mc_jit *j) { return j->info.threads; }

mc_layers mc_jit_layers(const mc_jit *j) { return j->info.layers; }

int mc_jit_nlevels(const mc_jit *j) { return j->info.nlevel; }

const char *mc_jit_level_name(const mc_jit *j, int i) { return j->info.level[i].name; }

int mc_jit_level(const mc_jit *j) { return j->level ? j->level() : -1; }

/* The object's own word, or the host's (which tests extend). */
static bool try_level(mc_jit *j, int k) {
  uint64_t isa = j->info.level[k].isa;
  return j->set_level(k, 0) == 0 ||
         ((isa & ~mc_host_isa()) == 0 && mc_host_permit(isa) && j->set_level(k, 1) == 0);
}

bool mc_jit_set_level(mc_jit *j, const char *name, mc_diag *d) {
  const char *list = "";
  if (!j->set_level)
    return mc_error(d, mc_noloc,
                    "level '%s': the code is for one level only; compile with -march=dispatch",
                    name);
  for (int k = 0; k < j->info.nlevel; k++) {
    if (strcmp(j->info.level[k].name, name) == 0)
      return try_level(j, k) ||
             mc_error(d, mc_noloc, "level '%s': this machine does not have it", name);
    list = mc_arena_printf(j->arena, "%s%s%s", list, k ? ", " : "", j->info.level[k].name);
  }
  mc_error(d, mc_noloc, "level '%s': the code has no such level", name);
  mc_note(d, mc_noloc, "levels: %s", list);
  return false;
}

static void *memory(mc_jit *j, void *arena) {
  size_t align = 64, size = ((size_t)j->info.arena_bytes + align - 1) / align * align + align;
  if (arena) return arena;
  if (!j->own) j->own = aligned_alloc(align, size);
  return j->own;
}

static bool set_up(mc_jit *j, const void *const *in, void *const *out, void **arena) {
  *arena = memory(j, *arena);
  for (int i = 0; i < j->info.nin; i++) j->io[i] = (void *)(uintptr_t)in[i];
  for (int i = 0; i < j->info.nout; i++) j->io[j->info.nin + i] = out[i];
  return *arena != NULL;
}

int mc_jit_watch(mc_jit *j, const void *const *in, void *const *out, void *arena,
                 void (*mark)(void *ctx, int i), void *ctx, mc_parallel_for *pf, void *pf_ctx) {
  if (!j->watch || !set_up(j, in, out, &arena)) return 1;
  j->watch(j->io, arena, mark, ctx, pf, pf_ctx);
  return 0;
}

int mc_jit_run_parallel(mc_jit *j, const void *const *in, void *const *out, void *arena,
                        mc_parallel_for *pf, void *ctx) {
  if (!set_up(j, in, out, &arena)) return 1;
  return pf && j->parallel ? j->parallel(j->io, arena, pf, ctx) : j->entry(j->io, arena);
}

int mc_jit_run(mc_jit *j, const void *const *in, void *const *out, void *arena) {
  return mc_jit_run_parallel(j, in, out, arena, NULL, NULL);
}
