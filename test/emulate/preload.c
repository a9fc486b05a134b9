/* LD_PRELOAD=preload.so PROGRAM: the program starts with emulation on. */
#include "emulate.h"

__attribute__((constructor)) static void start(void) { emulate_install(); }
