/* Anything that can be run on arrays: a network evaluated by the reference or compiled in memory,
 * or a compiled object. What mc-run, mc-eval and tests share. */
#ifndef MC_DRIVER_NETWORK_H
#define MC_DRIVER_NETWORK_H
#include "mc/codegen/codegen.h"
#include "mc/driver/importing.h"
#include "mc/import/dataset.h"
#include "mc/ref/eval.h"

typedef struct mc_network mc_network;

typedef enum mc_how { MC_HOW_REF, MC_HOW_JIT } mc_how;

/* Open a file: an ELF object made by mcc is loaded; anything else is a network (.mir, "-", .onnx),
 * run by the reference evaluator or compiled for this machine as it stands (no optimization that
 * changes results). threads: what compiled code must be able to use (the reference evaluator uses
 * one). NULL after reporting. */
mc_network *mc_network_open(const char *path, mc_how how, int threads, mc_diag *d);
/* The same; an .onnx file is imported as `args` (NULL: none) say, any other refuses them. */
mc_network *mc_network_open_as(const char *path, mc_how how, int threads,
                               const mc_import_args *args, mc_diag *d);
/* m, which it takes over also where it fails, compiled for this machine as it stands; `name`: for
 * messages. NULL after reporting. */
mc_network *mc_network_of(mc_module *m, const char *name, mc_diag *d);
/* Runs go through the parallel entry from now on, where there is one. */
void mc_network_set_parallel(mc_network *n, mc_parallel_for *pf, void *ctx);
void mc_network_close(mc_network *n);
/* The graph that is evaluated; NULL for compiled code. */
const mc_graph *mc_network_graph(const mc_network *n);
/* Warn where the samples cannot be what the network learned from; of objects, too few is known.
 * False after reporting an error. */
bool mc_network_check_samples(mc_network *n, const char *data, int samples, mc_diag *d);
/* "reference", "jit" or "object". */
const char *mc_network_kind(const mc_network *n);
/* Layers by their arithmetic (macs_int8 only of what is evaluated). */
mc_layers mc_network_layers(const mc_network *n);
int mc_network_nin(const mc_network *n);
int mc_network_nout(const mc_network *n);
const mc_type *mc_network_in_type(const mc_network *n, int i);
const mc_type *mc_network_out_type(const mc_network *n, int i);
const char *mc_network_in_name(const mc_network *n, int i);
/* All inputs with their types, their names here and in the model. */
const mc_dataset_input *mc_network_inputs(const mc_network *n);
const char *mc_network_out_name(const mc_network *n,
                                int i); /* never NULL: "out0" where the graph has none */
/* Of an object for several levels, the one to run. False after reporting: not such an object, no
 * such level, or the machine lacks it. */
bool mc_network_set_level(mc_network *n, const char *level, mc_diag *d);
/* Samples that feed it. NULL after reporting. */
mc_dataset *mc_network_data(const mc_network *n, const char *path, const mc_dataset_opts *o,
                            mc_diag *d);
/* Run once; in[i], out[i]: dense arrays. False after reporting. */
bool mc_network_run(mc_network *n, const void *const *in, void *const *out, mc_diag *d);
/* The same with an observer of inner values; only where mc_network_graph is not NULL. */
bool mc_network_observe(mc_network *n, const void *const *in, void *const *out,
                        const mc_eval_opts *opts, mc_diag *d);
/* Seeded values for input i: f32 in [-1, 1), stored integers over their whole range, indices in [0,
 * 8). */
void mc_network_random(const mc_network *n, int i, uint64_t seed, void *data);
#endif
