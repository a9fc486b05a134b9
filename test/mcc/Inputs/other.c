/* C99 and C++: a program of one call. */
#include "net.h"

int main() {
  static float point[NET_POINT_ELEMS], out[NET_OUT0_ELEMS];

  static union {
    unsigned char arena[NET_ARENA_BYTES + NET_ARENA_ALIGN];
  } u;

  unsigned char *arena = u.arena;
  while ((uintptr_t)arena % NET_ARENA_ALIGN) arena++;
  return net_run(point, out, arena);
}
