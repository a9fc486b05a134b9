/* targets.def as a table, and finding a row by what the user wrote. */
#include "machine.h"
#include "mc/support/suggest.h"
#include <string.h>
#include <strings.h>

static const struct {
  const char *name, *llvm;
  mc_arch arch;
} isas[] = {

#define MC_ISA(id, arch_, llvm_, doc) { #id, llvm_, MC_ARCH_##arch_ },
#include "mc/target/isa.def"
};
static const char *const triples[] = {
  [MC_ARCH_x86_64] = "x86_64-unknown-linux-gnu", [MC_ARCH_aarch64] = "aarch64-unknown-linux-gnu"
};
static const char *const arch_names[] = {
  [MC_ARCH_x86_64] = "x86_64", [MC_ARCH_aarch64] = "aarch64"
};

static const mc_target rows[] = {
#define MC_TARGET(name_, arch_, cpu_, isa_, vec, align, l1_, l2_, l3_, extra, doc)                 \
  { .name = name_,                                                                                 \
    .arch = MC_ARCH_##arch_,                                                                       \
    .triple = NULL,                                                                                \
    .cpu = cpu_,                                                                                   \
    .features = extra,                                                                             \
    .isa = isa_,                                                                                   \
    .vector_bytes = vec,                                                                           \
    .align_channels = align,                                                                       \
    .l1 = 1024L * l1_,                                                                             \
    .l2 = 1024L * l2_,                                                                             \
    .l3 = 1024L * l3_ },
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

const char *mc_isa_name(int i) { return isas[i].name; }

/* "x86_64", "amd64", "aarch64", "arm64" or a triple that starts with one of them, in any case;
 * *triple is set when it is one, as it is written. */
static const struct {
  const char *text;
  mc_arch arch;
} arch_words[] = { { "x86_64", MC_ARCH_x86_64 },
                   { "x86-64", MC_ARCH_x86_64 },
                   { "amd64", MC_ARCH_x86_64 },
                   { "aarch64", MC_ARCH_aarch64 },
                   { "arm64", MC_ARCH_aarch64 } };

enum { NARCH_WORDS = sizeof arch_words / sizeof arch_words[0] };

static bool read_arch(const char *s, mc_arch *arch, const char **triple) {
  for (int i = 0; i < NARCH_WORDS; i++) {
    size_t n = strlen(arch_words[i].text);
    if (strncasecmp(s, arch_words[i].text, n) != 0 || (s[n] && s[n] != '-')) continue;
    *arch = arch_words[i].arch;
    *triple = s[n] == '-' ? s : NULL;
    return true;
  }
  return false;
}

static bool is_linux(const char *triple) {
  for (; *triple; triple++)
    if (strncasecmp(triple, "linux", 5) == 0) return true;
  return false;
}

static bool unknown_arch(const char *arch, mc_diag *d) {
  const char *near = NULL;
  for (int i = 0; i < NARCH_WORDS; i++) near = mc_suggest_better(arch, near, arch_words[i].text);
  return mc_error(d, mc_noloc, "unknown target '%s'; mcc compiles for x86_64 and aarch64%s%s%s",
                  arch, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* LLVM knows the words of triples in small letters only. */
static const char *small_letters(const char *s, mc_arena *a) {
  char *t = mc_arena_strdup(a, s);
  for (char *p = t; *p; p++)
    if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
  return t;
}

/* Only ELF systems: the object writer and the header assume System V calling conventions. */
static bool check_triple(const char *triple, mc_diag *d) {
  if (strstr(triple, "x32") || strstr(triple, "ilp32"))
    return mc_error(d, mc_noloc, "target '%s' has pointers of 32 bits; mcc's code needs 64",
                    triple);
  static const char *const other[] = { "darwin", "macos",  "ios",  "windows", "win32", "mingw",
                                       "msvc",   "cygwin", "wasm", "macho",   "coff" };
  for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
    if (strstr(triple, other[i]))
      return mc_error(
          d, mc_noloc,
          "target '%s' is not an ELF system; mcc writes ELF objects for x86_64 and aarch64",
          triple);
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
  t->machine = mc_machine_of(row->name, a);
  t->triple = triple ? mc_arena_strdup(a, triple) : triples[row->arch];
  return t;
}

/* A row that holds on any machine with its isa bits: cores of AArch64 bring more (SVE) than isa.def
 * asks about. */
static bool is_level(const mc_target *t) {
  return t->arch != MC_ARCH_aarch64 || strcmp(t->cpu, "generic") == 0;
}

static const mc_target *find_row(const char *name) {
  for (int i = 0; i < NROWS; i++)
    if (mc_same_word(rows[i].name, name)) return &rows[i];
  return NULL;
}

/* A level, a processor with a row of its own, or one that has a level. */
static const mc_target *find_name(const char *name) {
  const mc_target *row = find_row(name);
  const char *level = row ? NULL : mc_cpu_level(name);
  return level ? find_row(level) : row;
}

static bool unknown_level(const char *march, mc_arch arch, mc_arena *a, mc_diag *d) {
  const mc_target *other = find_name(march);
  if (other)
    return mc_error(d, mc_noloc, "'%s' is a level of %s, not of %s", march, arch_names[other->arch],
                    arch_names[arch]);
  const char *list = "native, dispatch";
  const char *near = mc_suggest_better(march, mc_suggest_better(march, NULL, "native"), "dispatch");
  for (int i = 0; i < NROWS; i++) {
    if (rows[i].arch != arch) continue;
    list = mc_arena_printf(a, "%s, %s", list, rows[i].name);
    near = mc_suggest_better(march, near, rows[i].name);
  }
  near = mc_cpu_suggest(march, near, a);
  const char *hint = near ? mc_arena_printf(a, " (did you mean '%s'?)", near) : "";
  mc_error(d, mc_noloc, "unknown level '%s' for %s%s", march, arch_names[arch], hint);
  mc_note(d, mc_noloc, "levels: %s; processors by LLVM's names (docs/reference/tools.md)", list);
  return false;
}

/* The host's bits, on the last level of its architecture that they cover. */
static const mc_target *native(mc_arch arch, const char *triple, mc_arena *a, mc_diag *d) {
  if (arch != mc_host_arch()) {
    mc_error(d, mc_noloc, "'native' is the host's %s, not %s: name a level",
             arch_names[mc_host_arch()], arch_names[arch]);
    return NULL;
  }
  uint64_t host = mc_host_isa();
  const mc_target *best = NULL;
  for (int i = 0; i < NROWS; i++) {
    bool first = rows[i].arch == arch && !best;
    if (first || (rows[i].arch == arch && is_level(&rows[i]) && (rows[i].isa & ~host) == 0))
      best = &rows[i];
  }
  mc_target *t = complete(best, best->isa | host, triple, a);
  t->name = "native";
  return t;
}

/* ---- dispatch ---- */

/* What "dispatch" alone stands for, lowest first: levels for everything, and those whose
 * instructions one arithmetic has a use for. */
enum { ALL = 1 << MC_ARITH_f32 | 1 << MC_ARITH_bf16 | 1 << MC_ARITH_int8 };

static const struct {
  const char *name;
  unsigned how;
} dispatch_levels[] = {
  { "x86-64", ALL },
  { "x86-64-v3", ALL },
  { "x86-64-v3+avxvnni", 1 << MC_ARITH_int8 },
  { "avx512vnni", ALL },
  { "avx512bf16", 1 << MC_ARITH_bf16 },
  { "sapphirerapids", ALL },
  { "armv8-a", ALL },
  { "armv8.2-a+dotprod", ALL },
  { "armv8.6-a+i8mm", ALL },
};

typedef struct levels {
  mc_arch arch;
  mc_arith how;
  bool arch_known;
  const char *triple;
  const mc_target *first;
  mc_target *last;
  mc_arena *a;
  mc_diag *d;
} levels;

static bool bad_level(const levels *l, const char *name) {
  const char *list = NULL, *near = NULL;
  for (int i = 0; i < NROWS; i++) {
    if ((l->arch_known && rows[i].arch != l->arch) || !is_level(&rows[i])) continue;
    list = list ? mc_arena_printf(l->a, "%s, %s", list, rows[i].name) : rows[i].name;
    near = mc_suggest_better(name, near, rows[i].name);
  }
  mc_error(l->d, mc_noloc, "dispatch: unknown level '%s'%s%s%s", name,
           near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
  mc_note(l->d, mc_noloc, "levels: %s", list);
  return false;
}

static bool add_level(levels *l, const char *name) {
  const mc_target *row = find_row(name);
  const char *level = row ? NULL : mc_cpu_level(name);
  if (level)
    return mc_error(l->d, mc_noloc, "dispatch: '%s' is a processor: name its level, '%s'", name,
                    level);
  if (mc_same_word(name, "native"))
    return mc_error(l->d, mc_noloc, "dispatch: 'native' is this machine only: name levels");
  if (!row) return bad_level(l, name);
  if (!is_level(row))
    return mc_error(
        l->d, mc_noloc,
        "dispatch: '%s' is a processor, and a running program sees features only: name a level",
        name);
  if (l->arch_known && row->arch != l->arch)
    return mc_error(
        l->d, mc_noloc,
        "dispatch: '%s' is a level of %s, the others are of %s: one object is for one architecture",
        name, arch_names[row->arch], arch_names[l->arch]);
  l->arch = row->arch;
  l->arch_known = true;
  for (const mc_target *t = l->first; t; t = t->next)
    if ((row->isa & ~t->isa) == 0)
      return mc_error(l->d, mc_noloc,
                      "dispatch: '%s' after '%s', which has all of its instructions, would never "
                      "run: name lower levels first",
                      name, t->name);
  mc_target *t = complete(row, row->isa, l->triple, l->a);
  if (l->last)
    l->last->next = t;
  else
    l->first = t;
  l->last = t;
  return true;
}

/* list: "a,b,c", or NULL: the default ones of the architecture. */
static const mc_target *dispatch(levels *l, const char *list) {
  for (size_t i = 0; !list && i < sizeof dispatch_levels / sizeof dispatch_levels[0]; i++)
    if ((dispatch_levels[i].how >> l->how & 1) &&
        find_row(dispatch_levels[i].name)->arch == l->arch &&
        !add_level(l, dispatch_levels[i].name))
      return NULL;
  for (const char *s = list; s; s = *s ? s + 1 : NULL) {
    size_t n = strcspn(s, ",");
    if (!add_level(l, mc_arena_strndup(l->a, s, n))) return NULL;
    s += n;
  }
  return l->first;
}

const mc_target *mc_target_highest(const mc_target *t) {
  while (t->next) t = t->next;
  return t;
}

const char *mc_target_text(const mc_target *t, mc_arena *a) {
  if (!t->next) return t->name;
  const char *s = mc_arena_printf(a, "dispatch=%s", t->name);
  for (t = t->next; t; t = t->next) s = mc_arena_printf(a, "%s,%s", s, t->name);
  return s;
}

bool mc_target_asks(const mc_target *t) {
  return t->isa & (MC_ISA_BIT(amx_int8) | MC_ISA_BIT(amx_bf16));
}

uint32_t mc_isa_probe(uint64_t isa, mc_probe_word w) {
  uint32_t bits = 0;
#define MC_PROBE(id, word, mask)                                                                   \
  if (w == MC_WORD_##word && (isa & MC_ISA_BIT(id))) bits |= (mask);
#include "mc/target/probe.def"
  return bits;
}

/* ---- by name ---- */

const mc_target *mc_target_find(const char *arch, const char *march, mc_arena *a, mc_diag *d) {
  return mc_target_find_for(arch, march, MC_ARITH_f32, a, d);
}

static const mc_target *default_row(mc_arch arch) {
  const mc_target *row = rows;
  while (row->arch != arch) row++;
  return row;
}

static bool is_dispatch(const char *march) {
  return strncasecmp(march, "dispatch", 8) == 0 && (!march[8] || march[8] == '=');
}

const char *mc_target_default_march(const char *arch) {
  mc_arch want = mc_host_arch();
  const char *triple = NULL;
  if (arch && !read_arch(arch, &want, &triple)) return NULL;
  return want == mc_host_arch() && (!triple || is_linux(triple)) ? "dispatch" : NULL;
}

const mc_target *mc_target_find_for(const char *arch, const char *march, mc_arith how, mc_arena *a,
                                    mc_diag *d) {
  mc_arch want = mc_host_arch();
  const char *triple = NULL;
  if (arch && !read_arch(arch, &want, &triple)) {
    unknown_arch(arch, d);
    return NULL;
  }
  if (triple) triple = small_letters(triple, a);
  if (triple && !check_triple(triple, d)) return NULL;
  if (march && mc_same_word(march, "native")) return native(want, triple, a, d);
  if (march && is_dispatch(march)) {
    levels l = {
      .arch = want, .how = how, .arch_known = arch || !march[8], .triple = triple, .a = a, .d = d
    };
    return dispatch(&l, march[8] ? march + 9 : NULL);
  }
  const mc_target *row = march ? find_name(march) : default_row(want);
  if (row && (row->arch == want || !arch)) return complete(row, row->isa, triple, a);
  unknown_level(march, want, a, d);
  return NULL;
}

const char *const mc_sparse_names[] = { "auto", "off", "always", NULL };

static mc_target *copy_levels(const mc_target *t, mc_arena *a) {
  mc_target *first = NULL, **to = &first;
  for (; t; t = t->next) {
    mc_target *copy = mc_arena_copy(a, t, sizeof *t);
    *to = copy;
    to = (mc_target **)(uintptr_t)&copy->next;
  }
  return first;
}

static mc_target *next_level(mc_target *t) { return (mc_target *)(uintptr_t)t->next; }

const mc_target *mc_target_sparse(const mc_target *t, mc_sparse_how how, mc_arena *a) {
  mc_target *first = copy_levels(t, a);
  for (mc_target *l = first; l; l = next_level(l)) l->sparse = how;
  return first;
}

const mc_target *mc_target_small_weights(const mc_target *t, mc_arena *a) {
  mc_target *first = copy_levels(t, a);
  for (mc_target *l = first; l; l = next_level(l)) l->small_weights = true;
  return first;
}
