/* JPEG by libjpeg-turbo. Its errors come back by longjmp, its warnings are counted. */
#include "image.h"
#include <setjmp.h>
#include <stdio.h>
#include <jpeglib.h>

typedef struct handler {
  struct jpeg_error_mgr base;
  jmp_buf back;
  char text[JMSG_LENGTH_MAX];
} handler;

static void fatal(j_common_ptr c) {
  handler *h = (handler *)(void *)c->err;
  h->base.format_message(c, h->text);
  longjmp(h->back, 1);
}

static void silent(j_common_ptr c) { (void)c; }

/* Adobe's files store CMYK inverted, and there are no others in practice. */
static void cmyk_to_rgb(const uint8_t *in, uint8_t *out, int w) {
  for (int x = 0; x < w; x++, in += 4, out += 3)
    for (int k = 0; k < 3; k++) out[k] = (uint8_t)((in[k] * in[3] + 127) / 255);
}

static void start(struct jpeg_decompress_struct *j, const unsigned char *p, size_t n) {
  jpeg_create_decompress(j);
  jpeg_mem_src(j, p, n);
  jpeg_read_header(j, TRUE);
  j->dct_method = JDCT_ISLOW;
  bool four = j->jpeg_color_space == JCS_CMYK || j->jpeg_color_space == JCS_YCCK;
  j->out_color_space = j->num_components == 1 ? JCS_GRAYSCALE : four ? JCS_CMYK : JCS_RGB;
  jpeg_calc_output_dimensions(j);
}

static void rows(struct jpeg_decompress_struct *j, image *out, uint8_t *line) {
  jpeg_start_decompress(j);
  while (j->output_scanline < j->output_height) {
    uint8_t *to = out->px + (size_t)j->output_scanline * (size_t)out->w * (size_t)out->c;
    JSAMPROW row = line ? line : to;
    jpeg_read_scanlines(j, &row, 1);
    if (line) cmyk_to_rgb(line, to, out->w);
  }
  jpeg_finish_decompress(j);
}

bool image_decode_jpeg(image *out, const unsigned char *p, size_t n, const char *who, mc_arena *a,
                       mc_diag *d, mc_loc at) {
  struct jpeg_decompress_struct j;
  handler h;
  j.err = jpeg_std_error(&h.base);
  h.base.error_exit = fatal;
  h.base.output_message = silent;
  if (setjmp(h.back)) {
    jpeg_destroy_decompress(&j);
    return mc_error(d, at, "%s: not a readable JPEG image: %s", who, h.text);
  }
  start(&j, p, n);
  if ((int64_t)j.output_width * j.output_height > IMAGE_MAX_PIXELS) {
    jpeg_destroy_decompress(&j);
    return mc_error(d, at, "%s: %u x %u pixels are too many", who, j.output_width, j.output_height);
  }
  bool cmyk = j.out_color_space == JCS_CMYK;
  out->w = (int)j.output_width;
  out->h = (int)j.output_height;
  out->c = j.out_color_space == JCS_GRAYSCALE ? 1 : 3;
  out->px = mc_arena_alloc(a, (size_t)out->w * (size_t)out->h * (size_t)out->c);
  rows(&j, out, cmyk ? mc_arena_alloc(a, (size_t)out->w * 4) : NULL);
  long warnings = h.base.num_warnings;
  jpeg_destroy_decompress(&j);
  return !warnings || mc_error(d, at, "%s: the JPEG image is damaged or cut off", who);
}
