/* Weights of winograd.c: packed at compile time as they are (9 bytes for a pair of channels) or
 * transformed (72), and the code that transforms at run time. */
#include "winograd.h"

/* G with whole numbers: its rows times 24, 6, -6, -6, 24, 24 on the points 0, infinity, 1, -1, 2,
 * -2; the first two have a factor of 6 that the result's matrix lacks. */
static void filter(const int32_t in[3], int32_t out[WINOGRAD_WINDOW]) {
  out[0] = 6 * in[0];
  out[1] = 6 * in[2];
  out[2] = in[0] + in[1] + in[2];
  out[3] = in[0] - in[1] + in[2];
  out[4] = in[0] + 2 * in[1] + 4 * in[2];
  out[5] = in[0] - 2 * in[1] + 4 * in[2];
}

static void transform_filter(const int8_t *q, int64_t c, int16_t out[WINOGRAD_POINTS]) {
  int32_t rows[3][WINOGRAD_WINDOW];
  for (int a = 0; a < 3; a++)
    filter((int32_t[]){ q[(a * 3 + 0) * c], q[(a * 3 + 1) * c], q[(a * 3 + 2) * c] }, rows[a]);
  for (int j = 0; j < WINOGRAD_WINDOW; j++) {
    int32_t column[WINOGRAD_WINDOW];
    filter((int32_t[]){ rows[0][j], rows[1][j], rows[2][j] }, column);
    for (int i = 0; i < WINOGRAD_WINDOW; i++) out[i * WINOGRAD_WINDOW + j] = (int16_t)column[i];
  }
}

/* Channels of block `block`, in whole registers. */
static int64_t block_width(const kwinograd *w, int64_t block) {
  int64_t width = w->cut.width, left = w->cut.npad - block * width;
  return left < width ? left : width;
}

int64_t winograd_packed_bytes(const kwinograd *w, int64_t width) {
  return (w->cut.weights == MC_WINOGRAD_ready ? WINOGRAD_POINTS * 2 : 9) * w->cut.c * width;
}

/* Channels of the input that exist; weights of those that are computed beside them are 0. */
static int64_t channels(const kwinograd *w) { return w->head->in[0]->type->dim[3]; }

/* Place of element (c, n), n within the block, among all of a point or tap. */
static int64_t place(const kwinograd *w, int64_t width, int64_t c, int64_t n) {
  return (c / w->cut.kr * width + n) * w->cut.kr + c % w->cut.kr;
}

static void pack_transformed(const kwinograd *w, const int8_t *q, int16_t *to) {
  const mc_winograd *cut = &w->cut;
  int16_t u[WINOGRAD_POINTS];
  for (int64_t n = 0; n < cut->n; n++) {
    int64_t width = cut->width, block = n / width, here = block_width(w, block);
    for (int64_t c = 0; c < channels(w); c++) {
      transform_filter(q + n * 9 * channels(w) + c, channels(w), u);
      for (int64_t p = 0; p < WINOGRAD_POINTS; p++)
        to[block * winograd_packed_bytes(w, width) / 2 + p * cut->c * here +
           place(w, here, c, n % width)] = u[p];
    }
  }
}

/* What one vector of the transform reads lies together, tap after tap. */
static void pack_bytes(const kwinograd *w, const int8_t *q, int8_t *to) {
  const mc_winograd *cut = &w->cut;
  for (int64_t n = 0; n < cut->n; n++) {
    int64_t width = cut->width, block = n / width, here = block_width(w, block);
    for (int64_t c = 0; c < channels(w); c++) {
      int64_t at = place(w, here, c, n % width);
      for (int64_t tap = 0; tap < 9; tap++)
        to[block * winograd_packed_bytes(w, width) + (at / cut->wide * 9 + tap) * cut->wide +
           at % cut->wide] = q[(n * 9 + tap) * channels(w) + c];
    }
  }
}

/* Bias with the input's zero point folded in. Where sums have room for it, it is added at the point
 * (2, 2), of which every result gets a 36th (in units of its own scale). */
static void pack_bias(kwinograd *w, const int8_t *q, const mc_tensor *b) {
  const mc_winograd *cut = &w->cut;
  int64_t whole = (cut->n + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES, k = 9 * channels(w);
  uint32_t *bias = MC_NEWN(w->k->arena, uint32_t, whole);
  int64_t za = zero_point_of(w->head->in[0]->type);
  w->bias_inside = true;
  for (int64_t n = 0; n < cut->n; n++) {
    int64_t sum = 0, size = 0;
    for (int64_t i = 0; i < k; i++) {
      int64_t e = q[n * k + i];
      sum += e;
      size += e < 0 ? -e : e;
    }
    bias[n] = (uint32_t)((b ? ((const int32_t *)b->data)[n] : 0) - za * sum);
    int64_t most = size * (w->is_signed ? 128 : 255) +
                   (bias[n] < 0x80000000u ? (int64_t)bias[n] : (INT64_C(1) << 32) - bias[n]);
    if (most >= INT64_C(1) << 25) w->bias_inside = false;
  }
  for (int64_t n = 0; n < cut->n && w->bias_inside; n++) bias[n] *= WINOGRAD_POINTS;
  w->bias = build_rodata(w->k, bias, (size_t)whole * 4, 0, "bias");
}

void winograd_pack(kwinograd *w) {
  const mc_tensor *b = w->head->nin > 2 ? mc_value_tensor(w->head->in[2]) : NULL;
  const int8_t *q = mc_value_tensor(w->head->in[1])->data;
  bool ready = w->cut.weights == MC_WINOGRAD_ready;
  size_t bytes = (size_t)((ready ? WINOGRAD_POINTS * 2 : 9) * w->cut.c * w->cut.npad);
  mc_arena *scratch = mc_arena_create();
  void *to = mc_arena_alloc(scratch, bytes);
  if (ready)
    pack_transformed(w, q, to);
  else
    pack_bytes(w, q, to);
  w->weights = build_rodata(w->k, to, bytes, 0, "weights");
  mc_arena_destroy(scratch);
  pack_bias(w, q, b);
}

/* ---- at run time ---- */

static kvalue add(kwinograd *w, kvalue a, kvalue b) { return LLVMBuildAdd(w->k->b, a, b, ""); }

static kvalue sub(kwinograd *w, kvalue a, kvalue b) { return LLVMBuildSub(w->k->b, a, b, ""); }

static kvalue shl(kwinograd *w, kvalue a, int bits) {
  return LLVMBuildShl(
      w->k->b, a, build_splat_const(LLVMConstInt(w->k->i16, (uint64_t)bits, 0), lanes_of(a)), "");
}

static kvalue six(kwinograd *w, kvalue a) {
  return LLVMBuildMul(w->k->b, a, build_splat_const(LLVMConstInt(w->k->i16, 6, 0), lanes_of(a)),
                      "");
}

/* Two points of a filter's row: 0 and infinity, 1 and -1, 2 and -2. */
static void filter_pair(kwinograd *w, int pair, kvalue a, kvalue b, kvalue c, kvalue out[2]) {
  if (pair == 0) {
    out[0] = six(w, a);
    out[1] = six(w, c);
    return;
  }
  kvalue even = add(w, a, pair == 1 ? c : shl(w, c, 2)), odd = pair == 1 ? b : shl(w, b, 1);
  out[0] = add(w, even, odd);
  out[1] = sub(w, even, odd);
}

/* The lines of one vector's bytes, `ahead` bytes from p. */
static void fetch(kwinograd *w, kvalue p, int64_t ahead) {
  kbuilder *k = w->k;
  ktype t = k->ptr;
  for (int i = 0; i < 9 * w->cut.wide; i += 64)
    build_intrinsic(k, "llvm.prefetch", &t, 1,
                    (kvalue[]){ build_offset(k, p, ahead + i), build_i32(k, 0), build_i32(k, 3),
                                build_i32(k, 1) },
                    4);
}

int64_t winograd_units(const kwinograd *w, int64_t width) { return w->cut.c * width / w->cut.wide; }

void winograd_weights(kwinograd *w, kvalue q, kvalue u, int64_t width, int first, int last,
                      kvalue units) {
  kbuilder *k = w->k;
  int wide = w->cut.wide, columns = 2 * (last - first);
  int64_t point = mc_winograd_point(&w->cut, width);
  ktype bytes = type_of_lanes(k, k->i8, wide);
  kvalue rows[3][WINOGRAD_WINDOW], out[2];
  kloop l;
  build_for(k, &l, build_i64(k, 0), units, 1, NULL, 0);
  kvalue from = build_address(k, q, build_mul_const(k, l.iv, 9 * wide)),
         to = build_address(k, u, build_mul_const(k, l.iv, 2 * wide));
  if (first == 0)
    fetch(w, from, 16 * 9 * wide);
  else if (last == WINOGRAD_WINDOW / 2)
    fetch(w, from, winograd_packed_bytes(w, width));
  for (int a = 0; a < 3; a++) {
    kvalue d[3];
    for (int b = 0; b < 3; b++)
      d[b] =
          build_ext(k, build_load(k, bytes, build_offset(k, from, (int64_t)(a * 3 + b) * wide), 1),
                    k->i16, true);
    for (int pair = first; pair < last; pair++)
      filter_pair(w, pair, d[0], d[1], d[2], rows[a] + 2 * (pair - first));
  }
  for (int j = 0; j < columns; j++)
    for (int pair = 0; pair < WINOGRAD_WINDOW / 2; pair++) {
      filter_pair(w, pair, rows[0][j], rows[1][j], rows[2][j], out);
      for (int i = 0; i < 2; i++)
        build_store(k, out[i], build_offset(k, to, ((2 * pair + i) * columns + j) * point), 16);
    }
  build_end(k, &l, NULL);
}
