#include "net-int8.h"
#include "net_f32.h"

int both(const float *point, float *f32, float *int8) {
  static _Alignas(NET_F32_ARENA_ALIGN) unsigned char a[NET_F32_ARENA_BYTES];
  static _Alignas(NET_INT8_ARENA_ALIGN) unsigned char b[NET_INT8_ARENA_BYTES];
  return net_f32_run(point, f32, a) || net_int8_run(point, int8, b);
}
