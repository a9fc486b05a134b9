// RUN: rm -rf %t && mkdir -p %t && %unit/image_test %t
/* JPEG, for want of another writer in tests: image_test write FILE.jpg W H COLORS [cut], a ramp. */
#include "check.h"
#include <jpeglib.h>
#include <stdlib.h>
#include <string.h>

/* Channel k of (x, y): a ramp along x, along y, and a constant. */
static unsigned char ramp(int x, int y, int w, int h, int k) {
  return (unsigned char)(k == 0 ? x * 255 / w : k == 1 ? y * 255 / h : 128);
}

static int write_jpeg(const char *path, int w, int h, int colors) {
  struct jpeg_compress_struct j;
  struct jpeg_error_mgr err;
  FILE *f = fopen(path, "wb");
  unsigned char *line = malloc((size_t)w * (size_t)colors);
  if (!f || !line) return 1;
  j.err = jpeg_std_error(&err);
  jpeg_create_compress(&j);
  jpeg_stdio_dest(&j, f);
  j.image_width = (JDIMENSION)w;
  j.image_height = (JDIMENSION)h;
  j.input_components = colors;
  j.in_color_space = colors == 1 ? JCS_GRAYSCALE : colors == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&j);
  jpeg_set_quality(&j, 100, TRUE);
  jpeg_start_compress(&j, TRUE);
  for (int y = 0; y < h; y++) {
    for (int i = 0; i < w * colors; i++) line[i] = ramp(i / colors, y, w, h, i % colors);
    jpeg_write_scanlines(&j, &line, 1);
  }
  jpeg_finish_compress(&j);
  jpeg_destroy_compress(&j);
  free(line);
  return fclose(f) != 0;
}

int main(int argc, char **argv) {
  if (argc == 6 && strcmp(argv[1], "write") == 0)
    return write_jpeg(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
  CHECK(argc == 2);
  return CHECK_DONE();
}
