/* Text and objects of a plan. */
#include "elffill.h"
#include "module.h"
#include <string.h>

typedef struct owned { module m; LLVMMemoryBufferRef buf; } owned;

/* The object's bytes, with the large constants behind them. */
static bool join(mc_code *c, owned *o, mc_diag *d) {
  module *m = &o->m;
  elf_datum *datum = MC_NEWN(m->arena, elf_datum, m->aside.n + 1);
  for (size_t i = 0; i < m->aside.n; i++) datum[i] = (elf_datum){ m->aside.v[i].name, m->aside.v[i].data, m->aside.v[i].size };
  size_t n = LLVMGetBufferSize(o->buf);
  unsigned char *head = mc_arena_copy(m->arena, LLVMGetBufferStart(o->buf), n);
  if (!elf_fill(c, head, n, MODULE_SECTION_NAME, datum, m->aside.n, m->arena)) return mc_error(d, mc_noloc, "internal: the object has no place for its weights");
  for (size_t i = 0; i < c->n; i++) c->bytes += c->piece[i].size;
  return true;
}
bool mc_codegen_object(mc_code *out, const mc_plan *p, const mc_codegen_opts *opts, mc_diag *d) {
  *out = (mc_code){ 0 };
  owned o = { 0 };
  bool ok = module_build(&o.m, p, opts, MODULE_SECTION, d) && (o.buf = module_emit(&o.m, LLVMObjectFile)) && join(out, &o, d);
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
bool mc_codegen_emit(mc_strbuf *out, const mc_plan *p, const mc_codegen_opts *o, mc_emit what, mc_diag *d) {
  if (what == MC_EMIT_OBJ) return emit_object(out, p, o, d);
  module m;
  bool ok = module_build(&m, p, o, MODULE_INSIDE, d);
  if (ok && what == MC_EMIT_LLVM) {
    char *text = LLVMPrintModuleToString(m.m);
    mc_sb_puts(out, text);
    LLVMDisposeMessage(text);
  } else if (ok) {
    LLVMMemoryBufferRef buf = module_emit(&m, LLVMAssemblyFile);
    ok = buf != NULL;
    if (ok) {
      mc_sb_write(out, LLVMGetBufferStart(buf), LLVMGetBufferSize(buf));
      LLVMDisposeMemoryBuffer(buf);
    }
  }
  module_drop(&m);
  return ok;
}
