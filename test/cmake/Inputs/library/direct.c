#include "net-int8.h"

int main(void) {
  static _Alignas(NET_INT8_ARENA_ALIGN) unsigned char arena[NET_INT8_ARENA_BYTES];
  static const float point[NET_INT8_POINT_ELEMS] = { 0.1f, 0.2f };
  float out[NET_INT8_OUT0_ELEMS];
  return net_int8_run(point, out, arena);
}
