/* Networks from files, by the name's ending. */
#include "mc/driver/compile.h"
#include "mc/import/onnx.h"
#include "mc/syntax/parse.h"
#include <string.h>

mc_module *mc_driver_load(const char *path, mc_diag *d) {
  size_t n = strlen(path);
  if (n > 5 && strcmp(path + n - 5, ".onnx") == 0) return mc_import_onnx(path, &(mc_import_opts){ 0 }, d);
  return mc_parse_file(path, d);
}
