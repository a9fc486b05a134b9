/* Classifies a few points with the network that mcc compiled into net.o. */
#include "net.h"
#include <stdio.h>

int main(void) {
  static _Alignas(NET_ARENA_ALIGN) unsigned char arena[NET_ARENA_BYTES];
  static const float points[4][2] = {
    { 0.1f, 0.2f }, { 1.5f, 0.5f }, { -0.5f, 0.3f }, { -1.0f, -1.5f }
  };
  for (int i = 0; i < 4; i++) {
    float out[2];
    int rc = net_run(points[i], out, arena);
    if (rc != 0) return rc;
    printf("(%4.1f, %4.1f) is %s\n", (double)points[i][0], (double)points[i][1],
           out[0] > out[1] ? "inside" : "outside");
  }
  return 0;
}
