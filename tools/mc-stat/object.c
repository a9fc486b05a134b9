/* Of an object file: what it is for, and bytes of its parts. */
#include "object.h"
#include "mc/codegen/codegen.h"
#include <jansson.h>
#include <stdlib.h>

static void text(mc_strbuf *s, const mc_object *o) {
  mc_sb_printf(s, "object %s: %s%s%s", o->name, o->arch, *o->isa ? " " : "", o->isa);
  if (o->nlevel) mc_sb_printf(s, ", or more: %d level%s", o->nlevel, o->nlevel == 1 ? "" : "s");
  if (o->threads > 1) mc_sb_printf(s, ", up to %d threads", o->threads);
  mc_sb_printf(s, "\n%12lld bytes of file\n%12lld bytes of constants\n%12lld bytes of code\n",
               (long long)o->file_bytes, (long long)o->constant_bytes, (long long)o->code_bytes);
  for (int k = 0; k < o->nlevel; k++)
    mc_sb_printf(s, "%12lld   level %s\n", (long long)o->level[k].code_bytes, o->level[k].name);
  mc_sb_printf(s, "%12lld bytes of arena\n", (long long)o->arena_bytes);
  mc_sb_printf(s, "%12lld bytes of stack, at most\n", (long long)o->stack_bytes);
  mc_sb_printf(s, "made by mcc %s; model %s, header %s\n", o->version, o->model, o->header);
}

static void json(mc_strbuf *s, const mc_object *o) {
  json_t *levels = json_array();
  for (int k = 0; k < o->nlevel; k++)
    json_array_append_new(levels, json_pack("{s:s, s:s, s:I}", "name", o->level[k].name, "isa",
                                            o->level[k].isa, "code_bytes",
                                            (json_int_t)o->level[k].code_bytes));
  json_t *all =
      json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:o}", "object",
                o->name, "arch", o->arch, "isa", o->isa, "threads", o->threads, "file_bytes",
                (json_int_t)o->file_bytes, "constant_bytes", (json_int_t)o->constant_bytes,
                "code_bytes", (json_int_t)o->code_bytes, "arena_bytes", (json_int_t)o->arena_bytes,
                "stack_bytes", (json_int_t)o->stack_bytes, "version", o->version, "model", o->model,
                "header", o->header, "levels", levels);
  char *t = json_dumps(all, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
  mc_sb_puts(s, t ? t : "");
  mc_sb_putc(s, '\n');
  json_decref(all);
  free(t);
}

bool object_print(mc_strbuf *out, tool *t, const char *path, bool as_json) {
  mc_object o;
  if (!mc_object_read(&o, path, t->arena, &t->diag)) return false;
  (as_json ? json : text)(out, &o);
  return true;
}
