/* Linked into a tool: it starts with emulation on. */
#include "host.h"

__attribute__((constructor)) static void start(void) { emulate_host(); }
