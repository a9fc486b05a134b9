/* Networks from files, by the name's ending. */
#include "mc/driver/compile.h"
#include "mc/driver/importing.h"
#include "mc/syntax/parse.h"
#include <string.h>

bool mc_driver_is_onnx(const char *path) {
  size_t n = strlen(path);
  return n > 5 && strcmp(path + n - 5, ".onnx") == 0;
}

mc_module *mc_driver_load_as(const char *path, const mc_import_args *args, mc_diag *d) {
  static const mc_import_args none = { 0 };
  if (!args) args = &none;
  if (mc_driver_is_onnx(path)) {
    mc_import_opts o;
    if (!mc_import_args_read(&o, args, d->arena, d)) return NULL;
    return mc_import_onnx(path, &o, d);
  }
  const char *given = mc_import_args_given(args);
  if (!given) return mc_parse_file(path, d);
  mc_error(d, mc_noloc,
           "%s: %s is about how an .onnx file is read, and this is none: "
           "give it where the file is made (mc-import)",
           path, given);
  return NULL;
}

mc_module *mc_driver_load(const char *path, mc_diag *d) { return mc_driver_load_as(path, NULL, d); }
