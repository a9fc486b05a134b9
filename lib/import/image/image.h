/* Pictures as samples: JPEG and PNG files, decoded, brought to a size and to a number of channels.
 */
#ifndef MC_IMPORT_IMAGE_H
#define MC_IMPORT_IMAGE_H
#include "mc/import/dataset.h"

/* Rows from top to bottom, pixels from left to right, c bytes each: 1 grey, 2 grey and alpha, 3
 * RGB, 4 RGBA. */
typedef struct image {
  int w, h, c;
  uint8_t *px;
} image;

/* "JPEG" or "PNG" by the first bytes; NULL: another kind of file. */
const char *image_kind(const unsigned char *p, size_t n);
/* Decode a file of that kind; pixels in the arena. `who` names it in messages. False after
 * reporting. */
bool image_decode(image *out, const unsigned char *p, size_t n, const char *who, mc_arena *a,
                  mc_diag *d, mc_loc at);
bool image_decode_jpeg(image *out, const unsigned char *p, size_t n, const char *who, mc_arena *a,
                       mc_diag *d, mc_loc at);
bool image_decode_png(image *out, const unsigned char *p, size_t n, const char *who, mc_arena *a,
                      mc_diag *d, mc_loc at);

/* The largest side, and pixels, that are decoded. */
enum { IMAGE_MAX_SIDE = 65500, IMAGE_MAX_PIXELS = 1 << 28 };

/* Channels c (1, 3 or 4): RGB to grey is (19595 R + 38470 G + 7471 B + 32768) >> 16 (ITU-R BT.601
 * luma), grey to RGB repeats it, alpha is dropped or 255. bgr: the order of the three is turned
 * round. */
void image_channels(image *x, int c, bool bgr, mc_arena *a);
/* To w x h by bilinear filtering: triangles two output pixels wide or, where the image grows, two
 * input pixels; each result is the weighted mean, rounded to nearest, first along rows, then along
 * columns. */
void image_resize(image *x, int w, int h, mc_arena *a);
/* The same with what happens to the ratio of the sides. */
void image_fit(image *x, int w, int h, mc_image_resize how, mc_arena *a);

/* ---- folders ---- */
typedef struct imagefile {
  const char *path;
  int64_t label;
} imagefile; /* label -1: none */

typedef struct imageset {
  imagefile *file;
  int64_t n;
  bool labels;
} imageset;

/* The images of a folder and its sub-folders in the order of their paths' bytes, or one image.
 * Labels are the numbers that all sub-folders of the first level have as names, or their place in
 * the order of names. Files that are no images are named in a warning (hidden ones are passed
 * over). In the arena. */
bool imageset_open(imageset *out, const char *path, mc_arena *a, mc_diag *d, mc_loc at);
#endif
