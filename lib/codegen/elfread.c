/* ELF-64, System V gABI chapter 4: header, section headers, symbol table. */
#include "elfread.h"
#include <elf.h>
#include <string.h>

typedef struct file {
  const unsigned char *p;
  size_t n;
  Elf64_Ehdr h;
} file;

static bool inside(const file *f, uint64_t at, uint64_t size) {
  return at <= f->n && size <= f->n - at;
}

bool elf_is_object(const unsigned char *p, size_t n) {
  Elf64_Ehdr h;
  if (n < sizeof h) return false;
  memcpy(&h, p, sizeof h);
  return memcmp(h.e_ident, ELFMAG, SELFMAG) == 0 && h.e_ident[EI_CLASS] == ELFCLASS64 &&
         h.e_ident[EI_DATA] == ELFDATA2LSB && h.e_type == ET_REL &&
         h.e_shentsize == sizeof(Elf64_Shdr);
}

static bool section(const file *f, unsigned i, Elf64_Shdr *s) {
  if (i >= f->h.e_shnum || !inside(f, f->h.e_shoff, (uint64_t)f->h.e_shnum * sizeof *s))
    return false;
  memcpy(s, f->p + f->h.e_shoff + (uint64_t)i * sizeof *s, sizeof *s);
  return s->sh_type == SHT_NOBITS || inside(f, s->sh_offset, s->sh_size);
}

/* A name that ends within its string table. */
static const char *name_at(const file *f, const Elf64_Shdr *strings, uint32_t at) {
  if (strings->sh_type != SHT_STRTAB || at >= strings->sh_size) return NULL;
  const char *s = (const char *)f->p + strings->sh_offset + at;
  return memchr(s, 0, strings->sh_size - at) ? s : NULL;
}

static bool ends_with(const char *s, const char *suffix) {
  size_t n = strlen(s), k = strlen(suffix);
  return n > k && strcmp(s + n - k, suffix) == 0;
}

static bool symbol_bytes(elf_symbol *out, const file *f, const Elf64_Sym *sym) {
  Elf64_Shdr home;
  if (sym->st_shndx == SHN_UNDEF || !section(f, sym->st_shndx, &home) || home.sh_type == SHT_NOBITS)
    return false;
  if (sym->st_value > home.sh_size || sym->st_size > home.sh_size - sym->st_value) return false;
  out->data = f->p + home.sh_offset + sym->st_value;
  out->size = sym->st_size;
  return true;
}

static bool find_in(elf_symbol *out, const file *f, const Elf64_Shdr *table, const char *suffix) {
  Elf64_Shdr strings;
  if (!section(f, table->sh_link, &strings)) return false;
  for (uint64_t i = 0; i < table->sh_size / sizeof(Elf64_Sym); i++) {
    Elf64_Sym sym;
    memcpy(&sym, f->p + table->sh_offset + i * sizeof sym, sizeof sym);
    out->name = name_at(f, &strings, sym.st_name);
    if (out->name && ends_with(out->name, suffix) && symbol_bytes(out, f, &sym)) return true;
  }
  return false;
}

bool elf_find(elf_symbol *out, const unsigned char *p, size_t n, const char *suffix) {
  file f = { .p = p, .n = n };
  if (!elf_is_object(p, n)) return false;
  memcpy(&f.h, p, sizeof f.h);
  for (unsigned i = 0; i < f.h.e_shnum; i++) {
    Elf64_Shdr s;
    if (section(&f, i, &s) && s.sh_type == SHT_SYMTAB && find_in(out, &f, &s, suffix)) return true;
  }
  return false;
}

elf_sizes elf_measure(const unsigned char *p, size_t n) {
  file f = { .p = p, .n = n };
  elf_sizes sum = { 0 };
  if (!elf_is_object(p, n)) return sum;
  memcpy(&f.h, p, sizeof f.h);
  for (unsigned i = 0; i < f.h.e_shnum; i++) {
    Elf64_Shdr s;
    if (!section(&f, i, &s) || !(s.sh_flags & SHF_ALLOC) || s.sh_type == SHT_NOBITS) continue;
    *(s.sh_flags & SHF_EXECINSTR ? &sum.code : &sum.constants) += s.sh_size;
  }
  return sum;
}

static uint64_t code_in(const file *f, const Elf64_Shdr *table, const char *prefix) {
  Elf64_Shdr strings;
  uint64_t sum = 0;
  if (!section(f, table->sh_link, &strings)) return 0;
  for (uint64_t i = 0; i < table->sh_size / sizeof(Elf64_Sym); i++) {
    Elf64_Sym sym;
    memcpy(&sym, f->p + table->sh_offset + i * sizeof sym, sizeof sym);
    const char *name = name_at(f, &strings, sym.st_name);
    if (name && ELF64_ST_TYPE(sym.st_info) == STT_FUNC &&
        strncmp(name, prefix, strlen(prefix)) == 0 && sym.st_size <= f->n)
      sum += sym.st_size;
  }
  return sum;
}

uint64_t elf_code_of(const unsigned char *p, size_t n, const char *prefix) {
  file f = { .p = p, .n = n };
  uint64_t sum = 0;
  if (!elf_is_object(p, n)) return 0;
  memcpy(&f.h, p, sizeof f.h);
  for (unsigned i = 0; i < f.h.e_shnum; i++) {
    Elf64_Shdr s;
    if (section(&f, i, &s) && s.sh_type == SHT_SYMTAB) sum += code_in(&f, &s, prefix);
  }
  return sum;
}
