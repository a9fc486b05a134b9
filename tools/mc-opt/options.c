/* The options of mc-opt, and those that can do nothing. */
#include "mc/driver/ensemble.h"
#include "opt.h"

int options_read(opt *o, int argc, char **argv) {
  const mc_option options[] = {
    { "o", MC_O_STR, &o->out, .arg = "FILE|-",
      .help = "where the result goes; '-' (the default): standard output, changed tensors in its "
              "data section" },
    { "pass", MC_O_JOIN, &o->run, .arg = "PASS",
      .help = "run a pass, with options as in 'prune{macs=0.5 score=l2}'; may be repeated" },
    { "pass-pipeline", MC_O_JOIN, &o->run, .arg = "TEXT", .help = "run passes, ',' between them" },
    { "list-passes", MC_O_FLAG, &o->list,
      .help = "print every pass with its contract and options" },
    { "print-pipeline", MC_O_FLAG, &o->print_pipeline,
      .help = "print the pipeline in full, run nothing" },
    MC_HOOK_OPTIONS(o->mgr),
    { "reproducer", MC_O_STR, &o->mgr.reproducer, .arg = "FILE.mir",
      .help = "when a pass fails, leave a file with the graph before it and the command" },
    { "verify-diagnostics", MC_O_FLAG, &o->verify_diagnostics,
      .help = "compare diagnostics with the input's expected-error, -warning, -note, -remark "
              "comments; writes no result" },
    { "split-input-file", MC_O_FLAG, &o->split,
      .help = "the input holds several modules with lines '// -----' between them" },
    { "ensemble", MC_O_FLAG, &o->ensemble,
      .help = "one network of several files: its results are the means of theirs" },
    { "ensemble-of", MC_O_WORD, &o->mean, .arg = "WHAT", .words = mc_mean_words,
      .help = "what is averaged: probabilities (the default), logits (what softmax reads), or the "
              "results as they are" },
    { "ensemble-weights", MC_O_STR, &o->weights, .arg = "W,W,...",
      .help = "how much each file counts; default: all alike" },
    { "target", MC_O_STR, &o->target, .arg = "ARCH",
      .help = "machine that passes look at: x86_64, aarch64 or a triple" },
    { "march", MC_O_STR, &o->march, .arg = "LEVEL",
      .help = "its level: native, or a level or CPU (a wrong name lists them)" },
    { 0 }
  };
  const mc_command cmd = {
    .name = "mc-opt",
    .usage = "[options] [FILE|-] | --ensemble [options] FILE FILE...",
    .summary = "transform a network: .mir text to .mir text",
    .options = options,
    .max_args = 64,
    .example =
        "mc-opt --pass=fold-bn net.mir | mc-opt --pass='prune{macs=0.5 score=l2}' - -o pruned.mir\n"
        "mc-opt --pass-pipeline='fold-bn,canonicalize,dce' -verify-each -check-numerics net.mir -o "
        "out.mir\n"
        "mc-opt --ensemble a.mir b.mir -o e.mir"
  };
  *o = (opt){ .out = "-", .mgr = { .bisect_limit = -1 } };
  return tool_start(&o->t, &cmd, argc, argv);
}

#define IDLE(o, why, ...) tool_no_effect(&(o)->t, (const char *const[]){ __VA_ARGS__, NULL }, why)

/* Options that can do nothing beside the others. */
void warn_idle(opt *o) {
  const char *numerics = !o->mgr.check_numerics ? "it is for -check-numerics"
                                                : "-check-numerics takes the samples of the file";
  if (!o->ensemble) IDLE(o, "it is for -ensemble", "ensemble-of", "ensemble-weights");
  if (o->ensemble)
    IDLE(o, "-ensemble reads several files", "verify-diagnostics", "split-input-file");
  if (o->verify_diagnostics) IDLE(o, "-verify-diagnostics writes no result", "o");
  if (o->print_pipeline)
    IDLE(o, "-print-pipeline runs nothing and writes no file", "o", "verify-diagnostics",
         "split-input-file");
  if (!o->pipeline.n) {
    passes_no_effect(&o->t, "no pass runs");
    IDLE(o, "no pass runs", "reproducer", "target", "march");
  } else if (!o->mgr.check_numerics || *o->mgr.check_numerics)
    IDLE(o, numerics, "seed");
}

void warn_listing(opt *o) {
  IDLE(o, "-list-passes prints the list and ends", "o", "pass", "pass-pipeline", "print-pipeline");
  if (o->t.args.n)
    mc_warning(&o->t.diag, mc_noloc, "'%s' is not read: -list-passes prints the list and ends",
               o->t.args.v[0]);
}
