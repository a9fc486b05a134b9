/* Text and objects of a plan. */
#include "elffill.h"
#include "info.h"
#include "module.h"
#include "stack.h"
#include <string.h>

typedef struct owned {
  module m;
  LLVMMemoryBufferRef buf;
} owned;

/* Other digits for all of these in a text: what is known when the code is made. False: there are
 * none. */
static bool replace(char *text, size_t n, const char *from, const char *to) {
  size_t len = strlen(from), found = 0;
  if (strlen(to) != len) return false;
  for (char *end = text + n, *at = text; (at = memmem(at, (size_t)(end - at), from, len));
       at += len, found++)
    memcpy(at, to, len);
  return found > 0;
}

/* The stack's line in PREFIX_info, as `format` prints it, and the header's hash there and in names.
 */
static bool tell_stack(char *text, size_t n, const char *format, module *m, int64_t bytes) {
  const char *none = mc_arena_printf(m->arena, format, 0ll),
             *told = mc_arena_printf(m->arena, format, (long long)bytes);
  unsigned long long before = m->link, after = mc_codegen_header_link(m->link, bytes);
  return replace(text, n, none, told) &&
         replace(text, n, mc_arena_printf(m->arena, "%016llx", before),
                 mc_arena_printf(m->arena, "%016llx", after));
}

/* The object's bytes, with the large constants after them. */
static bool join(mc_code *c, owned *o, mc_diag *d) {
  module *m = &o->m;
  elf_datum *datum = MC_NEWN(m->arena, elf_datum, m->aside.n + 1);
  for (size_t i = 0; i < m->aside.n; i++)
    datum[i] = (elf_datum){ m->aside.v[i].name, m->aside.v[i].data, m->aside.v[i].size };
  size_t n = LLVMGetBufferSize(o->buf);
  unsigned char *head = mc_arena_copy(m->arena, LLVMGetBufferStart(o->buf), n);
  int64_t stack = stack_bytes(m);
  if (!tell_stack((char *)head, n, "\n" MC_INFO_STACK "\n", m, stack))
    return mc_error(d, mc_noloc, "internal: the object has no line for its stack");
  if (!elf_fill(c, head, n, MODULE_SECTION_NAME, datum, m->aside.n, m->arena))
    return mc_error(d, mc_noloc, "internal: the object has no place for its weights");
  c->stack_bytes = stack;
  for (size_t i = 0; i < c->n; i++) c->bytes += c->piece[i].size;
  return true;
}

/* Object code, and how much stack each function takes. */
static bool emit_told(owned *o) {
  stack_ask(&o->m);
  o->buf = module_emit(&o->m, LLVMObjectFile);
  return o->buf != NULL;
}

bool mc_codegen_object(mc_code *out, const mc_plan *p, const mc_codegen_opts *opts, mc_diag *d) {
  *out = (mc_code){ 0 };
  owned o = { 0 };
  bool ok = module_build(&o.m, p, opts, MODULE_SECTION, d) && emit_told(&o) && join(out, &o, d);
  mc_arena *keep = o.m.arena;
  o.m.arena = NULL;
  if (o.buf) LLVMDisposeMemoryBuffer(o.buf);
  module_drop(&o.m);
  out->own = keep;
  if (!ok) mc_code_free(out);
  return ok;
}

void mc_code_free(mc_code *c) {
  mc_arena_destroy(c->own);
  *c = (mc_code){ 0 };
}

static bool emit_object(mc_strbuf *out, const mc_plan *p, const mc_codegen_opts *o, mc_diag *d) {
  mc_code c;
  if (!mc_codegen_object(&c, p, o, d)) return false;
  for (size_t i = 0; i < c.n; i++) mc_sb_write(out, c.piece[i].data, c.piece[i].size);
  mc_code_free(&c);
  return true;
}

bool mc_codegen_emit(mc_strbuf *out, const mc_plan *p, const mc_codegen_opts *o, mc_emit what,
                     mc_diag *d) {
  if (what == MC_EMIT_OBJ) return emit_object(out, p, o, d);
  module m;
  bool ok = module_build(&m, p, o, MODULE_INSIDE, d);
  if (ok && what == MC_EMIT_LLVM) {
    char *text = LLVMPrintModuleToString(m.m);
    mc_sb_puts(out, text);
    LLVMDisposeMessage(text);
  } else if (ok) {
    stack_ask(&m);
    LLVMMemoryBufferRef buf = module_emit(&m, LLVMAssemblyFile);
    ok = buf != NULL;
    if (ok) {
      size_t n = LLVMGetBufferSize(buf);
      char *text = mc_arena_copy(m.arena, LLVMGetBufferStart(buf), n);
      ok = tell_stack(text, n, "\\n" MC_INFO_STACK "\\n", &m, stack_bytes(&m)) ||
           mc_error(d, mc_noloc, "internal: the text has no line for its stack");
      mc_sb_write(out, text, n);
      LLVMDisposeMemoryBuffer(buf);
    }
  }
  module_drop(&m);
  return ok;
}
