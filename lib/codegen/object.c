/* What an object file is and how large its parts are. */
#include "elfread.h"
#include "info.h"
#include "mc/codegen/codegen.h"
#include "mc/support/blob.h"
#include <string.h>

static const char *isa_text(uint64_t isa, mc_arena *a) {
  const char *text = "";
  for (int k = 0; k < MC_NUM_ISA; k++)
    if (isa >> k & 1) text = mc_arena_printf(a, "%s%s%s", text, *text ? " " : "", mc_isa_name(k));
  return text;
}

static bool describe(mc_object *o, const char *path, const unsigned char *p, size_t n, mc_arena *a,
                     mc_diag *d) {
  elf_symbol symbol;
  mc_info i;
  if (!elf_is_object(p, n))
    return mc_error(d, mc_noloc, "%s: not a 64-bit little-endian ELF object", path);
  if (!elf_find(&symbol, p, n, "_info") ||
      !mc_info_parse(&i, mc_arena_strndup(a, (const char *)symbol.data, symbol.size), a))
    return mc_error(d, mc_noloc, "%s: not an object that mcc made (it has no PREFIX_info)", path);
  elf_sizes sizes = elf_measure(p, n);
  *o = (mc_object){ .name = mc_arena_strndup(a, symbol.name, strlen(symbol.name) - 5),
                    .arch = mc_arch_name(i.arch),
                    .isa = isa_text(i.isa, a),
                    .file_bytes = (int64_t)n,
                    .arena_bytes = i.arena_bytes,
                    .code_bytes = (int64_t)sizes.code,
                    .constant_bytes = (int64_t)sizes.constants,
                    .threads = i.threads,
                    .nlevel = i.nlevel,
                    .version = i.version ? i.version : "",
                    .stack_bytes = i.stack_bytes,
                    .model = mc_arena_printf(a, "%016llx", (unsigned long long)i.model),
                    .header = mc_arena_printf(a, "%016llx", (unsigned long long)i.header) };
  o->level = MC_NEWN(a, mc_object_level, i.nlevel);
  for (int k = 0; k < i.nlevel; k++)
    o->level[k] = (mc_object_level){
      i.level[k].name, isa_text(i.level[k].isa, a),
      (int64_t)elf_code_of(p, n, mc_arena_printf(a, "%s.%s.", o->name, i.level[k].name))
    };
  return true;
}

bool mc_object_read(mc_object *out, const char *path, mc_arena *a, mc_diag *d) {
  mc_blob *b = mc_blob_open(path, d, mc_noloc);
  if (!b) return false;
  bool ok = describe(out, path, mc_blob_data(b), mc_blob_size(b), a, d);
  mc_blob_close(b);
  return ok;
}
