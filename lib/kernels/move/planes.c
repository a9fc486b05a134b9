/* Two axes at once, where the elements that lie together in the source are not those that lie
 * together in the result.
 *
 * Pixels: 2 to 4 planes (an NCHW image on its way in) become pixels of as many channels, quantized
 * on the way where the box says so. Tiles: a matrix of elements of 1, 2, 4 or 8 bytes is transposed
 * in registers: rows are unpacked with their neighbours, element by element, then pairs of
 * elements, and so on (as in Eklundh, "A Fast Computer Method for Matrix Transposing", 1972),
 * within 128-bit parts; then the parts change places, or are stored one by one. */
#include "copy.h"
#include "narrow.h"

enum { PIXELS = 1, QUANTIZED_PIXELS, TILES };

/* ---- planes to pixels ---- */
static bool is_pixels(const kbox *b) {
  int last = b->rank - 1;
  int64_t ss = view_elem_bytes(&b->src), ds = view_elem_bytes(&b->dst), c = b->dim[last];
  return b->rank >= 2 && c >= 2 && c <= 4 && b->dst.stride[last] == ds &&
         b->dst.stride[last - 1] == c * ds && b->src.stride[last - 1] == ss &&
         b->dim[last - 1] >= KERNEL_LANES;
}

/* 16 pixels: element e of the result is channel e % c of pixel e / c. */
static void pixels16(const kbox *b, kvalue s, kvalue d) {
  kbuilder *k = b->k;
  int last = b->rank - 1, c = (int)b->dim[last], es = (int)view_elem_bytes(&b->src),
      ds = (int)view_elem_bytes(&b->dst);
  kvalue plane[4], pair[2];
  for (int i = 0; i < 4; i++) {
    plane[i] = i < c ? build_load(k, type_of_lanes(k, memory_type(k, b->src.dtype), KERNEL_LANES),
                                  build_offset(k, s, i * b->src.stride[last]), es)
                     : plane[0];
    if (b->from && i < c)
      plane[i] =
          memory_narrow(k, kbox_convert(b, memory_widen(k, plane[i], b->src.dtype)), b->dst.dtype);
  }
  for (int i = 0; i < 2; i++) pair[i] = build_concat(k, plane + 2 * i, 2);
  for (int j = 0; j < c; j++) {
    int mask[KERNEL_LANES];
    for (int i = 0; i < KERNEL_LANES; i++)
      mask[i] = (j * KERNEL_LANES + i) % c * KERNEL_LANES + (j * KERNEL_LANES + i) / c;
    build_store(k, build_shuffle(k, pair[0], pair[1], mask, KERNEL_LANES),
                build_offset(k, d, (int64_t)j * KERNEL_LANES * ds), ds);
  }
}

/* A register of each plane: packs bring 4 pixels of all planes into each 128-bit part, pshufb makes
 * pixels of them, and a permutation of 32-bit words closes the gaps. */
static void quantized_pixels(const kbox *b, int lanes, kvalue s, kvalue d) {
  kbuilder *k = b->k;
  int last = b->rank - 1, c = (int)b->dim[last], mask[64];
  int32_t z = zero_point_of(b->to);
  kvalue p[4], v;
  for (int i = 0; i < 4; i++)
    p[i] = i < c ? vec_quantize_open(k,
                                     build_load(k, type_of_lanes(k, k->f32, lanes),
                                                build_offset(k, s, i * b->src.stride[last]), 4),
                                     b->to->q.scale, z, b->to->dtype)
                 : p[i - 2];
  v = narrow_pack(k, p, z, b->to->dtype);
  for (int i = 0; i < 4 * lanes; i++)
    mask[i] = i % 16 < 4 * c ? i / 16 * 16 + i % 16 % c * 4 + i % 16 / c : i;
  v = build_bitcast(k, build_shuffle(k, v, NULL, mask, 4 * lanes), type_of_lanes(k, k->i32, lanes));
  for (int i = 0; i < lanes; i++) mask[i] = i < lanes / 4 * c ? i / c * 4 + i % c : i;
  v = build_bitcast(k, c == 4 ? v : build_shuffle(k, v, NULL, mask, lanes),
                    type_of_lanes(k, k->i8, 4 * lanes));
  for (int at = 0, n = 4 * lanes; at < lanes * c;
       at += n) { /* in pieces: byte masks are slow on some machines */
    while (n > lanes * c - at) n /= 2;
    build_store(k, build_extract(k, v, at, n), build_offset(k, d, at), 1);
  }
}

/* ---- tiles ---- */
static int rows_of(int lanes, int64_t es) { return es == 4 ? lanes : (int)(16 / es); }

static bool fits(const kbox *b, int lanes, int64_t es, int axis) {
  return b->dim[axis] >= lanes && b->dim[b->rank - 1] >= rows_of(lanes, es);
}

/* The axis along which the source's elements lie together moves next to the last one. */
static void exchange(kbox *b, int a, int c) {
  int64_t t;
#define SWAP(x) t = b->x[a], b->x[a] = b->x[c], b->x[c] = t
  SWAP(dim);
  SWAP(src.stride);
  SWAP(dst.stride);
#undef SWAP
}

static kplanes tiles_of(kbox *b) {
  int last = b->rank - 1, axis = -1;
  int64_t es = view_elem_bytes(&b->src);
  if (b->from || b->rank < 2 || b->dst.stride[last] != es || b->src.stride[last] == es ||
      b->src.stride[last] == 0)
    return (kplanes){ 0 };
  for (int d = 0; d < last; d++)
    if (b->src.stride[d] == es && b->dim[d] > 1) axis = d;
  if (axis < 0) return (kplanes){ 0 };
  for (int bytes = b->k->target->vector_bytes; bytes >= 16; bytes /= 2)
    if (fits(b, (int)(bytes / es), es, axis)) {
      exchange(b, axis, last - 1);
      return (kplanes){ TILES, (int)(bytes / es), rows_of((int)(bytes / es), es) };
    }
  return (kplanes){ 0 };
}

static kvalue unpack(kbuilder *k, kvalue a, kvalue b, int high, int width, int bytes) {
  int n = bytes / width, part = 16 / width, mask[64];
  for (int i = 0; i < n; i++)
    mask[i] = (i & 1 ? n : 0) + i / part * part + (high ? part / 2 : 0) + i % part / 2;
  ktype t = type_of_lanes(k,
                          width == 1   ? k->i8
                          : width == 2 ? k->i16
                          : width == 4 ? k->i32
                                       : k->i64,
                          n);
  return build_shuffle(k, build_bitcast(k, a, t), build_bitcast(k, b, t), mask, n);
}

/* n registers that hold n rows of n elements in each 128-bit part become the n columns. */
static void columns(kbuilder *k, kvalue *v, int n, int width, int bytes) {
  kvalue lo[16], hi[16];
  if (n == 1) return;
  for (int i = 0; i < n / 2; i++) {
    lo[i] = unpack(k, v[2 * i], v[2 * i + 1], 0, width, bytes);
    hi[i] = unpack(k, v[2 * i], v[2 * i + 1], 1, width, bytes);
  }
  columns(k, lo, n / 2, 2 * width, bytes);
  columns(k, hi, n / 2, 2 * width, bytes);
  for (int i = 0; i < n / 2; i++) v[i] = lo[i], v[n / 2 + i] = hi[i];
}

/* 128-bit parts a of v[0], a of v[1], ... for part `a` of n (2 or 4) registers. */
static kvalue parts(kbuilder *k, kvalue *v, int n, int a, int lanes) {
  int per = lanes / n, mask[64];
  kvalue half[2];
  for (int h = 0; h < 2; h++) {
    for (int i = 0; i < lanes; i++)
      mask[i] = n == 2        ? i / per * lanes + a * per + i % per
                : i / per < 2 ? a / 2 * 2 * per + i
                              : lanes + a / 2 * 2 * per + i - 2 * per;
    half[h] = build_shuffle(k, v[n == 2 ? 0 : 2 * h], v[n == 2 ? 1 : 2 * h + 1], mask, lanes);
    if (n == 2) return half[0];
  }
  for (int i = 0; i < lanes; i++)
    mask[i] = i / per / 2 * lanes + i / per % 2 * 2 * per + a % 2 * per + i % per;
  return build_shuffle(k, half[0], half[1], mask, lanes);
}

void kplanes_square(kbuilder *k, kvalue *v, int n) {
  kvalue out[16], line[4];
  for (int i = 0; i < n; i += 4) columns(k, v + i, 4, 4, 4 * n);
  for (int j = 0; j < 4; j++)
    for (int a = 0; a < n / 4; a++) {
      for (int i = 0; i < n / 4; i++)
        line[i] = build_bitcast(k, v[i * 4 + j], type_of_lanes(k, k->i32, n));
      out[a * 4 + j] = n == 4 ? line[0] : parts(k, line, n / 4, a, n);
    }
  for (int i = 0; i < n; i++) v[i] = out[i];
}

/* Columns of `group` rows each: column j of part a is element a * (16 / es) + j of the source's
 * line. */
static void tile(const kbox *b, const kplanes *p, kvalue s, kvalue d) {
  kbuilder *k = b->k;
  int last = b->rank - 1, es = (int)view_elem_bytes(&b->src), bytes = p->lanes * es,
      group = 16 / es, nparts = bytes / 16;
  ktype elem = es == 1 ? k->i8 : es == 2 ? k->i16 : es == 4 ? k->i32 : k->i64;
  kvalue v[64];
  for (int i = 0; i < p->rows; i++)
    v[i] = build_load(k, type_of_lanes(k, elem, p->lanes),
                      build_offset(k, s, i * b->src.stride[last]), es);
  for (int i = 0; i < p->rows; i += group) columns(k, v + i, group, es, bytes);
  for (int j = 0; j < group; j++)
    for (int a = 0; a < nparts; a++) {
      kvalue at = build_offset(k, d, (a * group + j) * b->dst.stride[last - 1]), line[4];
      if (p->rows == group) {
        kvalue c = build_bitcast(k, v[j], type_of_lanes(k, k->i8, bytes));
        build_store(k, build_extract(k, c, 16 * a, 16), at, es);
        continue;
      }
      for (int i = 0; i < nparts; i++)
        line[i] = build_bitcast(k, v[i * group + j], type_of_lanes(k, k->i32, bytes / 4));
      build_store(k, parts(k, line, nparts, a, bytes / 4), at, es);
    }
}

/* ---- both ---- */
kplanes kplanes_of(kbox *b) {
  const mc_target *t = b->k->target;
  if (!is_pixels(b)) return tiles_of(b);
  bool packs = b->from && b->from->dtype == MC_f32 && t->arch == MC_ARCH_x86_64 &&
               (t->isa & MC_ISA_BIT(sse41));
  return (kplanes){ packs ? QUANTIZED_PIXELS : PIXELS, packs ? target_lanes(b->k) : KERNEL_LANES,
                    0 };
}

/* Whole blocks, where the one that moves back stays within its task. */
int64_t kplanes_trips(const kbox *b, const kplanes *p) {
  int64_t n = b->dim[b->rank - 2], blocks = (n + p->lanes - 1) / p->lanes;
  return n % p->lanes == 0 || blocks >= 2 * b->g->tasks ? blocks : 1;
}

static kvalue block_at(kbuilder *k, kvalue iv, int64_t n, int step) {
  return n % step ? build_smin(k, iv, build_i64(k, n - step)) : iv;
}

/* The last block moves back to be full: its elements are written twice, with the same values (a
 * copy is never in its operand's memory). */
void kplanes_copy(const kbox *b, const kplanes *p, kvalue s, kvalue d) {
  kbuilder *k = b->k;
  int last = b->rank - 1;
  int64_t n = b->dim[last - 1], rows = b->dim[last];
  kloop l, lr;
  split_range(b->g, &l, n, p->lanes, b->split == last - 1);
  kvalue at = block_at(k, l.iv, n, p->lanes);
  s = build_address(k, s, build_mul_const(k, at, b->src.stride[last - 1]));
  d = build_address(k, d, build_mul_const(k, at, b->dst.stride[last - 1]));
  if (p->kind == PIXELS)
    pixels16(b, s, d);
  else if (p->kind == QUANTIZED_PIXELS)
    quantized_pixels(b, p->lanes, s, d);
  else {
    build_range(k, &lr, rows, p->rows, NULL, 0);
    kvalue r = block_at(k, lr.iv, rows, p->rows);
    tile(b, p, build_address(k, s, build_mul_const(k, r, b->src.stride[last])),
         build_address(k, d, build_mul_const(k, r, b->dst.stride[last])));
    build_end(k, &lr, NULL);
  }
  build_end(k, &l, NULL);
}
