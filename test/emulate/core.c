/* Time of an instruction stream: when each instruction may start (its operands, the window, a
 * port), and when its result is there. In cycles of the clock that a core keeps while it multiplies
 * tiles. */
#include "core.h"
#include <stdlib.h>
#include <string.h>

/* Figures: product, load, store, ldtilecfg and the rates of L2, L3, memory were measured
 * (docs/internals/tiles.md); the rest is what Intel's manuals say. */
enum { WINDOW = 512, WIDTH = 6, RING = 1 << 13, WRITTEN = 1 << 10 };

static const double ghz = 2.15;
static const double line_cycles[] = { 0.42, 0.94, 6.2, 11.0 },
                    latency[] = { 6, 16, 75,
                                  240 }; /* a line from each level, and how long it takes to come */
static const double forward =
    5; /* from a store to a load of the same bytes; a tile's rows must have reached the cache */
static const double commit = 120, settle = -6;
static const double store_line = 0.83, config_cycles = 155, release_cycles = 14,
                    ahead = 40; /* ahead: lines that hardware prefetch runs ahead by */

/* Slots of a group of ports, cycle by cycle. */
typedef struct port {
  unsigned char used[RING];
  int64_t low;
  int wide;
} port;

struct core {
  core_cache *cache;
  uint8_t tile_rows[8], tile_bytes[8]; /* as configured */
  double ready[CORE_REGS], retired[WINDOW], last_retired, next_issue, tmul, tile_free[8],
      store_port, bus[LEVEL_NUM], since;
  uint64_t slots; /* of the window, taken so far */

  struct {
    uint64_t line;
    double at;
  } written[WRITTEN]; /* when a line's last store can be read */

  port vector, p0, p5, load, l2, scalar;
  core_totals t;
};

core *core_create(void) {
  core *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->cache = core_cache_create(48 << 10, 2 << 20, 30 << 20);
  c->vector.wide = 2;
  c->p0.wide = c->p5.wide = c->l2.wide = 1;
  c->load.wide = 2;
  c->scalar.wide = 3;
  return c;
}

void core_destroy(core *c) {
  if (c) core_cache_destroy(c->cache);
  free(c);
}

static double most(double a, double b) { return a > b ? a : b; }

/* Cycles before `low` are past: their slots are free for the cycles RING later. */
static void forget(port *p, int64_t low) {
  if (low - p->low >= RING) memset(p->used, 0, sizeof p->used), p->low = low;
  for (; p->low < low; p->low++) p->used[p->low % RING] = 0;
}

static bool is_free(const port *p, int64_t at) { return p->used[at % RING] < p->wide; }

static double take(core *c, port *p, double from) {
  int64_t at = (int64_t)(from + 0.999), low = (int64_t)c->next_issue;
  forget(p, low);
  if (at < low) at = low;
  while (at < low + RING - 1 && !is_free(p, at)) at++;
  p->used[at % RING]++;
  return (double)at;
}

/* A vector instruction needs one of both ports, or the one that it can use; p0 and p5 also count
 * for both. */
static double take_vector(core *c, core_unit u, double from) {
  port *own = u == UNIT_p5 ? &c->p5 : u == UNIT_p0 ? &c->p0 : NULL;
  int64_t at = (int64_t)(from + 0.999), low = (int64_t)c->next_issue;
  forget(&c->vector, low);
  if (own) forget(own, low);
  if (at < low) at = low;
  while (at < low + RING - 1 && (!is_free(&c->vector, at) || (own && !is_free(own, at)))) at++;
  c->vector.used[at % RING]++;
  if (own) own->used[at % RING]++;
  return (double)at;
}

/* A place in the window, in order. */
static double issue(core *c, int uops) {
  double at = c->next_issue;
  for (int u = 0; u < uops; u++) at = most(at, c->retired[c->slots++ % WINDOW]);
  c->next_issue = most(c->next_issue, at) + (double)uops / (int)WIDTH;
  return c->next_issue;
}

static void retire(core *c, int uops, double done) {
  c->last_retired = most(c->last_retired, done);
  for (int u = 0; u < uops; u++)
    c->retired[(c->slots - 1 - (uint64_t)u) % WINDOW] = c->last_retired;
}

/* When a line that is asked for at `at` is there; streams are fetched ahead, so a bus may have been
 * at work before. */
static double line(core *c, double at, core_level from) {
  if (from == LEVEL_L1) return at + latency[LEVEL_L1];
  double begin = most(c->bus[from], at - ahead * line_cycles[from]);
  c->bus[from] = begin + line_cycles[from];
  if (from > LEVEL_L2) c->t.l3_ns += line_cycles[from] / ghz;
  return most(at + latency[from == LEVEL_L2 ? LEVEL_L2 : LEVEL_L1], c->bus[from]) +
         (from > LEVEL_L2 ? latency[LEVEL_L2] - latency[LEVEL_L1] : 0);
}

/* ---- memory ---- */
static void wrote(core *c, uint64_t line, double at) {
  c->written[line % WRITTEN].line = line;
  c->written[line % WRITTEN].at = at;
}

static double readable(const core *c, uint64_t line) {
  return c->written[line % WRITTEN].line == line ? c->written[line % WRITTEN].at : 0;
}

static uint64_t address_of(const core_insn *i, const emulate_point *p, bool with_index) {
  int64_t a = i->disp + (i->base >= 0 ? p->general[i->base] : 0);
  if (with_index && i->index >= 0) a += p->general[i->index] * i->scale;
  return (uint64_t)a;
}

static double address_ready(const core *c, const core_insn *i) {
  return most(i->base >= 0 ? c->ready[i->base] : 0, i->index >= 0 ? c->ready[i->index] : 0);
}

static double load(core *c, const core_insn *i, const emulate_point *p, double at) {
  uint64_t a = address_of(i, p, true), end = a + (uint64_t)(i->bytes ? i->bytes : 8) - 1;
  double done = 0;
  for (uint64_t l = a / 64; l <= end / 64; l++) {
    core_level from = core_cache_touch(c->cache, l * 64);
    c->t.lines[from]++;
    done = most(done, most(readable(c, l), line(c, take(c, &c->load, at), from)));
  }
  c->t.loads++;
  c->t.load_ns += 0.5 / ghz;
  return done;
}

/* Lines that are not near are read first, and written back some time. */
static double store(core *c, const core_insn *i, const emulate_point *p, double at) {
  uint64_t a = address_of(i, p, true), end = a + (uint64_t)(i->bytes ? i->bytes : 8) - 1;
  for (uint64_t l = a / 64; l <= end / 64; l++) {
    core_level from = core_cache_touch(c->cache, l * 64);
    c->t.lines[from]++;
    if (from > LEVEL_L1) line(c, at, from);
    if (from > LEVEL_L2) line(c, at, from);
    c->store_port = most(c->store_port, at) + (i->bytes >= 64 ? 1 : 0.5);
    wrote(c, l, at + forward);
  }
  c->t.stores++;
  return c->store_port;
}

/* ---- tiles ---- */
static double tile_load(core *c, const core_insn *i, const emulate_point *p, double at) {
  int t = i->tile[1] >= 0 ? i->tile[1] : 0, rows = c->tile_rows[t];
  int64_t stride = i->index >= 0 ? p->general[i->index] * i->scale : 0;
  uint64_t a = address_of(i, p, false);
  core_level worst = LEVEL_L1;
  double begin = most(at, c->tile_free[t]), done = begin;
  for (int r = 0; r < rows; r++) {
    uint64_t first = a + (uint64_t)(r * stride), last = first + c->tile_bytes[t] - 1;
    for (uint64_t l = first / 64; l <= last / 64; l++) {
      core_level from = core_cache_touch(c->cache, l * 64);
      double slot = most(take(c, &c->load, begin), readable(c, l));
      for (int n = 0; from > LEVEL_L1 && n < (stride == 64 ? 1 : 2); n++)
        slot = take(c, &c->l2, slot);
      if (from > worst) worst = from;
      done = most(done, line(c, slot, from));
      c->t.load_ns += line_cycles[from > LEVEL_L2 ? LEVEL_L2 : from] / ghz;
    }
  }
  c->t.tile_loads[worst]++;
  return done + settle;
}

static double tile_store(core *c, const core_insn *i, const emulate_point *p, double at) {
  int t = i->tile[0] >= 0 ? i->tile[0] : 0, rows = c->tile_rows[t];
  int64_t stride = i->index >= 0 ? p->general[i->index] * i->scale : 0;
  uint64_t a = address_of(i, p, false);
  double begin = most(c->store_port, most(at, c->last_retired));
  for (int r = 0; r < rows; r++) {
    core_cache_touch(c->cache, a + (uint64_t)(r * stride));
    wrote(c, (a + (uint64_t)(r * stride)) / 64, begin + (r + 1) * store_line + commit);
  }
  c->t.tile_stores++;
  c->tmul = most(c->tmul, begin) + rows * store_line;
  c->tile_free[t] = begin + rows * store_line;
  return c->store_port = begin + rows * store_line;
}

static double product(core *c, const core_insn *i, double at) {
  int rows = c->tile_rows[i->tile[2] >= 0 ? i->tile[2] : 0], busy = rows < 8 ? 8 : rows;
  double begin = most(at, c->tmul);
  c->tmul = begin + busy;
  for (int k = 0; k < 2; k++)
    if (i->tile[k] >= 0) c->tile_free[i->tile[k]] = most(c->tile_free[i->tile[k]], begin + busy);
  c->t.products++;
  c->t.rows += (uint64_t)busy;
  c->t.tmul_ns += busy / ghz;
  return begin + 36 + rows;
}

static void configure(core *c, const core_insn *i, const emulate_point *p) {
  const unsigned char *shapes = (const unsigned char *)(uintptr_t)address_of(i, p, true);
  for (int t = 0; t < 8; t++) {
    c->tile_bytes[t] = shapes[16 + 2 * t];
    c->tile_rows[t] = shapes[48 + t];
  }
  c->t.configs++;
}

/* ---- everything ---- */
static int window_slots(const core *c, const core_insn *i) {
  switch (i->unit) {
  case UNIT_tile_load: return 2 + (i->tile[1] >= 0 ? c->tile_rows[i->tile[1]] : 16);
  case UNIT_tile_store: return 2 + 2 * (i->tile[0] >= 0 ? c->tile_rows[i->tile[0]] : 16);
  default: return i->uops > 1 ? i->uops : 1;
  }
}

static double execute(core *c, const core_insn *i, const emulate_point *p, double at) {
  double start = at;
  for (int u = 0; u < i->uops; u++) {
    if (i->unit == UNIT_scalar || i->unit == UNIT_branch)
      start = take(c, &c->scalar, at);
    else if (i->unit >= UNIT_any_vector && i->unit <= UNIT_p0)
      start = take_vector(c, i->unit, at), c->t.vectors++, c->t.p5 += i->unit == UNIT_p5;
  }
  switch (i->unit) {
  case UNIT_tile_load: return tile_load(c, i, p, at);
  case UNIT_tile_store: return tile_store(c, i, p, at);
  case UNIT_tile_product: return product(c, i, at);
  case UNIT_tile_config:
    configure(c, i, p);
    return c->next_issue = most(at, c->last_retired) + config_cycles;
  case UNIT_tile_release: return c->next_issue = most(at, c->last_retired) + release_cycles;
  default:
    if (i->unit == UNIT_none && i->nresult == 1 && i->result[0] >= 80 && i->result[0] < 88)
      start = most(start, c->tile_free[i->result[0] - 80]); /* tilezero */
    return start + i->latency;
  }
}

/* A repetition of movs or stos: microcode moves whole lines. */
static void string_step(core *c, const emulate_point *p) {
  static const core_insn from = { .base = 6,
                                  .index = -1,
                                  .memory = true,
                                  .load = true,
                                  .bytes = 64,
                                  .result = { 32 },
                                  .nresult = 1 },
                         to = { .base = 7,
                                .index = -1,
                                .memory = true,
                                .store = true,
                                .bytes = 64,
                                .source = { 32 },
                                .nsource = 1 };
  if (p->general[7] % 64 != 0) return;
  core_step(c, &from, p);
  core_step(c, &to, p);
}

void core_step(core *c, const core_insn *i, const emulate_point *p) {
  if (i->string) {
    string_step(c, p);
    return;
  }
  int slots = window_slots(c, i);
  double at = issue(c, slots), ready = at;
  if (i->prefetch) load(c, i, p, most(at, address_ready(c, i))); /* nothing waits for it */
  bool tile = i->unit >= UNIT_tile_load && i->unit <= UNIT_tile_store;
  if (i->load && !tile && i->unit != UNIT_tile_config)
    ready = load(c, i, p, most(at, address_ready(c, i)));
  if (tile) ready = most(ready, address_ready(c, i));
  for (int s = 0; s < i->nsource; s++) ready = most(ready, c->ready[i->source[s]]);
  double done = execute(c, i, p, ready);
  if (i->store && !tile) done = store(c, i, p, most(done, address_ready(c, i)));
  for (int r = 0; r < i->nresult; r++) c->ready[i->result[r]] = done;
  retire(c, slots, i->store ? at : done); /* stores leave the window before they are in the cache */
  c->t.instructions++;
}

core_totals core_take(core *c) {
  core_totals t = c->t;
  t.ns = (most(c->last_retired, c->next_issue) - c->since) / ghz;
  t.vector_ns = (double)t.vectors / 2 / ghz;
  c->since = most(c->last_retired, c->next_issue);
  c->t = (core_totals){ 0 };
  return t;
}
