/* Running text in lines of at most MC_DOCS_WIDTH columns. */
#ifndef MC_DOCS_FILL_H
#define MC_DOCS_FILL_H
#include "mc/support/strbuf.h"

enum { MC_DOCS_WIDTH = 100 };

/* Appends `text`, UTF-8, as one paragraph to `out`, which is at the beginning of a line. A blank
 * becomes a new line where the next word would pass the width; a word that is wider has a line of
 * its own. No line begins with what Markdown takes for the mark of a list. Ends with a newline. */
void docs_fill(mc_strbuf *out, const char *text);
#endif
