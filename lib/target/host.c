/* What the host's processor has: a query of the machine, never of the environment. */
#include "mc/target/target.h"

#if defined(__x86_64__)
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
/* The name column of isa.def is the compiler's; __builtin_cpu_supports also checks that the operating system saves the registers. */
#define ON_x86_64(id, name) set |= __builtin_cpu_supports(name) ? MC_ISA_BIT(id) : 0;
#define ON_aarch64(id, name)
mc_arch mc_host_arch(void) { return MC_ARCH_x86_64; }
static void prepare(void) { __builtin_cpu_init(); }
#if defined(__linux__)
/* Linux, Documentation/arch/x86/xstate: a process may not use the tiles before it has asked for their part of the saved state. */
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
/* Bits of the AArch64 ELF auxiliary vector (Linux, Documentation/arch/arm64/elf_hwcaps): the word and the bit for each row of isa.def. */
#define HAS_neon (getauxval(AT_HWCAP) >> 1 & 1)
#define HAS_dotprod (getauxval(AT_HWCAP) >> 20 & 1)
#define HAS_i8mm (getauxval(AT_HWCAP2) >> 13 & 1)
#define ON_x86_64(id, name)
#define ON_aarch64(id, name) set |= HAS_##id ? MC_ISA_BIT(id) : 0;
mc_arch mc_host_arch(void) { return MC_ARCH_aarch64; }
static void prepare(void) {}
bool mc_host_permit(uint64_t isa) { return (void)isa, true; }
#else
#error "mcc runs on x86-64 and AArch64"
#endif

uint64_t mc_host_isa(void) {
  uint64_t set = 0;
  prepare();
#define MC_ISA(id, arch, llvm, name, doc) ON_##arch(id, name)
#include "mc/target/isa.def"
  return set;
}
