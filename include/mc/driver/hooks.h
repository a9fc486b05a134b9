/* The options of the pass manager's hooks, for every tool that runs passes. They are bound to a
 * mc_manager_opts, which should begin with bisect_limit -1:
 *
 *   mc_manager_opts m = { .bisect_limit = -1 };
 *   const mc_option options[] = { ..., MC_HOOK_OPTIONS(m), { 0 } };
 *
 * print_before and print_after are the words as they were given: mc_pipeline_names reads them. */
#ifndef MC_DRIVER_HOOKS_H
#define MC_DRIVER_HOOKS_H
#include "mc/driver/options.h"
#include "mc/pass/pass.h"

/* clang-format off */
#define MC_HOOK_OPTIONS(m) \
  { "print-before", MC_O_JOIN, &(m).print_before, .arg = "PASS", .help = "print the graph before " \
    "this pass, or every pass with 'all' (to standard error); may be repeated" }, \
  { "print-before-all", MC_O_ADD, &(m).print_before, .text = "all", .help = "before every pass" }, \
  { "print-before-change", MC_O_FLAG, &(m).print_before_change, .help = "before passes that " \
    "change something" }, \
  { "print-after", MC_O_JOIN, &(m).print_after, .arg = "PASS", .help = "print the graph after " \
    "this pass, or every pass with 'all'; may be repeated" }, \
  { "print-after-all", MC_O_ADD, &(m).print_after, .text = "all", .help = "after every pass" }, \
  { "print-after-change", MC_O_FLAG, &(m).print_after_change, .help = "after passes that changed " \
    "something" }, \
  { "verify-each", MC_O_FLAG, &(m).verify_each, .help = "check every invariant after each pass" }, \
  { "check-numerics", MC_O_OPTIONAL, &(m).check_numerics, .arg = "FILE.npz", .help = "evaluate " \
    "before and after each pass and hold the difference against its contract; on samples of the " \
    "file, or on random inputs" }, \
  { "seed", MC_O_I64, &(m).seed, .arg = "N", .help = "seed of the random inputs", .lo = 0, \
    .hi = INT64_MAX }, \
  { "bisect-limit", MC_O_I64, &(m).bisect_limit, .arg = "N", \
    .help = "run only the first N passes (of those that may be left out); -1: all", \
    .lo = -1, .hi = INT32_MAX }, \
  { "time-passes", MC_O_FLAG, &(m).time_passes, .help = "print the time that each pass took" }, \
  { "stats", MC_O_FLAG, &(m).stats, .help = "print what the passes counted" }
/* clang-format on */
#endif
