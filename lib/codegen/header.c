/* The C header of an object: docs/reference/abi.md. */
#include "info.h"
#include "mc/codegen/codegen.h"
#include "mc/support/hash.h"
#include <ctype.h>
#include <stdio.h>

static const char *c_type(mc_dtype t) {
  switch (t) {
  case MC_f32: return "float";
  case MC_f64: return "double";
  case MC_i8: return "int8_t";
  case MC_u8:
  case MC_bool: return "uint8_t";
  case MC_i16: return "int16_t";
  case MC_f16:
  case MC_bf16: return "uint16_t";
  case MC_i32: return "int32_t";
  case MC_i64: return "int64_t";
  case MC_NUM_DTYPES: break;
  }
  return "void";
}

static const char *upper(const char *s, mc_arena *a) {
  char *u = mc_arena_strdup(a, s);
  for (char *p = u; *p; p++) *p = (char)toupper((unsigned char)*p);
  return u;
}

static void io_macros(mc_strbuf *out, const char *net, const mc_io *io, mc_arena *a) {
  const mc_type *t = &io->type;
  const char *name = upper(io->name, a);
  mc_sb_printf(out, "#define %s_%s_RANK %d\n", net, name, t->rank);
  mc_sb_printf(out, "#define %s_%s_SHAPE {", net, name);
  for (int d = 0; d < t->rank; d++)
    mc_sb_printf(out, "%s%lld", d ? ", " : " ", (long long)t->dim[d]);
  mc_sb_printf(out, "%s}\n#define %s_%s_ELEMS %lld\n", t->rank ? " " : " 1 ", net, name,
               (long long)mc_type_elems(t));
  mc_sb_printf(out, "#define %s_%s_TYPE %s\n", net, name, c_type(t->dtype));
  if (t->q.kind != MC_Q_TENSOR) return;
  mc_sb_printf(out, "#define %s_%s_SCALE ", net, name);
  mc_sb_float(out, t->q.scale);
  mc_sb_printf(out, "f\n#define %s_%s_ZERO_POINT %d\n", net, name, t->q.zero);
}

static void io_comment(mc_strbuf *out, const mc_io *io, const char *what) {
  mc_sb_printf(out, " *   %-5s %s: ", what, io->name);
  mc_type_print(out, &io->type);
  mc_sb_puts(out,
             io->type.q.kind == MC_Q_TENSOR ? ", real value = (q - ZERO_POINT) * SCALE\n" : "\n");
}

static void parameters(mc_strbuf *out, const mc_info *i) {
  for (int k = 0; k < i->nin; k++)
    mc_sb_printf(out, "const %s *%s, ", c_type(i->in[k].type.dtype), i->in[k].name);
  for (int k = 0; k < i->nout; k++)
    mc_sb_printf(out, "%s *%s, ", c_type(i->out[k].type.dtype), i->out[k].name);
}

static void levels(mc_strbuf *out, const mc_info *i, const char *net) {
  mc_sb_printf(
      out,
      "\n/* The object has code for several levels of machines, lowest first, and runs the best "
      "that it finds at the first call; that is all it remembers. */\n#define %s_LEVELS %d\n",
      net, i->nlevel);
  mc_sb_printf(out, "#define %s_LEVEL_NAMES {", net);
  for (int k = 0; k < i->nlevel; k++)
    mc_sb_printf(out, "%s\"%s\"", k ? ", " : " ", i->level[k].name);
  mc_sb_printf(out,
               " }\n/* The level that runs here, from 0; -1: the machine has none of them (then "
               "every run returns 1). */\nint %s_level(void);\n",
               i->name);
  mc_sb_printf(out,
               "/* Run this level from now on, in all threads; -1: the best. Returns 0, or 1 when "
               "the machine lacks it or there is none such (then nothing changes).\n"
               " * trust: not 0: do not ask the machine, the caller knows that it has the level. "
               "*/\nint %s_set_level(int level, int trust);\n",
               i->name);
}

static void parallel_entries(mc_strbuf *out, const mc_info *i, const char *net) {
  mc_sb_puts(
      out, "/* The same on several threads, and the same bytes: pf runs task(arg, 0) ... task(arg, "
           "ntasks - 1), in any order and on any threads, and returns when all are finished;\n"
           " * ctx is handed to it. ntasks is at most ");
  mc_sb_printf(
      out, "%s_THREADS. libmcrt's mcrt_parallel_for is one (mcrt.h). */\n#define %s_THREADS %d\n",
      net, net, i->threads);
  mc_sb_puts(out,
             "#ifndef MC_PARALLEL_FOR\n#define MC_PARALLEL_FOR\ntypedef void mc_parallel_for(void "
             "*ctx, int ntasks, void (*task)(void *arg, int i), void *arg);\n#endif\n");
  mc_sb_printf(out, "int %s_run_parallel(", i->name);
  parameters(out, i);
  mc_sb_printf(out, "void *arena, mc_parallel_for *pf, void *ctx) %s_ENTRY(%s_run_parallel);\n",
               net, i->name);
  mc_sb_printf(out,
               "int %s_call_parallel(void *const *io, void *arena, mc_parallel_for *pf, void *ctx) "
               "%s_ENTRY(%s_call_parallel);\n",
               i->name, net, i->name);
}

/* An entry is linked by a name that this header's object alone has: no code, no data, an error of
 * the linker where the two do not belong together. */
static void entry_names(mc_strbuf *out, const char *net, uint64_t hash) {
  mc_sb_printf(
      out,
      "\n/* Entries have a second name in the object, which only its own header asks for:\n"
      " * \"undefined reference to ..._for_header_%016llx\" means that another object was\n"
      " * linked; compile again what includes this file, or link its object. */\n",
      (unsigned long long)hash);
  mc_sb_printf(out,
               "#ifdef __GNUC__\n#define %s_ENTRY(name) __asm__(#name \"" MC_HEADER_NAME "\")\n"
               "#else\n#define %s_ENTRY(name)\n#endif\n",
               net, (unsigned long long)hash, net);
}

static void about(mc_strbuf *out, const mc_info *i, const char *net) {
  mc_sb_printf(out, "/* %s: made by mcc %s. Link the object of the same name.\n *\n", i->name,
               i->version ? i->version : "");
  for (int k = 0; k < i->nin; k++) io_comment(out, &i->in[k], "in");
  for (int k = 0; k < i->nout; k++) io_comment(out, &i->out[k], "out");
  mc_sb_printf(out,
               " *\n * Arrays are dense and row-major and do not overlap. The arena is scratch "
               "memory: %s_ARENA_BYTES bytes aligned to %s_ARENA_ALIGN,\n",
               net, net);
  mc_sb_puts(out, " * one for each call that runs at the same time; nothing in it needs to be kept "
                  "or cleared between calls.\n");
  mc_sb_printf(out,
               " * A call needs at most %s_STACK_BYTES of stack, besides what memcpy and memset "
               "need%s. */\n",
               net, i->threads > 1 ? " (and parallel_for)" : "");
}

static void constants(mc_strbuf *out, const mc_info *i, const char *net, mc_arena *a) {
  if (i->version) mc_sb_printf(out, "#define %s_MCC_VERSION \"%s\"\n", net, i->version);
  mc_sb_printf(out, "#define %s_MODEL_HASH \"%016llx\"\n", net, (unsigned long long)i->model);
  mc_sb_printf(out, "#define %s_ARENA_BYTES %lld\n#define %s_ARENA_ALIGN %lld\n", net,
               (long long)i->arena_bytes, net, (long long)i->arena_align);
  mc_sb_printf(out, "#define %s_STACK_BYTES %lld\n", net, (long long)i->stack_bytes);
  for (int k = 0; k < i->nin; k++) io_macros(out, net, &i->in[k], a);
  for (int k = 0; k < i->nout; k++) io_macros(out, net, &i->out[k], a);
}

static void header_text(mc_strbuf *out, const mc_info *i, mc_arena *a) {
  const char *net = upper(i->name, a);
  about(out, i, net);
  mc_sb_printf(out,
               "#ifndef %s_MCC_H\n#define %s_MCC_H\n#include <stdint.h>\n#ifdef "
               "__cplusplus\nextern \"C\" {\n#endif\n\n",
               net, net);
  constants(out, i, net, a);
  entry_names(out, net, i->header);
  mc_sb_printf(out, "\n/* Returns 0%s. No allocation, no global state%s. */\nint %s_run(",
               i->nlevel ? "; 1 when the machine has none of the levels" : "",
               i->nlevel ? " but the level" : "", i->name);
  parameters(out, i);
  mc_sb_printf(out, "void *arena) %s_ENTRY(%s_run);\n", net, i->name);
  mc_sb_printf(out,
               "/* The same with pointers to inputs, then outputs, in one array. */\nint "
               "%s_call(void *const *io, void *arena) %s_ENTRY(%s_call);\n",
               i->name, net, i->name);
  if (i->threads > 1) parallel_entries(out, i, net);
  if (i->nlevel) levels(out, i, net);
  mc_sb_printf(
      out,
      "/* The above as text (docs/reference/abi.md), for tools. */\nextern const char %s_info[];\n",
      i->name);
  mc_sb_puts(out, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

uint64_t mc_codegen_header_hash(const mc_plan *p, const mc_codegen_opts *o) {
  mc_arena *a = mc_arena_create();
  mc_strbuf text = { 0 };
  mc_info i = mc_info_of(p, o, a);
  header_text(&text, &i, a);
  uint64_t hash = mc_hash(MC_HASH_START, mc_sb_str(&text), text.n);
  mc_sb_free(&text);
  mc_arena_destroy(a);
  return hash;
}

uint64_t mc_codegen_header_link(uint64_t hash, int64_t stack_bytes) {
  char text[24];
  snprintf(text, sizeof text, "%lld", (long long)stack_bytes);
  return mc_hash_text(hash, text);
}

void mc_codegen_header(mc_strbuf *out, const mc_plan *p, const mc_codegen_opts *o,
                       int64_t stack_bytes) {
  mc_arena *a = mc_arena_create();
  mc_info i = mc_info_of(p, o, a);
  i.header = mc_codegen_header_link(mc_codegen_header_hash(p, o), stack_bytes);
  i.stack_bytes = stack_bytes;
  header_text(out, &i, a);
  mc_arena_destroy(a);
}
