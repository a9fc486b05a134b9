/* From a file to machine code: the whole road as functions that tools share. */
#ifndef MC_DRIVER_COMPILE_H
#define MC_DRIVER_COMPILE_H
#include "mc/codegen/codegen.h"
#include "mc/pass/pass.h"

/* A .mir file ("-": standard input), or a .onnx file through the importer. NULL after reporting. */
mc_module *mc_driver_load(const char *path, mc_diag *d);
/* The same with the importer's options (mc/driver/importing.h; NULL: none), which a file that is
 * no .onnx refuses. */
struct mc_import_args;
mc_module *mc_driver_load_as(const char *path, const struct mc_import_args *args, mc_diag *d);
/* Whether the name says .onnx. */
bool mc_driver_is_onnx(const char *path);

/* Write g for another batch: the first axis of every input (all must have the same), and all that
 * follows from it. False after reporting what does not fit. */
bool mc_driver_set_batch(mc_graph *g, int64_t size, mc_diag *d);

/* W4A8: INT8 whose weights are on grids of 16 steps. W8, W4, FP16: weights alone have fewer bits.
 */
typedef enum mc_quant_how {
  MC_QUANT_NONE,
  MC_QUANT_INT8,
  MC_QUANT_BF16,
  MC_QUANT_W4A8,
  MC_QUANT_W8,
  MC_QUANT_W4,
  MC_QUANT_FP16
} mc_quant_how;

/* Activations and weights are integers. */
static inline bool mc_quant_ints(mc_quant_how q) {
  return q == MC_QUANT_INT8 || q == MC_QUANT_W4A8;
}

/* Weights have fewer bits in the object, and products stay in f32. */
static inline bool mc_quant_only_weights(mc_quant_how q) {
  return q == MC_QUANT_W8 || q == MC_QUANT_W4 || q == MC_QUANT_FP16;
}

/* Its weights are rounded better with samples. */
static inline bool mc_quant_rounds(mc_quant_how q) {
  return q == MC_QUANT_W4A8 || q == MC_QUANT_W8 || q == MC_QUANT_W4;
}

/* The arithmetic that it asks for. */
static inline mc_arith mc_quant_arith(mc_quant_how q) {
  return mc_quant_ints(q) ? MC_ARITH_int8 : q == MC_QUANT_BF16 ? MC_ARITH_bf16 : MC_ARITH_f32;
}

extern const char *const mc_quant_names[]; /* by mc_quant_how, then NULL */

typedef enum mc_chain_how { MC_CHAIN_AUTO, MC_CHAIN_OFF, MC_CHAIN_MEMORY } mc_chain_how;

extern const char *const mc_chain_names[]; /* "auto", "off", "memory", NULL */

typedef enum mc_equalize_how { MC_EQUALIZE_AUTO, MC_EQUALIZE_OFF } mc_equalize_how;

extern const char *const mc_equalize_names[]; /* "auto", "off", NULL */

typedef struct mc_compile_opts {
  int opt_level; /* 0 ... 3 (see mc_compile_set_level) */
  bool small; /* with opt_level 3: -Os, less code where it costs little time; no winograd, and not
                 with tune */
  mc_quant_how quant;
  bool mixed; /* INT8: layers that the cost model finds faster in fp32 on the target stay there */
  int64_t group;           /* W4A8: group= of quantize */
  const char *skip, *only; /* layers to leave in fp32, to convert, as the options of quantize and
                              to-bf16; NULL: none, all */
  const char *calib; /* npz of samples, one array per graph input; NULL: the file's calibration
                        line, then ranges in the text, then batch_norm statistics */
  const char *calib_method; /* method= of calibrate; NULL: its default */
  mc_equalize_how
      equalize;       /* INT8: the pass equalize before calibrate where there are samples, or not */
  double winograd;    /* percent by which weights may grow for the pass winograd; 0: without it */
  mc_chain_how chain; /* groups in strips: where the cost model says so (not with `small`), nowhere,
                         or for the smallest arena; one thread only. docs/internals/chains.md */
  const char *pipeline;    /* NULL: the one that mc_compile_pipeline chooses */
  const mc_target *target; /* must be given; a list of levels gives one object for all of them */
  const char *prefix;      /* of symbols: PREFIX_run; NULL: the graph's name */
  bool debug;              /* -g */
  bool share;              /* groups whose code differs in constants alone share one function */
  int threads; /* shares of a group's work, up to MC_MAX_THREADS; 0 or 1: no parallel entries */
  const char *tune; /* measure blocks of products here and take the best: the cache file, "" for
                       none; NULL: the cost model decides (docs/internals/cost-model.md) */
  void (*tune_progress)(void *ctx, int64_t done, int64_t total);
  void *tune_ctx;
  mc_manager_opts manager; /* hooks of the pass manager (bisect_limit too: start from
                              mc_compile_defaults); target and runner are filled in where NULL */
} mc_compile_opts;

/* -O3, no quantization, shared code, no hooks, no target. */
mc_compile_opts mc_compile_defaults(void);
extern const char *const mc_level_names[]; /* of -O: "0", "1", "2", "3", "s", NULL */
/* opt_level and small from one of mc_level_names. */
void mc_compile_set_level(mc_compile_opts *o, const char *level);

typedef struct mc_compile_report {
  const char *pipeline;
  mc_manager_report passes;
  int layers_int8, layers_bf16,
      layers_f32; /* conv2d, conv_transpose2d, linear, matmul by the type of their operands */
  int64_t macs, macs_int8, weight_bytes, arena_bytes;
  uint64_t model; /* hash of the network as it was read: graph and weights */
  double pass_seconds, plan_seconds, code_seconds;
} mc_compile_report;

/* The pipeline text for a module and options, from lowest to highest floor: fold, quantize, tidy
 * up, storage, form-groups. The source of ranges is chosen here, in the order -calib, calibration
 * line, ranges in the text, batch_norm statistics (with a warning); NULL after reporting that there
 * is none and what to do. In the arena. */
const char *mc_compile_pipeline(const mc_module *m, const mc_compile_opts *o, mc_arena *a,
                                mc_diag *d);
/* Its part before storage, without a ',' at the end: the passes by which mc-opt makes a text
 * of which mcc, without -quant, makes the code that it makes of m with these options. */
const char *mc_compile_front(const mc_module *m, const mc_compile_opts *o, mc_arena *a, mc_diag *d);
/* That part in two, either of which may be "": up to the ranges of values, and from the first pass
 * that o->skip and o->only are for. False after reporting. */
bool mc_compile_halves(const char **first, const char **second, const mc_module *m,
                       const mc_compile_opts *o, mc_arena *a, mc_diag *d);
/* The samples that ranges come from: -calib, or the file's calibration line. NULL: none. */
const char *mc_compile_samples(const mc_module *m, const mc_compile_opts *o, mc_arena *a);
/* Hash of m's first graph and of the tensors that it names: the network, whatever is made of it. */
uint64_t mc_compile_model_hash(const mc_module *m, mc_arena *a);
/* Run the pipeline on m (which it changes) and plan its first graph; for several levels
 * (o->target->next) once for each, `next` being the next higher one's. NULL after reporting. The
 * plans are in the arena and refer to m. */
mc_plan *mc_compile_plan(mc_module *m, const mc_compile_opts *o, mc_compile_report *rep,
                         mc_arena *a, mc_diag *d);
/* The object of a plan of m and the text of its header (appended). Adds to rep->code_seconds. False
 * after reporting; mc_code_free after success. */
bool mc_compile_object(mc_code *object, mc_strbuf *header, const mc_plan *p,
                       const mc_compile_opts *o, mc_compile_report *rep, mc_arena *a, mc_diag *d);
/* Code of another form, appended. */
bool mc_compile_code(mc_strbuf *code, const mc_plan *p, const mc_compile_opts *o, mc_emit what,
                     mc_compile_report *rep, mc_arena *a, mc_diag *d);
/* Compile m (which changes) into memory. The graph's types are those of the result; nothing of m or
 * the arena is needed by the code afterwards. */
mc_jit *mc_compile_jit(mc_module *m, const mc_compile_opts *o, mc_compile_report *rep, mc_arena *a,
                       mc_diag *d);
/* C identifier from a file or graph name: "out/my-net.o" -> "my_net". In the arena. */
const char *mc_compile_symbol(const char *name, mc_arena *a);

/* Runs graphs as compiled code for passes below codegen (calibrate). `native` is the host's level;
 * the runner lives in the arena. */
const mc_runner *mc_compile_runner(const mc_target *native, mc_arena *a);
#endif
