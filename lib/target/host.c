/* What the host's processor has: a query of the machine, never of the environment. */
#include "mc/target/target.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
mc_arch mc_host_arch(void) { return MC_ARCH_x86_64; }

/* Register 0 (extended control register XCR0): which states the operating system saves. */
static uint32_t read_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static void read_words(uint32_t *w) {
  uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d)) w[MC_WORD_x86_leaf1_ecx] = c;
  if (w[MC_WORD_x86_leaf1_ecx] >> 27 & 1) w[MC_WORD_x86_xcr0] = read_xcr0();
  if (__get_cpuid(0x80000001, &a, &b, &c, &d)) w[MC_WORD_x86_ext1_ecx] = c;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
  w[MC_WORD_x86_leaf7_ebx] = b;
  w[MC_WORD_x86_leaf7_ecx] = c;
  w[MC_WORD_x86_leaf7_edx] = d;
  if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) w[MC_WORD_x86_leaf7_1_eax] = a;
}
#if defined(__linux__)
/* Linux, Documentation/arch/x86/xstate: a process may not use the tiles before it has asked for
 * their part of the saved state. */
bool mc_host_permit(uint64_t isa) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

  if (!(isa & (MC_ISA_BIT(amx_int8) | MC_ISA_BIT(amx_bf16)))) return true;
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#else
bool mc_host_permit(uint64_t isa) { return !(isa & (MC_ISA_BIT(amx_int8) | MC_ISA_BIT(amx_bf16))); }
#endif
#elif defined(__aarch64__)
#include <sys/auxv.h>

mc_arch mc_host_arch(void) { return MC_ARCH_aarch64; }

bool mc_host_permit(uint64_t isa) { return (void)isa, true; }

static void read_words(uint32_t *w) {
  w[MC_WORD_arm_hwcap] = (uint32_t)getauxval(AT_HWCAP);
  w[MC_WORD_arm_hwcap2] = (uint32_t)getauxval(AT_HWCAP2);
}
#else
#error "mcc runs on x86-64 and AArch64"
#endif

static bool has(const uint32_t *w, uint64_t isa) {
  for (int k = 0; k < MC_NUM_WORDS; k++) {
    uint32_t want = mc_isa_probe(isa, (mc_probe_word)k);
    if ((w[k] & want) != want) return false;
  }
  return true;
}

uint64_t mc_host_isa(void) {
  uint32_t w[MC_NUM_WORDS] = { 0 };
  uint64_t set = 0;
  read_words(w);
#define MC_ISA(id, arch_, llvm, doc)                                                               \
  if (mc_host_arch() == MC_ARCH_##arch_ && has(w, MC_ISA_BIT(id))) set |= MC_ISA_BIT(id);
#include "mc/target/isa.def"
  return set;
}
