/* machines.def and rates.def as tables. */
#include "machine.h"
#include <string.h>

static const mc_machine machines[] = {
#define MC_MACHINE_AS(name_, other_, doc_)
#define MC_MACHINE(name_, ghz_, issue_, loads_, stores_, alu_, latency_, window_, l1_, l2_, l3_,   \
                   dram_, rates_, doc_)                                                            \
  { .name = name_,                                                                                 \
    .doc = doc_,                                                                                   \
    .ghz = ghz_,                                                                                   \
    .issue = issue_,                                                                               \
    .loads = loads_,                                                                               \
    .stores = stores_,                                                                             \
    .alu = alu_,                                                                                   \
    .latency = latency_,                                                                           \
    .window = window_,                                                                             \
    .l1 = l1_,                                                                                     \
    .l2 = l2_,                                                                                     \
    .l3 = l3_,                                                                                     \
    .dram = dram_,                                                                                 \
    .rate = { rates_ } },
#include "mc/target/machines.def"
};

static const struct {
  const char *name, *other, *doc;
} same[] = {

#define MC_MACHINE(...)
#define MC_MACHINE_AS(name_, other_, doc_) { name_, other_, doc_ },
#include "mc/target/machines.def"
};

static const struct {
  const char *name;
  bool products;
  mc_arith arith;
  uint64_t isa;
  int depth, ops;
  double row;
  int wide;
} rates[] = {

#define PRODUCTS true
#define DEPTHWISE false
#define MC_RATE(id, use, arith, isa, depth, ops, row, wide, doc)                                   \
  { #id, use, MC_ARITH_##arith, isa, depth, ops, row, wide },
#include "mc/target/rates.def"
};

static const mc_machine *own_row(const char *level) {
  for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++)
    if (strcmp(machines[i].name, level) == 0) return &machines[i];
  return NULL;
}

const mc_machine *mc_machine_of(const char *level, mc_arena *a) {
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
    const mc_machine *other = strcmp(same[i].name, level) == 0 ? own_row(same[i].other) : NULL;
    if (!other) continue;
    mc_machine *m = mc_arena_copy(a, other, sizeof *other);
    m->name = same[i].name;
    m->doc = same[i].doc;
    return m;
  }
  return own_row(level);
}

mc_rate mc_rate_find(const char *name) {
  int i = 0;
  while (i < MC_NUM_RATES && strcmp(rates[i].name, name) != 0) i++;
  return (mc_rate)i;
}

const char *mc_rate_name(mc_rate r) { return rates[r].name; }

mc_arith mc_rate_arith(mc_rate r) { return rates[r].arith; }

bool mc_rate_products(mc_rate r) { return rates[r].products; }

int mc_rate_depth(mc_rate r) { return rates[r].depth; }

int mc_rate_ops(mc_rate r) { return rates[r].ops; }

double mc_rate_row(mc_rate r) { return rates[r].row; }

int mc_rate_wide(mc_rate r) { return rates[r].wide; }

double mc_target_rate(const mc_target *t, mc_rate r) {
  bool has = r < MC_NUM_RATES && (t->isa & rates[r].isa) == rates[r].isa;
  return has ? t->machine->rate[r] : 0;
}

mc_rate mc_target_best(const mc_target *t, mc_arith how) {
  mc_rate best = MC_NUM_RATES;
  for (int i = 0; i < MC_NUM_RATES; i++) {
    mc_rate r = (mc_rate)i;
    bool suits = rates[r].products && rates[r].arith == how;
    if (suits && mc_target_rate(t, r) > mc_target_rate(t, best)) best = r;
  }
  return best;
}

double mc_target_best_rate(const mc_target *t, mc_arith how) {
  return mc_target_rate(t, mc_target_best(t, how));
}
