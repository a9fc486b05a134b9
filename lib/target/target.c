/* targets.def as a table, and finding a row by what the user wrote. */
#include "machine.h"
#include <string.h>

static const struct { const char *llvm; mc_arch arch; } isas[] = {
#define MC_ISA(id, arch_, llvm_, name, doc) { llvm_, MC_ARCH_##arch_ },
#include "mc/target/isa.def"
};
static const char *const triples[] = { [MC_ARCH_x86_64] = "x86_64-unknown-linux-gnu", [MC_ARCH_aarch64] = "aarch64-unknown-linux-gnu" };
static const char *const arch_names[] = { [MC_ARCH_x86_64] = "x86_64", [MC_ARCH_aarch64] = "aarch64" };

static const mc_target rows[] = {
#define MC_TARGET(name_, arch_, cpu_, isa_, vec, align, l1_, l2_, l3_, extra, doc) \
  { .name = name_, .arch = MC_ARCH_##arch_, .triple = NULL, .cpu = cpu_, .features = extra, .isa = isa_, .vector_bytes = vec, .align_channels = align, \
    .l1 = 1024L * l1_, .l2 = 1024L * l2_, .l3 = 1024L * l3_ },
#include "mc/target/targets.def"
};
static const char *const docs[] = {
#define MC_TARGET(name_, arch_, cpu_, isa_, vec, align, l1_, l2_, l3_, extra, doc) doc,
#include "mc/target/targets.def"
};
enum { NROWS = sizeof rows / sizeof rows[0] };

int mc_target_count(void) { return NROWS; }
const mc_target *mc_target_at(int i) { return i >= 0 && i < NROWS ? &rows[i] : NULL; }
const char *mc_target_doc(int i) { return i >= 0 && i < NROWS ? docs[i] : NULL; }
const char *mc_arch_name(mc_arch a) { return arch_names[a]; }

/* "x86_64", "amd64", "aarch64", "arm64" or a triple that starts with one of them; *triple is set when it is one. */
static bool read_arch(const char *s, mc_arch *arch, const char **triple) {
  static const struct { const char *text; mc_arch arch; } names[] = {
    { "x86_64", MC_ARCH_x86_64 }, { "x86-64", MC_ARCH_x86_64 }, { "amd64", MC_ARCH_x86_64 }, { "aarch64", MC_ARCH_aarch64 }, { "arm64", MC_ARCH_aarch64 } };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    size_t n = strlen(names[i].text);
    if (strncmp(s, names[i].text, n) != 0 || (s[n] && s[n] != '-')) continue;
    *arch = names[i].arch;
    *triple = s[n] == '-' ? s : NULL;
    return true;
  }
  return false;
}

/* Only ELF systems: the object writer and the header assume System V calling conventions. */
static bool check_triple(const char *triple, mc_diag *d) {
  static const char *const other[] = { "darwin", "macos", "ios", "windows", "win32", "mingw", "msvc", "cygwin", "wasm", "macho", "coff" };
  for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
    if (strstr(triple, other[i])) return mc_error(d, mc_noloc, "target '%s' is not an ELF system; mcc writes ELF objects for x86_64 and aarch64", triple);
  return true;
}

static const char *features_of(const mc_target *t, uint64_t isa, mc_arena *a) {
  const char *out = "";
  for (int i = 0; i < MC_NUM_ISA; i++)
    if (isa >> i & 1) out = mc_arena_printf(a, "%s%s%s", out, *out ? "," : "", isas[i].llvm);
  if (*t->features) out = mc_arena_printf(a, "%s%s%s", out, *out ? "," : "", t->features);
  return out;
}

static mc_target *complete(const mc_target *row, uint64_t isa, const char *triple, mc_arena *a) {
  mc_target *t = mc_arena_copy(a, row, sizeof *row);
  t->isa = isa;
  t->features = features_of(row, isa, a);
  t->machine = mc_machine_of(row->name);
  t->triple = triple ? mc_arena_strdup(a, triple) : triples[row->arch];
  return t;
}

static bool unknown_level(const char *march, mc_arch arch, mc_arena *a, mc_diag *d) {
  const char *list = "native";
  for (int i = 0; i < NROWS; i++)
    if (rows[i].arch == arch) list = mc_arena_printf(a, "%s, %s", list, rows[i].name);
  mc_error(d, mc_noloc, "unknown level '%s' for %s", march, arch_names[arch]);
  mc_note(d, mc_noloc, "levels: %s", list);
  return false;
}

/* A row that holds on any machine with its isa bits: cores of AArch64 bring more (SVE) than isa.def asks about. */
static bool is_level(const mc_target *t) { return t->arch != MC_ARCH_aarch64 || strcmp(t->cpu, "generic") == 0; }

/* The host's bits, on the last level of its architecture that they cover. */
static const mc_target *native(mc_arch arch, const char *triple, mc_arena *a, mc_diag *d) {
  if (arch != mc_host_arch()) {
    mc_error(d, mc_noloc, "'native' is the host's %s, not %s: name a level", arch_names[mc_host_arch()], arch_names[arch]);
    return NULL;
  }
  uint64_t host = mc_host_isa();
  const mc_target *best = NULL;
  for (int i = 0; i < NROWS; i++) {
    bool first = rows[i].arch == arch && !best;
    if (first || (rows[i].arch == arch && is_level(&rows[i]) && (rows[i].isa & ~host) == 0)) best = &rows[i];
  }
  mc_target *t = complete(best, best->isa | host, triple, a);
  t->name = "native";
  return t;
}

const mc_target *mc_target_find(const char *arch, const char *march, mc_arena *a, mc_diag *d) {
  mc_arch want = mc_host_arch();
  const char *triple = NULL;
  if (arch && !read_arch(arch, &want, &triple)) {
    mc_error(d, mc_noloc, "unknown target '%s'; mcc compiles for x86_64 and aarch64", arch);
    return NULL;
  }
  if (triple && !check_triple(triple, d)) return NULL;
  if (march && strcmp(march, "native") == 0) return native(want, triple, a, d);
  for (int i = 0; i < NROWS; i++) {
    bool here = rows[i].arch == want || (!arch && march);
    if (here && (!march || strcmp(rows[i].name, march) == 0)) return complete(&rows[i], rows[i].isa, triple, a);
  }
  unknown_level(march, want, a, d);
  return NULL;
}
