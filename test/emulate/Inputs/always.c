/* A program that starts with the trap installed. */
#include "emulate.h"

__attribute__((constructor)) static void start(void) { emulate_install(); }
