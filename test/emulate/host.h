/* Emulation for programs that use mcc's libraries (linked with
 * --wrap=mc_host_isa,--wrap=mc_host_permit). */
#ifndef MC_TEST_EMULATE_HOST_H
#define MC_TEST_EMULATE_HOST_H
#include <stdbool.h>
/* Install the handler; from now on mc_host_isa() holds AVX-VNNI and AMX. */
bool emulate_host(void);
#endif
