/* How much of a painted stack a call takes, against NET_STACK_BYTES. */
#include "net.h"
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

enum { STACK = 1 << 18, PAINT = 0xa5, SLACK = 1024 };

static unsigned char stack[STACK] __attribute__((aligned(64)));
static unsigned char arena[NET_ARENA_BYTES] __attribute__((aligned(NET_ARENA_ALIGN)));
static float image[NET_IMAGE_ELEMS], logits[NET_LOGITS_ELEMS];
static ucontext_t here, there;
static int rc;

static void nothing(void) {}

static void run(void) { rc |= net_run(image, logits, arena); }

static void call(void) { rc |= net_call((void *[]){ image, logits }, arena); }
#ifdef NET_THREADS
static void in_order(void *ctx, int n, void (*task)(void *arg, int i), void *arg) {
  (void)ctx;
  for (int i = 0; i < n; i++) task(arg, i);
}

static void parallel(void) { rc |= net_run_parallel(image, logits, arena, in_order, NULL); }
#endif
static int used(void (*f)(void)) {
  memset(stack, PAINT, STACK);
  getcontext(&there);
  there.uc_stack.ss_sp = stack;
  there.uc_stack.ss_size = STACK;
  there.uc_link = &here;
  makecontext(&there, f, 0);
  swapcontext(&here, &there);
  int i = 0;
  while (i < STACK && stack[i] == PAINT) i++;
  return STACK - i;
}

static int deepest(void) {
  int most = used(run), n = used(call);
  if (most < n) most = n;
#ifdef NET_THREADS
  n = used(parallel);
  if (most < n) most = n;
#endif
  return most;
}

int main(void) {
  run(); /* what the dynamic linker does at the first call of memcpy is not the network's */
#ifdef NET_THREADS
  parallel();
#endif
  int bytes = deepest() - used(nothing);
  const char *what = rc                                ? "failed"
                     : bytes > NET_STACK_BYTES         ? "TOO MUCH"
                     : bytes + SLACK < NET_STACK_BYTES ? "TOO LITTLE"
                                                       : "fits";
#ifdef NET_LEVELS
  if (what[4] == 'L') what = "fits"; /* the level that needs most is not the one that runs */
#endif
  printf("%s: %d of %d bytes\n", what, bytes, NET_STACK_BYTES);
  return 0;
}
