/* Linked with --wrap: in a program where emulation is on, the machine has what the handler
 * executes, and the operating system allows it. */
#include "emulate.h"
#include "host.h"
#include "mc/target/target.h"

static bool emulating;
uint64_t __real_mc_host_isa(void);
uint64_t __wrap_mc_host_isa(void);
bool __real_mc_host_permit(uint64_t isa);
bool __wrap_mc_host_permit(uint64_t isa);

static const uint64_t emulated = MC_ISA_BIT(avxvnni) | MC_ISA_BIT(amx_int8) | MC_ISA_BIT(amx_bf16);

uint64_t __wrap_mc_host_isa(void) { return __real_mc_host_isa() | (emulating ? emulated : 0); }

bool __wrap_mc_host_permit(uint64_t isa) {
  if (!emulating || (isa & ~__real_mc_host_isa() & emulated) == 0)
    return __real_mc_host_permit(isa);
  return true; /* traps need no permission */
}

bool emulate_host(void) {
  emulating = emulate_install();
  return emulating;
}
