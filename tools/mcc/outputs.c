/* Names of the files that mcc writes. */
#include "mcc.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "out/net.o" -> "out/net" + ext; the dot must be in the last part. */
const char *with_ending(mcc *o, const char *path, const char *ending) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
  int n = dot && dot > (slash ? slash + 1 : path) ? (int)(dot - path) : (int)strlen(path);
  return mc_arena_printf(o->t.arena, "%.*s%s", n, path, ending);
}

void choose_output(mcc *o) {
  static const char *const endings[] = { ".o", ".s", ".ll", ".mir" };
  if (o->out) return;
  const char *slash = strrchr(o->in, '/');
  bool from_pipe = strcmp(o->in, "-") == 0;
  o->out = o->emit == EMIT_OBJ && !from_pipe
               ? with_ending(o, slash ? slash + 1 : o->in, endings[o->emit])
               : "-";
}

/* Beside standard output, a device or a pipe there is no place for a header. */
bool has_header(const mcc *o) {
  struct stat st;
  return strcmp(o->out, "-") != 0 &&
         (stat(o->out, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/* Neither of the files that are read may be written. */
static bool keeps_inputs(mcc *o, const char *out) {
  const char *samples = o->exact && *o->exact ? o->exact : NULL,
             *numerics = mc_manager_samples(&o->co.manager);
  bool ok = tool_keeps(&o->t, o->in, out);
  if (ok && o->co.calib) ok = tool_keeps(&o->t, o->co.calib, out);
  if (ok && o->eval) ok = tool_keeps(&o->t, o->eval, out);
  if (ok && samples) ok = tool_keeps(&o->t, samples, out);
  if (ok && numerics) ok = tool_keeps(&o->t, numerics, out);
  return ok;
}

/* Whether the report can be written, before the object is: the two belong together. */
static bool has_place(mcc *o, const char *path) {
  struct stat st;
  const char *slash = strrchr(path, '/');
  const char *folder = !slash          ? "."
                       : slash == path ? "/"
                                       : mc_arena_strndup(o->t.arena, path, (size_t)(slash - path));
  int err = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR
            : access(folder, W_OK | X_OK) != 0          ? errno
                                                        : 0;
  return !err || mc_error(&o->t.diag, mc_noloc, "cannot write '%s': %s", path, strerror(err));
}

bool check_outputs(mcc *o) {
  mc_diag *d = &o->t.diag;
  size_t n = strlen(o->out);
  const char *header = o->emit == EMIT_OBJ && has_header(o) ? with_ending(o, o->out, ".h") : NULL;
  if (o->emit == EMIT_OBJ && n > 2 && strcmp(o->out + n - 2, ".h") == 0)
    return mc_error(d, mc_noloc, "'-o %s' would be overwritten by the header; name the object",
                    o->out);
  if (o->emit == EMIT_OBJ && !o->print_pipeline &&
      !tool_spares_terminal(&o->t, o->out, "the object"))
    return false;
  if (!keeps_inputs(o, o->out) || (header && !keeps_inputs(o, header))) return false;
  if (!o->json) return true;
  if (!*o->json && strcmp(o->out, "-") == 0)
    return mc_error(
        d, mc_noloc,
        "standard output cannot take both the code and -json; name a file with -o or -json=FILE");
  if (strcmp(o->json, o->out) == 0 || (header && strcmp(o->json, header) == 0))
    return mc_error(d, mc_noloc, "-json=%s is the name of another output", o->json);
  return !*o->json || (keeps_inputs(o, o->json) && has_place(o, o->json));
}
