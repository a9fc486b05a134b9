/* Sees the library's headers and its objects. */
#include "net-int8.h"
#include "net_f32.h"
#include <stdio.h>

int both(const float *point, float *f32, float *int8);

int main(void) {
  static _Alignas(NET_INT8_ARENA_ALIGN) unsigned char arena[NET_INT8_ARENA_BYTES];
  static const float point[NET_F32_POINT_ELEMS] = { 0.1f, 0.2f };
  float f32[NET_F32_OUT0_ELEMS], int8[NET_INT8_OUT0_ELEMS], again[NET_INT8_OUT0_ELEMS];
  if (both(point, f32, int8) || net_int8_run(point, again, arena)) return 1;
  printf("f32 %.2f, int8 %.2f, again %.2f\n", (double)f32[0], (double)int8[0], (double)again[0]);
  return 0;
}
