/* Samples of a file, streamed through a graph: what it computes is shown value by value. */
#ifndef MC_MEASURE_SAMPLES_H
#define MC_MEASURE_SAMPLES_H
#include "mc/pass/pass.h"

/* Streams samples through the graph, as compiled code when the context has a runner, and shows the
 * f32 values that are watched. */
typedef struct mc_samples mc_samples;
typedef void mc_see(void *ctx, int k, const float *x, int64_t n); /* value watch[k] of one run */
/* `path` NULL or "": the file's calibration line. watch: f32 graph inputs or results of nodes. NULL
 * after reporting. */
mc_samples *mc_samples_open(mc_pass_context *cx, const char *path, mc_value **watch, int n,
                            bool reference);
void mc_samples_close(mc_samples *s);
/* The path, or that of the file's calibration line where it is NULL or "". NULL: there is none. */
const char *mc_samples_path(mc_pass_context *cx, const char *path);
/* Run at most `limit` samples (0: all) and show every watched value of each. */
bool mc_samples_sweep(mc_samples *s, int64_t limit, const char *what, mc_see *see, void *ctx);
#endif
