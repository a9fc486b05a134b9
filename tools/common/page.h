/* Pages of HTML with pictures in SVG, by hand: one file, nothing from elsewhere. */
#ifndef PAGE_H
#define PAGE_H
#include "mc/support/strbuf.h"

/* Colours and fonts of pictures of class "mcb", light and dark: classes grid, note, back. The text
 * of a style element. */
extern const char page_picture_style[];
/* The page's head up to the body; `style`: more rules, or "". page_end closes it. */
void page_begin(mc_strbuf *out, const char *title, const char *style);
void page_end(mc_strbuf *out);
/* A picture of class mcb, `width` by `height` pixels; closed by "</svg>". `style`: more rules. */
void page_picture(mc_strbuf *out, int width, int height, const char *style);
/* Text as HTML. */
void page_escaped(mc_strbuf *out, const char *s);
/* Words at (x, y); anchor: start, middle or end; cls: a class. */
void page_label(mc_strbuf *out, double x, double y, const char *anchor, const char *cls,
                const char *text);
void page_line(mc_strbuf *out, const char *cls, double x0, double y0, double x1, double y1);
#endif
