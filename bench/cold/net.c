/* The least program around a compiled network: input x and output y, both fp32.
 * -DNET_HEADER="net.h" */
#include NET_HEADER
#include "report.h"

static _Alignas(NET_ARENA_ALIGN) unsigned char arena[NET_ARENA_BYTES];
static float x[NET_X_ELEMS], y[NET_Y_ELEMS];

int main(void) {
  memset(x, 0, sizeof x); /* as a program would that reads an image */
  return net_run(x, y, arena) ? 1 : report(y);
}
