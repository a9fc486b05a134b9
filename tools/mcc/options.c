/* The options of mcc. Those of the compiler are bound to its own struct. */
#include "mcc.h"

const char *const emit_names[] = { "obj", "asm", "llvm", "mir", NULL };

int options_read(mcc *o, int argc, char **argv) {
  const mc_option options[] = {
    { "o", MC_O_STR, &o->out, .arg = "FILE|-",
      .help = "the object (its header goes beside it), or the text of -emit=; default: the input's "
              "name with .o, or standard output for text" },
    { "O", MC_O_JOINED, &o->level, .arg = "LEVEL",
      .help = "how much to do (-print-pipeline shows it); s: as 3, but small code before fast code",
      .words = mc_level_names },
    { "quant", MC_O_WORD, &o->co.quant, .arg = "HOW", .help = "arithmetic",
      .words = mc_quant_names },
    { "group", MC_O_I64, &o->co.group, .arg = "N",
      .help = "-quant=w4a8: so many weights of a row share a whole multiple of its scale; 0: the "
              "row's scale alone" },
    { "calib", MC_O_STR, &o->co.calib, .arg = "DATA",
      .help = "samples (.npz, .npy, an image or a folder of images) that give the ranges for "
              "-quant=int8; default: the file's calibration line, then ranges in the text, then "
              "batch_norm statistics" },
    { "calib-method", MC_O_STR, &o->co.calib_method, .arg = "METHOD",
      .help = "how ranges come from samples", .words = mc_names_calib },
    { "equalize", MC_O_WORD, &o->co.equalize, .arg = "HOW",
      .help = "INT8: weights between layers are scaled so that one scale suits all channels of a "
              "value: where there are samples (the default), or never",
      .words = mc_equalize_names },
    { "skip", MC_O_STR, &o->co.skip, .arg = "LAYERS",
      .help = "layers that -quant leaves in fp32: names (those of the model, or of values), ':' "
              "between them, '*' for any text" },
    { "only", MC_O_STR, &o->co.only, .arg = "LAYERS",
      .help = "the only layers that -quant converts" },
    { "quant-budget", MC_O_STR, &o->budget, .arg = "BUDGET",
      .help = "layers that -quant leaves in fp32 are looked for: as few as hold acc:POINTS (of "
              "top-1 below fp32, on -eval=) or snr:DB (of the results against fp32); they are "
              "printed as -skip=" },
    { "eval", MC_O_STR, &o->eval, .arg = "DATA",
      .help = "samples that -quant-budget judges by, for acc with labels; default for snr: those "
              "of the ranges" },
    { "emit", MC_O_WORD, &o->emit, .arg = "WHAT", .help = "what to write", .words = emit_names },
    { "decisions", MC_O_FLAG, &o->decisions,
      .help = "with -emit=mir: write what was decided about each group into the text, which then "
              "forces it (attributes form, engine, blocking, tasks, divide, loop)" },
    { "march", MC_O_STR, &o->march, .arg = "LEVEL",
      .help = "machine level: native, a level or CPU (a wrong name lists them), or "
              "dispatch[=LEVEL,...]: several, the best chosen at run time; default: dispatch, for "
              "another architecture and -emit=mir the lowest level" },
    { "list-engines", MC_O_FLAG, &o->list_engines,
      .help = "print the engines that products of -march= can use, and stop; needs no file" },
    { "target", MC_O_STR, &o->arch, .arg = "ARCH",
      .help = "x86_64, aarch64 or an ELF triple; default: that of -march, or the host's" },
    { "g", MC_O_FLAG, &o->co.debug, .help = "line tables that map machine code to .mir lines" },
    { "share", MC_O_FLAG, &o->co.share,
      .help = "layers whose code differs in constants alone share one function (default; "
              "-share=false: each has its own, as with -g, for profilers)" },
    { "name", MC_O_STR, &o->co.prefix, .arg = "NAME",
      .help = "prefix of the symbols (NAME_run); default: from the output's name" },
    { "graph", MC_O_STR, &o->graph, .arg = "NAME",
      .help = "the graph to compile; the first one if absent" },
    { "batch", MC_O_I64, &o->batch, .arg = "N",
      .help = "compile for another batch: the first axis of every input", .lo = 1, .hi = 1 << 20 },
    { "threads", MC_O_INT, &o->co.threads, .arg = "N",
      .help = "also an entry that takes the caller's parallel_for and divides the work into up to "
              "N tasks (docs/reference/abi.md)",
      .lo = 1, .hi = MC_MAX_THREADS },
    { "mixed", MC_O_FLAG, &o->co.mixed,
      .help = "INT8: layers that the cost model finds faster in fp32 on this level stay there "
              "(remarks say why); results then depend on the level" },
    { "winograd", MC_O_F64, &o->co.winograd, .arg = "PERCENT",
      .help = "INT8: weights may grow by so much for 3x3 convolutions with fewer products (default "
              "15); 0: direct ones only" },
    { "sparse", MC_O_WORD, &o->sparse, .arg = "HOW",
      .help = "products leave out blocks of zero weights where the cost model expects that to be "
              "faster (the default), never, or wherever there are some",
      .words = mc_sparse_names },
    { "compress-weights", MC_O_FLAG, &o->compress_weights,
      .help = "weights with zeros are kept as a bit for each and the others' values: a smaller "
              "object; each run unpacks them, a block of columns at a time" },
    { "chain", MC_O_WORD, &o->co.chain, .arg = "WHY",
      .help = "groups that are computed in strips of rows: where that is faster (from -O2 on, the "
              "default), never, or for the smallest arena",
      .words = mc_chain_names },
    { "pass-pipeline", MC_O_STR, &o->co.pipeline, .arg = "TEXT",
      .help = "these passes instead of those of -O and -quant; must end with form-groups" },
    { "print-pipeline", MC_O_FLAG, &o->print_pipeline,
      .help = "print the passes that would run, and stop" },
    MC_HOOK_OPTIONS(o->co.manager),
    { "remarks", MC_O_FLAG, &o->remarks,
      .help = "print how each group is computed, its estimated time, what bounds it, the next best "
              "blocks and what another engine, Winograd or fp32 would take; and what stayed in "
              "fp32 and why" },
    { "tune", MC_O_OPTIONAL, &o->co.tune, .arg = "CACHE.json",
      .help = "measure blocks of products on this machine and take the best; what is in the cache "
              "is not measured again" },
    MC_IMPORT_OPTIONS(o->imp),
    MC_IMPORT_PREPROCESS(o->imp),
    { "check", MC_O_OPTIONAL, &o->exact, .arg = "FILE.npz",
      .help = "run the object on this machine and hold it against the reference evaluator, on the "
              "first samples of the file or on random ones; a "
              "difference is an error, and nothing is written" },
    { "json", MC_O_OPTIONAL, &o->json, .arg = "FILE",
      .help =
          "also a report as JSON (docs/reference/tools.md), to the file or to standard output" },
    { "quiet", MC_O_FLAG, &o->quiet, .help = "no summary line" },
    { 0 }
  };
  const mc_command cmd = { .name = "mcc",
                           .usage = "[options] FILE.mir|FILE.onnx|-",
                           .summary = "compile a network to an object file and a C header",
                           .options = options,
                           .min_args = 1,
                           .alone = "list-engines",
                           .max_args = 1,
                           .example =
                               "mcc -O3 -quant=int8 -calib=calib.npz net.mir -o net.o\nmcc -O3 "
                               "-march=native net.onnx -o net.o\nmcc -emit=mir net.mir\nmcc "
                               "-list-engines -march=avx512vnni" };
  *o = (mcc){ .level = "3", .co = mc_compile_defaults() };
  return tool_start(&o->t, &cmd, argc, argv);
}

bool possible(mcc *o) {
  mc_diag *d = &o->t.diag;
  if (o->co.target && o->co.target->next && o->emit == EMIT_MIR)
    return mc_error(d, mc_noloc, "-emit=mir shows the plan of one level: name it with -march=");
  if (o->co.mixed && !mc_quant_ints(o->co.quant))
    return mc_error(d, mc_noloc, "-mixed chooses between INT8 and fp32: it needs -quant=int8");
  if (o->co.group < 0) return mc_error(d, mc_noloc, "-group must not be negative");
  if (!(o->co.winograd >= 0)) return mc_error(d, mc_noloc, "-winograd must not be negative");
  if (!budget_possible(o)) return false;
  if (o->co.small && o->co.tune)
    return mc_error(
        d, mc_noloc,
        "-Os chooses blocks by the size of their code, -tune by time: give one of the two");
  return true;
}
