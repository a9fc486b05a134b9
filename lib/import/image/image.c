#include "image.h"
#include <string.h>

const char *image_kind(const unsigned char *p, size_t n) {
  if (n >= 3 && memcmp(p, "\xff\xd8\xff", 3) == 0) return "JPEG";
  return n >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0 ? "PNG" : NULL;
}

bool image_decode(image *out, const unsigned char *p, size_t n, const char *who, mc_arena *a,
                  mc_diag *d, mc_loc at) {
  const char *kind = image_kind(p, n);
  if (!kind) return mc_error(d, at, "%s: neither a JPEG nor a PNG image", who);
  return (*kind == 'J' ? image_decode_jpeg : image_decode_png)(out, p, n, who, a, d, at);
}

static void one_pixel(const uint8_t *in, int from, uint8_t *out, int to, bool bgr) {
  bool grey = from < 3;
  uint8_t rgb[3] = { in[0], in[grey ? 0 : 1], in[grey ? 0 : 2] };
  uint8_t alpha = from % 2 ? 255 : in[from - 1];
  if (to == 1) {
    int luma = (19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16;
    out[0] = grey ? in[0] : (uint8_t)luma;
    return;
  }
  for (int k = 0; k < 3; k++) out[k] = rgb[bgr ? 2 - k : k];
  if (to == 4) out[3] = alpha;
}

void image_channels(image *x, int c, bool bgr, mc_arena *a) {
  size_t n = (size_t)x->w * (size_t)x->h;
  if (x->c == c && !(bgr && c >= 3)) return;
  uint8_t *px = mc_arena_alloc(a, n * (size_t)c);
  for (size_t i = 0; i < n; i++)
    one_pixel(x->px + i * (size_t)x->c, x->c, px + i * (size_t)c, c, bgr);
  x->px = px;
  x->c = c;
}

/* ---- size ---- */

/* The weights of one result: input pixels first ... first + n - 1. */
typedef struct taps {
  int first, n;
  float *w;
} taps;

static taps *triangles(int from, int to, mc_arena *a) {
  double scale = (double)from / to, reach = scale > 1 ? scale : 1;
  taps *t = MC_NEWN(a, taps, to);
  for (int i = 0; i < to; i++) {
    double centre = (i + 0.5) * scale, sum = 0;
    int lo = (int)(centre - reach + 0.5), hi = (int)(centre + reach + 0.5);
    if (centre - reach + 0.5 < 0) lo = 0;
    if (hi > from) hi = from;
    t[i] = (taps){ lo, hi - lo, MC_NEWN(a, float, hi - lo) };
    for (int k = lo; k < hi; k++) {
      double d = (k + 0.5 - centre) / reach, w = d < 0 ? 1 + d : 1 - d;
      t[i].w[k - lo] = (float)(w > 0 ? w : 0);
      sum += (double)t[i].w[k - lo];
    }
    for (int k = 0; k < hi - lo; k++) t[i].w[k] = (float)((double)t[i].w[k] / sum);
  }
  return t;
}

static uint8_t weighted(const taps *t, const uint8_t *px, size_t step) {
  float sum = 0.5f;
  for (int k = 0; k < t->n; k++) sum += t->w[k] * (float)px[(size_t)(t->first + k) * step];
  return sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
}

/* n lines of `from` pixels become lines of `to`; along: bytes between pixels, across: between
 * lines. */
static void rescale_rows(image *x, int to, mc_arena *a) {
  const taps *t = triangles(x->w, to, a);
  size_t c = (size_t)x->c;
  uint8_t *px = mc_arena_alloc(a, (size_t)to * (size_t)x->h * c);
  for (int y = 0; y < x->h; y++)
    for (int i = 0; i < to; i++)
      for (size_t k = 0; k < c; k++)
        px[((size_t)y * (size_t)to + (size_t)i) * c + k] =
            weighted(&t[i], x->px + (size_t)y * (size_t)x->w * c + k, c);
  x->px = px;
  x->w = to;
}

static void rescale_columns(image *x, int to, mc_arena *a) {
  const taps *t = triangles(x->h, to, a);
  size_t line = (size_t)x->w * (size_t)x->c;
  uint8_t *px = mc_arena_alloc(a, (size_t)to * line);
  for (int i = 0; i < to; i++)
    for (size_t k = 0; k < line; k++) px[(size_t)i * line + k] = weighted(&t[i], x->px + k, line);
  x->px = px;
  x->h = to;
}

void image_resize(image *x, int w, int h, mc_arena *a) {
  if (x->w != w) rescale_rows(x, w, a);
  if (x->h != h) rescale_columns(x, h, a);
}

/* The w x h pixels from (left, top) on; black outside of the image. */
static void cut(image *x, int left, int top, int w, int h, mc_arena *a) {
  size_t c = (size_t)x->c;
  uint8_t *px = mc_arena_alloc(a, (size_t)w * (size_t)h * c);
  memset(px, 0, (size_t)w * (size_t)h * c);
  for (int y = 0; y < h; y++) {
    int from = left < 0 ? 0 : left, to = left + w < x->w ? left + w : x->w;
    if (y + top < 0 || y + top >= x->h || to <= from) continue;
    memcpy(px + ((size_t)y * (size_t)w + (size_t)(from - left)) * c,
           x->px + ((size_t)(y + top) * (size_t)x->w + (size_t)from) * c, (size_t)(to - from) * c);
  }
  *x = (image){ w, h, x->c, px };
}

static int rounded(int64_t a, int64_t by, int64_t over) {
  int64_t v = (2 * a * by + over) / (2 * over);
  return v < 1 ? 1 : (int)v;
}

void image_fit(image *x, int w, int h, mc_image_resize how, mc_arena *a) {
  int rw = w, rh = h;
  if (how == MC_IMAGE_CROP && (int64_t)x->w * h > 8 * (int64_t)w * x->h) /* a strip: cut it first */
    cut(x, (x->w - rounded(w, x->h, h)) / 2, 0, rounded(w, x->h, h), x->h, a);
  else if (how == MC_IMAGE_CROP && (int64_t)w * x->h > 8 * (int64_t)x->w * h)
    cut(x, 0, (x->h - rounded(h, x->w, w)) / 2, x->w, rounded(h, x->w, w), a);
  bool wide = (int64_t)x->w * h > (int64_t)w * x->h; /* wider than what is wanted */
  if (how != MC_IMAGE_STRETCH && wide == (how == MC_IMAGE_CROP))
    rw = rounded(x->w, h, x->h);
  else if (how != MC_IMAGE_STRETCH)
    rh = rounded(x->h, w, x->w);
  image_resize(x, rw, rh, a);
  int left = rw - w, top = rh - h; /* halves rounded down, also below zero */
  if (left || top)
    cut(x, left >= 0 ? left / 2 : -(-left / 2), top >= 0 ? top / 2 : -(-top / 2), w, h, a);
}
