/* -verify-diagnostics: every diagnostic must be announced by a comment of the input, and every
 * announcement must come true.
 *
 *   // expected-error {{text}}          a diagnostic of this line that contains the text
 *   // expected-note@+2 {{text}}        two lines below; @-1, @above, @below as well
 *   // expected-error@unknown {{text}}  one without a place in this file (pipeline text, weights
 *     file)
 */
#ifndef EXPECT_H
#define EXPECT_H
#include "mc/support/diag.h"
/* Compare the diagnostics with the comments of `src`; what does not fit is appended to `out`. True
 * when all fits. */
bool expect_check(const mc_source *src, const mc_diag *got, mc_strbuf *out, mc_arena *a);
#endif
