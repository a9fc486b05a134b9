#include "common/progress.h"
#include "mc/support/clock.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

progress progress_start(const char *what) {
  progress p = { .on = isatty(STDERR_FILENO), .last = mc_seconds() };
  snprintf(p.what, sizeof p.what, "%s", what);
  return p;
}

void progress_step(progress *p, int64_t done, int64_t total) {
  double t = p->on ? mc_seconds() : 0;
  if (!p->on || t - p->last < 0.1) return;
  p->last = t;
  p->shown = true;
  fprintf(stderr, "\r%s %lld/%lld\033[K", p->what, (long long)done, (long long)total);
  fflush(stderr);
}

void progress_end(progress *p) {
  if (p->shown) fprintf(stderr, "\r\033[K");
  p->shown = false;
}

void progress_pass(void *ctx, const char *what, int64_t done, int64_t total) {
  progress *p = ctx;
  if (!*p->what || strncmp(p->what, what, sizeof p->what - 1))
    progress_end(p), *p = progress_start(what);
  if (done < total)
    progress_step(p, done, total);
  else
    progress_end(p);
}
