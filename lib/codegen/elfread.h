/* Looking into ELF objects that may be damaged or hostile, without trusting any number in them. */
#ifndef MC_CODEGEN_ELF_H
#define MC_CODEGEN_ELF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct elf_symbol {
  const char *name;
  const unsigned char *data;
  size_t size;
} elf_symbol;

/* Is this a relocatable 64-bit little-endian ELF file? */
bool elf_is_object(const unsigned char *p, size_t n);
/* The first defined symbol whose name ends in `suffix`, with its bytes. */
bool elf_find(elf_symbol *out, const unsigned char *p, size_t n, const char *suffix);

/* Bytes of sections with instructions, and of the other sections that a program loads from the
 * file. */
typedef struct elf_sizes {
  uint64_t code, constants;
} elf_sizes;

elf_sizes elf_measure(const unsigned char *p, size_t n);
/* Bytes of the functions whose names begin with `prefix`. */
uint64_t elf_code_of(const unsigned char *p, size_t n, const char *prefix);
#endif
