#include "elffill.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

typedef struct filling {
  unsigned char *p;
  size_t n;
  Elf64_Ehdr h;
  uint32_t index;
  Elf64_Shdr home;
} filling;

typedef struct placed {
  uint64_t at;
  const elf_datum *d;
} placed;

static Elf64_Shdr section(const filling *f, uint32_t i) {
  Elf64_Shdr s;
  memcpy(&s, f->p + f->h.e_shoff + (uint64_t)i * sizeof s, sizeof s);
  return s;
}

static const char *name_in(const filling *f, uint32_t table, uint32_t at) {
  Elf64_Shdr t = section(f, table);
  return (const char *)f->p + t.sh_offset + at;
}

static bool find_home(filling *f, const char *name) {
  for (f->index = 1; f->index < f->h.e_shnum; f->index++) {
    f->home = section(f, f->index);
    if (f->home.sh_type == SHT_NOBITS &&
        strcmp(name_in(f, f->h.e_shstrndx, f->home.sh_name), name) == 0)
      return true;
  }
  return false;
}

/* Names to data; linear in symbols times a hash look-up. */
static size_t place_symbols(const filling *f, mc_map *by_name, placed *to) {
  size_t n = 0;
  for (uint32_t i = 1; i < f->h.e_shnum; i++) {
    Elf64_Shdr table = section(f, i);
    if (table.sh_type != SHT_SYMTAB) continue;
    for (uint64_t k = 0; k < table.sh_size / sizeof(Elf64_Sym); k++) {
      Elf64_Sym sym;
      memcpy(&sym, f->p + table.sh_offset + k * sizeof sym, sizeof sym);
      if (sym.st_shndx != f->index || ELF64_ST_TYPE(sym.st_info) == STT_SECTION) continue;
      const elf_datum *d = mc_map_str_get(by_name, name_in(f, table.sh_link, sym.st_name));
      if (d) to[n++] = (placed){ sym.st_value, d };
    }
  }
  return n;
}

static int by_address(const void *a, const void *b) {
  uint64_t x = ((const placed *)a)->at, y = ((const placed *)b)->at;
  return x < y ? -1 : x > y;
}

static const char zeros[64];

/* Zeros up to `to`; false when the gap is no gap of alignment. */
static bool pad(mc_code *c, mc_piece *list, uint64_t *at, uint64_t to) {
  if (to < *at || to - *at > sizeof zeros) return false;
  if (to > *at) list[c->n++] = (mc_piece){ zeros, to - *at };
  *at = to;
  return true;
}

static bool lay_out(mc_code *c, const filling *f, const placed *p, size_t n, mc_piece *list) {
  uint64_t at = f->n, start = (at + 63) / 64 * 64;
  for (size_t i = 0; i < n; i++) {
    if (!pad(c, list, &at, start + p[i].at)) return false;
    list[c->n++] = (mc_piece){ p[i].d->data, p[i].d->size };
    at += p[i].d->size;
  }
  return pad(c, list, &at, start + f->home.sh_size);
}

bool elf_fill(mc_code *to, unsigned char *head, size_t n, const char *name, const elf_datum *datum,
              size_t ndatum, mc_arena *a) {
  mc_piece *list = MC_NEWN(a, mc_piece, 2 * ndatum + 3);
  filling f = { .p = head, .n = n };
  *to = (mc_code){ .piece = list };
  list[to->n++] = (mc_piece){ head, n };
  if (!ndatum) return true;
  memcpy(&f.h, head, sizeof f.h);
  if (!find_home(&f, name)) return false;
  mc_map by_name;
  mc_map_init(&by_name, a);
  for (size_t i = 0; i < ndatum; i++)
    *mc_map_str_slot(&by_name, datum[i].symbol) = (void *)(uintptr_t)&datum[i];
  placed *p = MC_NEWN(a, placed, ndatum);
  if (place_symbols(&f, &by_name, p) != ndatum) return false;
  qsort(p, ndatum, sizeof *p, by_address);
  if (!lay_out(to, &f, p, ndatum, list)) return false;
  f.home.sh_type = SHT_PROGBITS;
  f.home.sh_flags &= ~(uint64_t)SHF_WRITE;
  f.home.sh_name += (uint32_t)strlen(".bss.");
  f.home.sh_offset = (n + 63) / 64 * 64;
  memcpy(head + f.h.e_shoff + (uint64_t)f.index * sizeof f.home, &f.home, sizeof f.home);
  return true;
}
