/* Passes that misbehave on purpose, so that tests can show what verify-each, check-numerics and
 * reproducers catch. They are not in passes.def nor listed. */
#ifndef TESTPASS_H
#define TESTPASS_H
#include "mc/pass/pass.h"
/* `r` with the test passes after its own. */
const mc_registry *testpass_registry(const mc_registry *r, mc_arena *a);
#endif
