/* Putting bytes into a section that LLVM has laid out without contents. */
#ifndef MC_CODEGEN_ELFFILL_H
#define MC_CODEGEN_ELFFILL_H
#include "mc/codegen/codegen.h"

typedef struct elf_datum {
  const char *symbol;
  const void *data;
  size_t size;
} elf_datum;

/* The relocatable object `head` (n bytes, changed) has the section `name`, ".bss" and then the name
 * that it shall have, of kind SHT_NOBITS, and in it the symbols of `datum`, which cover it but for
 * gaps. It becomes a section of read-only constants at the end of the file; the file's pieces
 * (head, data, gaps) go to `to`. Data and head must live as long as `to`; the list is in the arena.
 * ndatum 0: the head alone. False when the object is not of this form. System V gABI, chapter 4. */
bool elf_fill(mc_code *to, unsigned char *head, size_t n, const char *name, const elf_datum *datum,
              size_t ndatum, mc_arena *a);
#endif
