/* A line on the terminal during long runs; nothing when stderr is not a terminal. */
#ifndef PROGRESS_H
#define PROGRESS_H
#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
  char what[64];
  bool on, shown;
  double last; /* mc_seconds of the last line */
} progress;

/* `what` is copied (its first 63 bytes). */
progress progress_start(const char *what);
/* At most ten times a second. */
void progress_step(progress *p, int64_t done, int64_t total);
void progress_end(progress *p);
/* For mc_manager_opts.progress: a line for each thing that takes long; a new one begins where
 * `what` changes. ctx: a progress that starts as zeros. */
void progress_pass(void *ctx, const char *what, int64_t done, int64_t total);
#endif
