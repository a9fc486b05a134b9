/* mc-import: a trained network of another format to .mir text and safetensors. */
#include "common/tool.h"
#include "mc/driver/driver.h"
#include "mc/import/onnx.h"
#include "mc/syntax/parse.h"
#include <stdlib.h>
#include <string.h>

/* What an importer leaves behind is tidied up with these: constants computed, transposes cancelled, dead ends removed. */
static const char cleanup[] = "constant-fold,canonicalize,layout,canonicalize,cse,dce";

typedef struct import { tool t; const char *out; mc_strlist shapes; int layout, type; bool raw; mc_import_opts o; } import;

static const char *const layout_words[] = { "model", "nhwc", NULL };
static const char *const type_words[] = { "model", "u8", NULL };

/* NAME=DIMS; NAME may hold '=' itself, dimensions are separated by ',' or 'x'. */
static bool parse_shape(import *im, const char *text, mc_dim_fix *out) {
  const char *eq = strrchr(text, '='), *p = eq ? eq + 1 : text;
  bool ok = eq && eq > text;
  out->rank = 0;
  while (ok) {
    char *end;
    long long v = strtoll(p, &end, 10);
    ok = end != p && v >= 1 && v <= (1LL << 31) && out->rank < MC_MAX_RANK;
    if (ok) out->dim[out->rank++] = v;
    if (!ok || !*end) break;
    ok = *end == ',' || *end == 'x';
    p = end + 1;
  }
  if (!ok) return mc_error(&im->t.diag, mc_noloc, "--shape '%s': expected NAME=DIMS, such as image=1,3,32,32", text);
  out->name = mc_arena_strndup(im->t.arena, text, (size_t)(eq - text));
  return true;
}

static bool parse_shapes(import *im) {
  mc_dim_fix *fix = MC_NEWN(im->t.arena, mc_dim_fix, im->shapes.n);
  bool ok = true;
  for (size_t i = 0; i < im->shapes.n; i++) ok &= parse_shape(im, im->shapes.v[i], &fix[i]);
  im->o.shapes = fix;
  im->o.nshapes = (int)im->shapes.n;
  return ok;
}

/* Run the clean-up; a failing pass is our bug, not the model's. */
static int tidy(import *im, mc_module *m) {
  mc_source src = { "<clean-up>", cleanup, sizeof cleanup - 1 };
  mc_pipeline p;
  mc_manager_report rep = { 0 };
  mc_manager_opts o = { .bisect_limit = -1 };
  if (!mc_pipeline_parse(mc_driver_registry(), &src, &p, im->t.arena, &im->t.diag)) return MC_EXIT_BUG;
  return mc_manager_run(m, &p, &o, &rep, im->t.arena, &im->t.diag) ? MC_EXIT_OK : MC_EXIT_BUG;
}

static int run(import *im) {
  if (!parse_shapes(im)) return MC_EXIT_USAGE;
  im->o.input_nhwc = im->layout;
  im->o.input_u8 = im->type;
  mc_module *m = mc_import_onnx(im->t.args.v[0], &im->o, &im->t.diag);
  if (!m) return MC_EXIT_INPUT;
  int rc = im->raw ? MC_EXIT_OK : tidy(im, m);
  if (rc == MC_EXIT_OK && !mc_write_mir(im->out, m, &im->t.diag)) rc = MC_EXIT_INPUT;
  mc_module_destroy(m);
  return rc;
}

int main(int argc, char **argv) {
  import im = { .out = "-" };
  const mc_option options[] = {
    { "o", MC_O_STR, &im.out, .arg = "FILE|-", .help = "FILE.mir, with the weights in FILE.safetensors beside it; '-' (the default): standard output, weights in the data section" },
    { "preprocess", MC_O_STR, &im.o.preprocess, .arg = "TEXT", .help = "bake (x * scale - mean) / std into the graph: 'scale=1/255 mean=.485,.456,.406 std=.229,.224,.225'; numbers or fractions, one or one per channel" },
    { "input-layout", MC_O_WORD, &im.layout, .arg = "WORD", .help = "axis order of image inputs; nhwc: rows, columns, channels last", .words = layout_words },
    { "input-type", MC_O_WORD, &im.type, .arg = "WORD", .help = "element type of image inputs; u8: bytes, before the preprocessing", .words = type_words },
    { "shape", MC_O_LIST, &im.shapes, .arg = "NAME=DIMS", .help = "shape of an input (in the model's layout), or size of a symbolic dimension; may be repeated" },
    { "name", MC_O_STR, &im.o.graph_name, .arg = "NAME", .help = "name of the graph; the model's by default" },
    { "raw", MC_O_FLAG, &im.raw, .help = "leave out the clean-up (constant-fold, canonicalize, layout, cse, dce)" },
    { 0 }
  };
  const mc_command cmd = { .name = "mc-import", .usage = "[options] net.onnx", .summary = "read a trained network (ONNX, opset 7 to 21)", .options = options, .min_args = 1, .max_args = 1,
                           .example = "mc-import net.onnx -o net.mir\n"
                                      "mc-import net.onnx --input-layout=nhwc --input-type=u8 --preprocess=\"scale=1/255\" -o net.mir\n"
                                      "mc-import net.onnx --shape N=8 -o - | mc-opt --pass=fold-bn -o net.mir" };
  int rc = tool_start(&im.t, &cmd, argc, argv);
  return rc >= 0 ? rc : tool_end(&im.t, run(&im));
}
