/* Targets and instruction sets: data (isa.def, targets.def), and one question to the machine: what
 * the host has. */
#ifndef MC_TARGET_TARGET_H
#define MC_TARGET_TARGET_H
#include "mc/support/diag.h"
#include <stdint.h>

typedef enum mc_arch { MC_ARCH_x86_64, MC_ARCH_aarch64 } mc_arch;

/* One bit per feature row of isa.def: MC_ISA_avx2, MC_ISA_avx512vnni, MC_ISA_dotprod ... */
typedef enum mc_isa_index {

#define MC_ISA(id, arch, llvm, doc) MC_ISA_INDEX_##id,
#include "mc/target/isa.def"
  MC_NUM_ISA
} mc_isa_index;
#define MC_ISA_BIT(id) (1ull << MC_ISA_INDEX_##id)

typedef enum mc_rate {

#define MC_RATE(id, use, arith, isa, depth, ops, row, wide, doc) MC_RATE_##id,
#include "mc/target/rates.def"
  MC_NUM_RATES
} mc_rate;

typedef enum mc_arith { MC_ARITH_f32, MC_ARITH_bf16, MC_ARITH_int8 } mc_arith;

/* Bytes of an element. */
static inline int mc_arith_bytes(mc_arith how) {
  return how == MC_ARITH_f32 ? 4 : how == MC_ARITH_bf16 ? 2 : 1;
}

/* What a core can do, for the cost model: columns of machines.def, per cycle. */
typedef struct mc_machine {
  const char *name, *doc;
  double ghz;
  double issue, loads, stores, alu, latency, window;
  double l1, l2, l3, dram;   /* bytes a cycle */
  double rate[MC_NUM_RATES]; /* products a cycle; 0: no such instruction */
} mc_machine;

/* Blocks of zero weights are left out where the cost model expects that to be faster, nowhere, or
 * wherever there are some (to measure it). */
typedef enum mc_sparse_how { MC_SPARSE_AUTO, MC_SPARSE_OFF, MC_SPARSE_ALWAYS } mc_sparse_how;

extern const char *const mc_sparse_names[]; /* "auto", "off", "always", NULL */

/* A machine level: what -march names. */
typedef struct mc_target {
  const char *name; /* "x86-64", "x86-64-v3", "avx512vnni", "neoverse-n1", ... */
  mc_arch arch;
  const char *triple;
  const char *cpu;           /* LLVM's target-cpu */
  const char *features;      /* LLVM's target-features */
  uint64_t isa;              /* MC_ISA_BIT set */
  int vector_bytes;          /* widest vector: 16, 32, 64 */
  int align_channels;        /* channel counts that the vectors like */
  long l1, l2, l3;           /* bytes, typical */
  const mc_machine *machine; /* figures of the row; native: of the row that it took */
  const char *engine;   /* products go to this engine (engines.def) wherever it can compute them;
                           NULL: to the one that the cost model likes */
  mc_sparse_how sparse; /* what becomes of blocks of zero weights (mcc -sparse) */
  bool small_weights;   /* weights take the smallest form of stored.def (mcc -compress-weights) */
  const struct mc_target
      *next; /* -march=dispatch: the next higher level of the object; else NULL */
} mc_target;

/* arch: "x86_64", "aarch64" or an ELF, little-endian triple; NULL: that of the level, or the
 * host's; march (in any case): "native", a level, a CPU name of targets.def or cpus.def, NULL: the
 * default level of the arch, "dispatch": several levels of the arch, "dispatch=LEVEL,LEVEL...":
 * these, lowest first; the result is the lowest of a list by `next`. NULL after reporting what
 * exists. */
const mc_target *mc_target_find(const char *arch, const char *march, mc_arena *a, mc_diag *d);
/* The same; `how` is the arithmetic that the code will use, which the levels of "dispatch" depend
 * on (int8: AVX-VNNI besides; bf16: AVX512-BF16). */
const mc_target *mc_target_find_for(const char *arch, const char *march, mc_arith how, mc_arena *a,
                                    mc_diag *d);
/* What -march is for an object when it is not given: "dispatch" for the architecture that this runs
 * on (under Linux, which the choice asks about tiles), NULL (the lowest level) for others and for
 * names that mc_target_find refuses. */
const char *mc_target_default_march(const char *arch);
/* The level of targets.def that a processor of cpus.def has; NULL: no such name. */
const char *mc_cpu_level(const char *name);
/* Of the engines of t for this arithmetic the one with the most products a cycle (the first of
 * equals), or MC_NUM_RATES; and what it makes, 0 for none. */
mc_rate mc_target_best(const mc_target *t, mc_arith how);
double mc_target_best_rate(const mc_target *t, mc_arith how);
/* The same list of levels with `sparse` as given. In the arena. */
const mc_target *mc_target_sparse(const mc_target *t, mc_sparse_how how, mc_arena *a);
/* The same list of levels with small_weights set. In the arena. */
const mc_target *mc_target_small_weights(const mc_target *t, mc_arena *a);
/* The last of the list that starts with t: the highest level. */
const mc_target *mc_target_highest(const mc_target *t);
/* "avx512vnni"; of a list "dispatch=x86-64-v3,avx512vnni". In the arena. */
const char *mc_target_text(const mc_target *t, mc_arena *a);
/* True when code for t must ask the operating system for registers before its first use (AMX
 * tiles). */
bool mc_target_asks(const mc_target *t);
/* The rows of targets.def, for lists; their `features` hold only what the row adds to the features
 * of its isa set. */
int mc_target_count(void);
const mc_target *mc_target_at(int i);
const char *mc_target_doc(int i);
/* The rate of this name (engines have it too), or MC_NUM_RATES. */
mc_rate mc_rate_find(const char *name);
const char *mc_rate_name(mc_rate r);
mc_arith mc_rate_arith(mc_rate r);
/* False: depthwise convolutions, no engine. */
bool mc_rate_products(mc_rate r);
int mc_rate_depth(mc_rate r);
int mc_rate_ops(mc_rate r);
double mc_rate_row(mc_rate r);
int mc_rate_wide(mc_rate r);
/* Products a cycle; 0 where the target lacks the instruction. */
double mc_target_rate(const mc_target *t, mc_rate r);
/* "x86_64", "aarch64" */
const char *mc_arch_name(mc_arch a);
/* The id of row i of isa.def, i < MC_NUM_ISA: "avx2", "dotprod" ... */
const char *mc_isa_name(int i);

/* What a running program can read of its machine: registers of CPUID leaves (0 where the leaf does
 * not exist), XCR0; words of the ELF auxiliary vector. */
typedef enum mc_probe_word {
  MC_WORD_x86_leaf1_ecx,
  MC_WORD_x86_leaf7_ebx,
  MC_WORD_x86_leaf7_ecx,
  MC_WORD_x86_leaf7_edx,
  MC_WORD_x86_leaf7_1_eax,
  MC_WORD_x86_ext1_ecx,
  MC_WORD_x86_xcr0,
  MC_WORD_arm_hwcap,
  MC_WORD_arm_hwcap2,
  MC_NUM_WORDS
} mc_probe_word;

/* The bits of word w that a machine with all of isa has set (probe.def). */
uint32_t mc_isa_probe(uint64_t isa, mc_probe_word w);
/* The architecture of the machine that this runs on, and MC_ISA_BITs of what its processor and
 * operating system allow (AMX: before asking for permission). */
mc_arch mc_host_arch(void);
uint64_t mc_host_isa(void);
/* Ask the operating system for what this process needs to run code with these bits: AMX's tile data
 * (Linux, arch_prctl; once granted, for the rest of the process). False: refused. */
bool mc_host_permit(uint64_t isa);
#endif
