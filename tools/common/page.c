#include "common/page.h"

const char page_picture_style[] =
    ".mcb{font:13px system-ui,sans-serif;fill:#222}.mcb .grid{stroke:#ddd}"
    ".mcb .note{fill:#666;font-size:12px;paint-order:stroke;stroke:#fff;stroke-width:3px}"
    "@media(prefers-color-scheme:dark){.mcb{fill:#ddd}.mcb .grid{stroke:#333}"
    ".mcb .note{fill:#aaa;stroke:#181818}.mcb .back{fill:#181818}}.mcb .back{fill:none}";

static const char page_style[] =
    "body{font:14px system-ui,sans-serif;margin:24px;color-scheme:light dark}"
    "svg{max-width:100%;height:auto}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "td,th{padding:2px 10px;text-align:right}tr:nth-child(even){background:#8881}";

void page_begin(mc_strbuf *out, const char *title, const char *style) {
  mc_sb_puts(out, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                  "<meta name=\"viewport\" content=\"width=device-width\"><title>");
  page_escaped(out, title);
  mc_sb_printf(out, "</title>\n<style>%s%s</style>\n", page_style, style);
}

void page_end(mc_strbuf *out) { mc_sb_puts(out, "</html>\n"); }

void page_picture(mc_strbuf *out, int width, int height, const char *style) {
  mc_sb_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"mcb\" viewBox=\"0 0 %d %d\" "
               "width=\"%d\" height=\"%d\">\n<style>%s%s</style>\n"
               "<rect class=\"back\" width=\"%d\" height=\"%d\"/>\n",
               width, height, width, height, page_picture_style, style, width, height);
}

void page_escaped(mc_strbuf *out, const char *s) {
  for (; *s; s++) {
    const char *e = *s == '<'   ? "&lt;"
                    : *s == '>' ? "&gt;"
                    : *s == '&' ? "&amp;"
                    : *s == '"' ? "&quot;"
                                : NULL;
    if (e)
      mc_sb_puts(out, e);
    else
      mc_sb_putc(out, *s);
  }
}

void page_label(mc_strbuf *out, double x, double y, const char *anchor, const char *cls,
                const char *text) {
  mc_sb_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor,
               cls);
  page_escaped(out, text);
  mc_sb_puts(out, "</text>\n");
}

void page_line(mc_strbuf *out, const char *cls, double x0, double y0, double x1, double y1) {
  mc_sb_printf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", cls,
               x0, y0, x1, y1);
}
