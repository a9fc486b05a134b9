/* PNG by libpng: palettes, 1 to 16 bits, interlaced; to 8 bits. Stored values are taken as they are
 * (no gamma). Its errors come back by longjmp. */
#include "image.h"
#include <png.h>
#include <string.h>

typedef struct reader {
  const unsigned char *p;
  size_t left;
  char text[128];
} reader;

static void fatal(png_structp png, png_const_charp text) {
  reader *r = png_get_error_ptr(png);
  strncpy(r->text, text, sizeof r->text - 1);
  r->text[sizeof r->text - 1] = 0;
  png_longjmp(png, 1);
}

static void silent(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void take(png_structp png, png_bytep to, size_t n) {
  reader *r = png_get_io_ptr(png);
  if (n > r->left) png_error(png, "cut off");
  memcpy(to, r->p, n);
  r->p += n;
  r->left -= n;
}

static void start(png_structp png, png_infop info, image *out) {
  png_set_user_limits(png, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
  png_read_info(png, info);
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  out->w = (int)png_get_image_width(png, info);
  out->h = (int)png_get_image_height(png, info);
  out->c = png_get_channels(png, info);
  if ((int64_t)out->w * out->h > IMAGE_MAX_PIXELS) png_error(png, "too many pixels");
}

static void rows(png_structp png, image *out, mc_arena *a) {
  size_t line = (size_t)out->w * (size_t)out->c;
  out->px = mc_arena_alloc(a, line * (size_t)out->h);
  png_bytepp row = MC_NEWN(a, png_bytep, out->h);
  for (int y = 0; y < out->h; y++) row[y] = out->px + (size_t)y * line;
  png_read_image(png, row);
  png_read_end(png, NULL);
}

bool image_decode_png(image *out, const unsigned char *p, size_t n, const char *who, mc_arena *a,
                      mc_diag *d, mc_loc at) {
  reader r = { .p = p, .left = n };
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, fatal, silent);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info) return mc_error(d, at, "%s: libpng has no memory", who);
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return mc_error(d, at, "%s: not a readable PNG image: %s", who, r.text);
  }
  png_set_read_fn(png, &r, take);
  start(png, info, out);
  rows(png, out, a);
  png_destroy_read_struct(&png, &info, NULL);
  return true;
}
