// RUN: %unit/target_test
#include "check.h"
#include "mc/target/target.h"
#include "mc/target/tuning.h"
#include <string.h>

static mc_arena *a;
static mc_diag d;

static void levels_have_what_they_say(void) {
  const mc_target *t = mc_target_find("x86_64", "avx512vnni", a, &d);
  CHECK(t && t->arch == MC_ARCH_x86_64 && t->vector_bytes == 64 &&
        (t->isa & MC_ISA_BIT(avx512vnni)) && !(t->isa & MC_ISA_BIT(amx_int8)));
  CHECK(t && strstr(t->features, "+avx512vnni") && strstr(t->features, "-prefer-256-bit") &&
        strcmp(t->triple, "x86_64-unknown-linux-gnu") == 0);
  t = mc_target_find("x86_64", NULL, a, &d);
  CHECK(t && t->isa == 0 && t->vector_bytes == 16 && strcmp(t->name, "x86-64") == 0);
  t = mc_target_find(NULL, "neoverse-n1", a, &d);
  CHECK(t && t->arch == MC_ARCH_aarch64 && (t->isa & MC_ISA_BIT(dotprod)) &&
        !(t->isa & MC_ISA_BIT(i8mm)));
  t = mc_target_find("aarch64-linux-musl", "armv8-a", a, &d);
  CHECK(t && strcmp(t->triple, "aarch64-linux-musl") == 0 && t->isa == MC_ISA_BIT(neon));
  CHECK(d.errors == 0);
}

static bool is(const char *march, const char *level) {
  const mc_target *t = mc_target_find(NULL, march, a, &d);
  return t && strcmp(t->name, level) == 0;
}

/* Processors by the names that people use, in any case. */
static void processors_have_levels(void) {
  CHECK(is("skylake", "x86-64-v3") && is("Haswell", "x86-64-v3") && is("znver4", "avx512bf16") &&
        is("SKYLAKE_AVX512", "avx512"));
  CHECK(is("icelake-server", "avx512vnni") && is("alderlake", "x86-64-v3+avxvnni") &&
        is("nehalem", "x86-64-v2") && is("k8", "x86-64"));
  CHECK(is("cortex-a53", "armv8-a") && is("Cortex-A55", "armv8.2-a+dotprod") &&
        is("apple-m1", "armv8.2-a+dotprod"));
  CHECK(is("apple-m2", "armv8.6-a+i8mm") && is("X86-64-V3", "x86-64-v3") &&
        is("Neoverse-N1", "neoverse-n1") && is("NATIVE", "native"));
  const mc_target *t = mc_target_find(NULL, "Dispatch=X86-64,AVX512", a, &d);
  CHECK(t && t->next && strcmp(t->next->name, "avx512") == 0);
  CHECK(mc_cpu_level("i486") == NULL && mc_cpu_level("") == NULL &&
        mc_cpu_level("a word that is much longer than any processor") == NULL);
  CHECK(d.errors == 0);
}

static void the_default_is_for_this_machine(void) {
  bool x86 = mc_host_arch() == MC_ARCH_x86_64;
  const char *mine = x86 ? "x86_64" : "aarch64",
             *linux_musl = x86 ? "x86_64-linux-musl" : "aarch64-linux-musl";
  const char *bare = x86 ? "x86_64-unknown-none-elf" : "aarch64-none-elf",
             *other = x86 ? "aarch64" : "x86_64";
  CHECK(strcmp(mc_target_default_march(NULL), "dispatch") == 0 &&
        strcmp(mc_target_default_march(mine), "dispatch") == 0);
  CHECK(strcmp(mc_target_default_march(linux_musl), "dispatch") == 0);
  CHECK(!mc_target_default_march(bare) && !mc_target_default_march(other) &&
        !mc_target_default_march("mips"));
}

/* Later rows of an architecture that share its kind have all that earlier levels have: native picks
 * the last that fits. */
static void native_is_covered_by_the_host(void) {
  const mc_target *t = mc_target_find(NULL, "native", a, &d);
  CHECK(t && t->arch == mc_host_arch() && (mc_host_isa() & ~t->isa) == 0 &&
        strcmp(t->name, "native") == 0);
  for (int i = 0; i < mc_target_count(); i++) {
    CHECK(mc_target_at(i)->name && mc_target_doc(i) && mc_target_at(i)->l1 < mc_target_at(i)->l2);
    CHECK(mc_target_find(NULL, mc_target_at(i)->name, a, &d) != NULL);
  }
  CHECK(mc_target_at(-1) == NULL && mc_target_at(mc_target_count()) == NULL);
}

/* A level has figures under its own name; some are those of another level. */
static void levels_have_figures(void) {
  for (int i = 0; i < mc_target_count(); i++) {
    const mc_target *t = mc_target_find(NULL, mc_target_at(i)->name, a, &d);
    const mc_machine *m = t ? t->machine : NULL;
    CHECK(m && strcmp(m->name, t->name) == 0 && *m->doc);
    CHECK(m && m->ghz > 0 && m->issue > 0 && m->loads > 0 && m->stores > 0 && m->alu > 0);
    CHECK(m && m->l1 > m->l2 && m->l2 > m->l3 && m->l3 > m->dram && m->dram > 0);
    CHECK(t && mc_target_rate(t, MC_RATE_f32) > 0 && mc_target_best_rate(t, MC_ARITH_int8) > 0);
  }
  const mc_target *vnni = mc_target_find(NULL, "avx512vnni", a, &d),
                  *bf16 = mc_target_find(NULL, "avx512bf16", a, &d);
  CHECK(vnni && bf16 && vnni->machine->l2 == bf16->machine->l2);
  CHECK(bf16 && mc_target_rate(bf16, MC_RATE_bf16dot) > 0);
  CHECK(vnni && mc_target_rate(vnni, MC_RATE_bf16dot) == 0); /* it lacks the instruction */
}

/* Each figure has one row, which says where it is from. */
static void figures_have_sources(void) {
  CHECK(mc_figure_count() > 0 && mc_figure_at(0)->subject);
  for (int i = 0; i < mc_figure_count(); i++) {
    const mc_figure *f = mc_figure_at(i);
    if (f->subject) continue;
    CHECK(f->value > 0 && *f->unit && *f->source && *f->doc);
    for (int k = 0; k < i; k++)
      CHECK(mc_figure_at(k)->subject || strcmp(mc_figure_at(k)->name, f->name) != 0);
  }
  CHECK(mc_tune.room_l1 < 1 && mc_tune.room_l2 < 1 && mc_tune.room_l3 < 1);
}

static void invalid_names_are_refused(void) {
  static const char *const bad[][2] = { { "mips", NULL },           { "x86_64", "neoverse-n1" },
                                        { "aarch64", "x86-64" },    { "x86_64-apple-darwin", NULL },
                                        { "x86_64", "" },           { "", NULL },
                                        { NULL, "pentium" },        { "aarch64", "haswell" },
                                        { "x86_64", "cortex-a53" }, { NULL, "dispatch=haswell" },
                                        { "x86_64x", NULL } };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    unsigned before = d.errors;
    CHECK(mc_target_find(bad[i][0], bad[i][1], a, &d) == NULL);
    CHECK(d.errors == before + 1);
  }
  const char *other = mc_host_arch() == MC_ARCH_x86_64 ? "aarch64" : "x86_64";
  CHECK(mc_target_find(other, "native", a, &d) == NULL);
}

static void dispatch_is_a_list(void) {
  const mc_target *t = mc_target_find("x86_64", "dispatch", a, &d);
  CHECK(t && t->isa == 0 && t->next &&
        strcmp(mc_target_text(t, a), "dispatch=x86-64,x86-64-v3,avx512vnni,sapphirerapids") == 0);
  const mc_target *i8 = mc_target_find_for("x86_64", "dispatch", MC_ARITH_int8, a, &d),
                  *half = mc_target_find_for("x86_64", "dispatch", MC_ARITH_bf16, a, &d);
  CHECK(i8 && strcmp(mc_target_text(i8, a),
                     "dispatch=x86-64,x86-64-v3,x86-64-v3+avxvnni,avx512vnni,sapphirerapids") == 0);
  CHECK(half && strcmp(mc_target_text(half, a),
                       "dispatch=x86-64,x86-64-v3,avx512vnni,avx512bf16,sapphirerapids") == 0);
  CHECK(strcmp(mc_target_highest(t)->name, "sapphirerapids") == 0 &&
        mc_target_asks(mc_target_highest(t)) && !mc_target_asks(t));
  t = mc_target_find("aarch64-linux-musl", "dispatch", a, &d);
  CHECK(t &&
        strcmp(mc_target_text(t, a), "dispatch=armv8-a,armv8.2-a+dotprod,armv8.6-a+i8mm") == 0 &&
        strcmp(t->next->triple, "aarch64-linux-musl") == 0);
  t = mc_target_find(NULL, "dispatch=armv8-a", a, &d);
  CHECK(t && !t->next && t->arch == MC_ARCH_aarch64 &&
        strcmp(mc_target_text(t, a), "armv8-a") == 0);
}

/* A level that is not its architecture's lowest can be told from those below by what a program
 * reads. */
static void levels_can_be_probed(void) {
  for (int i = 0; i < MC_NUM_ISA; i++) {
    uint32_t any = 0;
    for (int w = 0; w < MC_NUM_WORDS; w++) any |= mc_isa_probe(1ull << i, (mc_probe_word)w);
    CHECK(any || (1ull << i) == MC_ISA_BIT(neon));
  }
  CHECK(mc_isa_probe(MC_ISA_BIT(avx2), MC_WORD_x86_xcr0) == 6 &&
        mc_isa_probe(MC_ISA_BIT(avx512vnni), MC_WORD_arm_hwcap) == 0);
  CHECK(mc_isa_probe(MC_ISA_BIT(dotprod) | MC_ISA_BIT(i8mm), MC_WORD_arm_hwcap) == 1u << 20);
#if defined(__x86_64__)
  uint64_t isa = mc_host_isa();
  __builtin_cpu_init();
  CHECK(!(isa & MC_ISA_BIT(avx2)) || __builtin_cpu_supports("avx2"));
  CHECK(!(isa & MC_ISA_BIT(avx512)) || __builtin_cpu_supports("avx512bw"));
  CHECK(!(isa & MC_ISA_BIT(avx512vnni)) || __builtin_cpu_supports("avx512vnni"));
#endif
}

int main(void) {
  a = mc_arena_create();
  mc_diag_init(&d, a);
  levels_have_what_they_say();
  processors_have_levels();
  the_default_is_for_this_machine();
  native_is_covered_by_the_host();
  levels_have_figures();
  figures_have_sources();
  invalid_names_are_refused();
  dispatch_is_a_list();
  levels_can_be_probed();
  mc_arena_destroy(a);
  return CHECK_DONE();
}
