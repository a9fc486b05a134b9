// RUN: %unit/target_test
#include "check.h"
#include "mc/target/target.h"
#include <string.h>

static mc_arena *a;
static mc_diag d;

static void levels_have_what_they_say(void) {
  const mc_target *t = mc_target_find("x86_64", "avx512vnni", a, &d);
  CHECK(t && t->arch == MC_ARCH_x86_64 && t->vector_bytes == 64 && (t->isa & MC_ISA_BIT(avx512vnni)) && !(t->isa & MC_ISA_BIT(amx_int8)));
  CHECK(t && strstr(t->features, "+avx512vnni") && strstr(t->features, "-prefer-256-bit") && strcmp(t->triple, "x86_64-unknown-linux-gnu") == 0);
  t = mc_target_find("x86_64", NULL, a, &d);
  CHECK(t && t->isa == 0 && t->vector_bytes == 16 && strcmp(t->name, "x86-64") == 0);
  t = mc_target_find(NULL, "neoverse-n1", a, &d);
  CHECK(t && t->arch == MC_ARCH_aarch64 && (t->isa & MC_ISA_BIT(dotprod)) && !(t->isa & MC_ISA_BIT(i8mm)));
  t = mc_target_find("aarch64-linux-musl", "armv8-a", a, &d);
  CHECK(t && strcmp(t->triple, "aarch64-linux-musl") == 0 && t->isa == MC_ISA_BIT(neon));
  CHECK(d.errors == 0);
}

/* Later rows of an architecture that share its kind have all that earlier levels have: native picks the last that fits. */
static void native_is_covered_by_the_host(void) {
  const mc_target *t = mc_target_find(NULL, "native", a, &d);
  CHECK(t && t->arch == mc_host_arch() && (mc_host_isa() & ~t->isa) == 0 && strcmp(t->name, "native") == 0);
  for (int i = 0; i < mc_target_count(); i++) {
    CHECK(mc_target_at(i)->name && mc_target_doc(i) && mc_target_at(i)->l1 < mc_target_at(i)->l2);
    CHECK(mc_target_find(NULL, mc_target_at(i)->name, a, &d) != NULL);
  }
  CHECK(mc_target_at(-1) == NULL && mc_target_at(mc_target_count()) == NULL);
}

static void invalid_names_are_refused(void) {
  static const char *const bad[][2] = { { "mips", NULL }, { "x86_64", "neoverse-n1" }, { "aarch64", "x86-64" }, { "x86_64-apple-darwin", NULL }, { "x86_64", "" }, { "", NULL },
                                        { NULL, "pentium" }, { "x86_64x", NULL } };
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
  CHECK(t && t->isa == 0 && t->next && strcmp(mc_target_text(t, a), "dispatch=x86-64,x86-64-v3,avx512vnni,sapphirerapids") == 0);
  const mc_target *i8 = mc_target_find_for("x86_64", "dispatch", MC_ARITH_int8, a, &d), *half = mc_target_find_for("x86_64", "dispatch", MC_ARITH_bf16, a, &d);
  CHECK(i8 && strcmp(mc_target_text(i8, a), "dispatch=x86-64,x86-64-v3,x86-64-v3+avxvnni,avx512vnni,sapphirerapids") == 0);
  CHECK(half && strcmp(mc_target_text(half, a), "dispatch=x86-64,x86-64-v3,avx512vnni,avx512bf16,sapphirerapids") == 0);
  CHECK(strcmp(mc_target_highest(t)->name, "sapphirerapids") == 0 && mc_target_asks(mc_target_highest(t)) && !mc_target_asks(t));
  t = mc_target_find("aarch64-linux-musl", "dispatch", a, &d);
  CHECK(t && strcmp(mc_target_text(t, a), "dispatch=armv8-a,armv8.2-a+dotprod,armv8.6-a+i8mm") == 0 && strcmp(t->next->triple, "aarch64-linux-musl") == 0);
  t = mc_target_find(NULL, "dispatch=armv8-a", a, &d);
  CHECK(t && !t->next && t->arch == MC_ARCH_aarch64 && strcmp(mc_target_text(t, a), "armv8-a") == 0);
}

/* A level that is not its architecture's lowest can be told from those below by what a program reads. */
static void levels_can_be_probed(void) {
  for (int i = 0; i < MC_NUM_ISA; i++) {
    uint32_t any = 0;
    for (int w = 0; w < MC_NUM_WORDS; w++) any |= mc_isa_probe(1ull << i, (mc_probe_word)w);
    CHECK(any || (1ull << i) == MC_ISA_BIT(neon));
  }
  CHECK(mc_isa_probe(MC_ISA_BIT(avx2), MC_WORD_x86_xcr0) == 6 && mc_isa_probe(MC_ISA_BIT(avx512vnni), MC_WORD_arm_hwcap) == 0);
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
  native_is_covered_by_the_host();
  invalid_names_are_refused();
  dispatch_is_a_list();
  levels_can_be_probed();
  mc_arena_destroy(a);
  return CHECK_DONE();
}
