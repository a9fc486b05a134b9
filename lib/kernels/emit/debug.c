/* -g: line tables that map machine code to the nodes of the .mir text. */
#include "lower.h"
#include "mc/kernels/kernels.h"
#include <llvm-c/DebugInfo.h>
#include <string.h>

static void module_flag(kbuilder *k, const char *name, unsigned v) {
  LLVMAddModuleFlag(k->m, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                    LLVMValueAsMetadata(build_i32(k, v)));
}

void build_debug_begin(kbuilder *k, const mc_module *m) {
  const char *name = m->src && m->src->name ? m->src->name : "<memory>",
             *slash = strrchr(name, '/'),
             *dir = slash ? mc_arena_strndup(k->arena, name, (size_t)(slash - name)) : ".";
  const char *base = slash ? slash + 1 : name;
  k->di = LLVMCreateDIBuilder(k->m);
  k->file = LLVMDIBuilderCreateFile(k->di, base, strlen(base), dir, strlen(dir));
  LLVMDIBuilderCreateCompileUnit(k->di, LLVMDWARFSourceLanguageC, k->file, "mcc", 3, 1, "", 0, 0,
                                 "", 0, LLVMDWARFEmissionFull, 0, 0, 0, "", 0, "", 0);
  module_flag(k, "Debug Info Version", LLVMDebugMetadataVersion());
  module_flag(k, "Dwarf Version", 4);
}

static unsigned line_of(mc_loc loc, unsigned *col) {
  unsigned line = 0;
  *col = 0;
  if (loc.src && loc.src->text) mc_loc_linecol(loc, &line, col);
  return line;
}

void build_debug_function(kbuilder *k, kvalue fn, const char *name, mc_loc loc) {
  if (!k->di) return;
  unsigned col, line = line_of(loc, &col);
  LLVMMetadataRef type = LLVMDIBuilderCreateSubroutineType(k->di, k->file, NULL, 0, LLVMDIFlagZero);
  k->scope = LLVMDIBuilderCreateFunction(k->di, k->file, name, strlen(name), name, strlen(name),
                                         k->file, line, type, 1, 1, line, LLVMDIFlagZero, 1);
  LLVMSetSubprogram(fn, k->scope);
  build_debug_at(k, loc);
}

void build_debug_at(kbuilder *k, mc_loc loc) {
  if (!k->di) return;
  unsigned col, line = line_of(loc, &col);
  LLVMSetCurrentDebugLocation2(k->b,
                               LLVMDIBuilderCreateDebugLocation(k->c, line, col, k->scope, NULL));
}

void build_debug_end(kbuilder *k) {
  if (!k->di) return;
  LLVMDIBuilderFinalize(k->di);
  LLVMDisposeDIBuilder(k->di);
  k->di = NULL;
}
