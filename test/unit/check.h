/* CHECK(condition): on failure (CHECK_FAIL(text): always) prints the place and the text, and the
 * program exits with 1 at the end (return CHECK_DONE()). */
#ifndef MC_TEST_CHECK_H
#define MC_TEST_CHECK_H
#include <stdio.h>
static int check_failures;
#define CHECK(x)                                                                                   \
  ((x) ? (void)0                                                                                   \
       : (check_failures++,                                                                        \
          (void)fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #x)))
#define CHECK_FAIL(text)                                                                           \
  (check_failures++, (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, text))
#define CHECK_DONE() (check_failures != 0)
#endif
