/* mc-import: a trained network of another format to .mir text and safetensors. */
#include "common/tool.h"
#include "mc/driver/driver.h"
#include "mc/driver/importing.h"
#include "mc/syntax/parse.h"

/* What an importer leaves is tidied up with these: constants computed, transposes cancelled,
 * dead ends removed. */
static const char cleanup[] = "constant-fold,canonicalize,layout,canonicalize,cse,dce";

typedef struct import {
  tool t;
  const char *out, *name;
  bool raw;
  mc_import_args args;
} import;

/* Run the clean-up; a failing pass is our bug, not the model's. */
static int tidy(import *im, mc_module *m) {
  mc_source src = { "<clean-up>", cleanup, sizeof cleanup - 1 };
  mc_pipeline p;
  mc_manager_report rep = { 0 };
  mc_manager_opts o = { .bisect_limit = -1 };
  if (!mc_pipeline_parse(mc_driver_registry(), &src, &p, im->t.arena, &im->t.diag))
    return MC_EXIT_BUG;
  return mc_manager_run(m, &p, &o, &rep, im->t.arena, &im->t.diag) ? MC_EXIT_OK : MC_EXIT_BUG;
}

static int run(import *im) {
  mc_import_opts o;
  if (!mc_import_args_read(&o, &im->args, im->t.arena, &im->t.diag)) return MC_EXIT_USAGE;
  o.graph_name = im->name;
  if (!tool_given(&im->t, "o") && tool_prints_to_terminal())
    return mc_error(&im->t.diag, mc_noloc,
                    "the text and its weights would go to the terminal: -o net.mir writes files, "
                    "-o - writes to standard output all the same"),
           MC_EXIT_USAGE;
  mc_module *m = mc_import_onnx(im->t.args.v[0], &o, &im->t.diag);
  if (!m) return MC_EXIT_INPUT;
  int rc = im->raw ? MC_EXIT_OK : tidy(im, m);
  if (rc == MC_EXIT_OK && !mc_write_mir(im->out, m, &im->t.diag)) rc = MC_EXIT_INPUT;
  mc_module_destroy(m);
  return rc;
}

int main(int argc, char **argv) {
import im = {.out = "-" };
  const mc_option options[] = {
    { "o", MC_O_STR, &im.out, .arg = "FILE|-",
      .help = "FILE.mir, with the weights in FILE.safetensors beside it; '-' (the default): "
              "standard output, weights in the data section" },
    MC_IMPORT_PREPROCESS(im.args),
    MC_IMPORT_OPTIONS(im.args),
    { "name", MC_O_STR, &im.name, .arg = "NAME",
      .help = "name of the graph; the model's by default" },
    { "raw", MC_O_FLAG, &im.raw,
      .help = "leave out the clean-up (constant-fold, canonicalize, layout, cse, dce)" },
    { 0 }
  };
  const mc_command cmd = {
    .name = "mc-import",
    .usage = "[options] net.onnx",
    .summary = "read a trained network (ONNX, opset 1 to 21)",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .example = "mc-import net.onnx -o net.mir\n"
               "mc-import net.onnx --input-layout=nhwc --input-type=u8 "
               "--preprocess=\"scale=1/255\" -o net.mir\n"
               "mc-import net.onnx --shape N=8 -o - | mc-opt --pass=fold-bn -o net.mir"
  };
  int rc = tool_start(&im.t, &cmd, argc, argv);
  return rc >= 0 ? rc : tool_end(&im.t, run(&im));
}
