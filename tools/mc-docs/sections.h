/* The generated sections of docs/, one function each. */
#ifndef MC_DOCS_SECTIONS_H
#define MC_DOCS_SECTIONS_H
#include "mc/support/strbuf.h"

typedef struct doc_section {
  const char *name;
  void (*print)(mc_strbuf *out);
} doc_section;

extern const doc_section doc_sections[]; /* ends with a NULL name */
#endif
