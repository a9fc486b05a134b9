/* From LLVM's text of an instruction to what the core model needs: registers, the memory operand,
 * ports. Ports and latencies as in Intel's optimization manual and LLVM's model of Ice Lake, whose
 * vector ports are the same: with 512-bit registers in use, vector instructions go to port 0 or 5,
 * shuffles to 5 alone, shifts and divisions to 0. */
#include "core.h"
#include <stdlib.h>
#include <string.h>

enum { R_VECTOR = 32, R_MASK = 64, R_TILE = 80, R_FLAGS = 96 };

typedef struct rule {
  const char *prefix;
  core_unit unit;
  int uops, latency;
} rule;

/* The first prefix that fits. */
static const rule vector_rules[] = {
  { "vpmovm2", UNIT_any_vector, 1, 3 },
  { "vpmovzx", UNIT_p5, 1, 3 },
  { "vpmovsx", UNIT_p5, 1, 3 },
  { "vpmovb2", UNIT_p0, 1, 3 },
  { "vpmovd2", UNIT_p0, 1, 3 },
  { "vpmov", UNIT_p5, 2, 4 },
  { "vpermi2b", UNIT_p5, 3, 8 },
  { "vpermt2b", UNIT_p5, 3, 8 },
  { "vpermi2w", UNIT_p5, 3, 7 },
  { "vpermt2w", UNIT_p5, 3, 7 },
  { "vpermw", UNIT_p5, 1, 3 },
  { "vpack", UNIT_p5, 1, 1 },
  { "vpunpck", UNIT_p5, 1, 1 },
  { "vunpck", UNIT_p5, 1, 1 },
  { "vpshuf", UNIT_p5, 1, 1 },
  { "vpalignr", UNIT_p5, 1, 1 },
  { "vpslldq", UNIT_p5, 1, 1 },
  { "vpsrldq", UNIT_p5, 1, 1 },
  { "vperm", UNIT_p5, 1, 3 },
  { "vshuf", UNIT_p5, 1, 3 },
  { "valign", UNIT_p5, 1, 3 },
  { "vinsert", UNIT_p5, 1, 3 },
  { "vpinsr", UNIT_p5, 2, 3 },
  { "vextract", UNIT_p5, 1, 3 },
  { "vpextr", UNIT_p5, 2, 3 },
  { "vpbroadcast", UNIT_p5, 1, 3 },
  { "vbroadcast", UNIT_p5, 1, 3 },
  { "vcompress", UNIT_p5, 2, 3 },
  { "vpcompress", UNIT_p5, 2, 3 },
  { "vexpand", UNIT_p5, 2, 3 },
  { "vpexpand", UNIT_p5, 2, 3 },
  { "vpsll", UNIT_p0, 1, 1 },
  { "vpsrl", UNIT_p0, 1, 1 },
  { "vpsra", UNIT_p0, 1, 1 },
  { "vprol", UNIT_p0, 1, 1 },
  { "vdiv", UNIT_p0, 10, 17 },
  { "vsqrt", UNIT_p0, 18, 19 },
  { "vrcp14", UNIT_p0, 3, 7 },
  { "vrsqrt14", UNIT_p0, 3, 7 },
  { "vpmulld", UNIT_any_vector, 2, 10 },
  { "vpmul", UNIT_any_vector, 1, 5 },
  { "vpmadd", UNIT_any_vector, 1, 5 },
  { "vpdp", UNIT_any_vector, 1, 5 },
  { "vdpbf16", UNIT_any_vector, 4, 10 },
  { "vrndscale", UNIT_any_vector, 2, 8 },
  { "vfm", UNIT_any_vector, 1, 4 },
  { "vfnm", UNIT_any_vector, 1, 4 },
  { "vadd", UNIT_any_vector, 1, 4 },
  { "vsub", UNIT_any_vector, 1, 4 },
  { "vmul", UNIT_any_vector, 1, 4 },
  { "vcvt", UNIT_any_vector, 1, 4 },
  { "vmax", UNIT_any_vector, 1, 4 },
  { "vmin", UNIT_any_vector, 1, 4 },
  { "vcmp", UNIT_p5, 1, 3 },
  { "vpcmp", UNIT_p5, 1, 3 },
  { "vptest", UNIT_p5, 1, 3 },
  { "vscalef", UNIT_any_vector, 1, 4 },
  { "vgetexp", UNIT_any_vector, 1, 4 },
  { "vgetmant", UNIT_any_vector, 1, 4 },
  { "vgather", UNIT_any_vector, 5, 20 },
  { "vpgather", UNIT_any_vector, 5, 20 },
  { "vzero", UNIT_none, 0, 0 },
};

static bool starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

/* ---- registers ---- */
static int general_number(const char *s) {
  static const char *const low[] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" };
  if (*s == 'r' && s[1] >= '0' && s[1] <= '9') return atoi(s + 1);
  if (*s == 'r' || *s == 'e') s++;
  for (int i = 0; i < 8; i++)
    if (starts(s, low[i]) || (s[1] == 'l' && low[i][0] == s[0] && low[i][1] == 'x')) return i;
  return -1;
}

static int register_number(const char *s) { /* after '%' */
  if (starts(s, "zmm") || starts(s, "ymm") || starts(s, "xmm")) return R_VECTOR + atoi(s + 3);
  if (starts(s, "tmm")) return R_TILE + atoi(s + 3);
  if (*s == 'k') return R_MASK + atoi(s + 1);
  return general_number(s);
}

static void add_source(core_insn *i, int r) {
  if (r >= 0 && i->nsource < CORE_SOURCES) i->source[i->nsource++] = (short)r;
}

static void add_result(core_insn *i, int r) {
  if (r >= 0 && i->nresult < CORE_RESULTS) i->result[i->nresult++] = (short)r;
}

/* ---- operands ---- */
enum { MOST_OPERANDS = 5 };

static int split(char *text, char *part[MOST_OPERANDS]) {
  int n = 0, depth = 0;
  while (*text == ' ' || *text == '\t') text++;
  if (!*text) return 0;
  part[n++] = text;
  for (; *text; text++) {
    depth += *text == '(' || *text == '{';
    depth -= *text == ')' || *text == '}';
    if (*text != ',' || depth || n == MOST_OPERANDS) continue;
    *text = 0;
    part[n++] = text + 1;
    while (*part[n - 1] == ' ') part[n - 1]++;
  }
  return n;
}

/* disp(base,index,scale) */
static void memory_operand(core_insn *i, const char *s, const unsigned char *at, int length) {
  char *rest;
  i->memory = true;
  i->disp = strtoll(s, &rest, 0);
  if (*rest != '(') return;
  rest++;
  if (starts(rest, "%rip")) {
    i->disp += (int64_t)(uintptr_t)at + length;
    return;
  }
  if (*rest == '%') i->base = general_number(rest + 1);
  rest = strchr(rest, ',');
  if (!rest) return;
  i->index = general_number(rest + 2);
  rest = strchr(rest + 1, ',');
  if (rest) i->scale = atoi(rest + 1);
}

static int width_of(const char *op, const char *operand) {
  if (strstr(operand, "{1to") || starts(op, "vpbroadcastd") || starts(op, "vbroadcastss")) return 4;
  if (starts(op, "vpbroadcastb")) return 1;
  if (starts(op, "vmovd") && op[5] != 'q') return 4;
  return 0;
}

/* ---- instructions ---- */
static void tile_insn(core_insn *i, const char *op, char **part, int n) {
  static const struct {
    const char *op;
    core_unit unit;
  } tiles[] = { { "tileload", UNIT_tile_load },
                { "tilestored", UNIT_tile_store },
                { "tdp", UNIT_tile_product },
                { "ldtilecfg", UNIT_tile_config },
                { "tilerelease", UNIT_tile_release } };

  i->unit = UNIT_none;
  for (size_t k = 0; k < sizeof tiles / sizeof tiles[0]; k++)
    if (starts(op, tiles[k].op)) i->unit = tiles[k].unit;
  for (int k = 0; k < n && k < 3; k++) i->tile[k] = *part[k] == '%' ? atoi(part[k] + 4) : -1;
  for (int k = 0; k < n; k++) {
    if (*part[k] != '%') continue;
    int r = register_number(part[k] + 1);
    bool last = k == n - 1;
    if (!last || i->unit == UNIT_tile_product) add_source(i, r);
    if (last && i->unit != UNIT_tile_store) add_result(i, r);
  }
  i->load = i->unit == UNIT_tile_load || i->unit == UNIT_tile_config;
  i->store = i->unit == UNIT_tile_store;
}

static bool adds_to_result(const char *op) {
  return starts(op, "vfm") || starts(op, "vfnm") || starts(op, "vpdp") || starts(op, "vdpbf") ||
         starts(op, "vpermi2") || starts(op, "vpermt2") || starts(op, "vpternlog");
}

static void vector_unit(core_insn *i, const char *op, char **part, int n) {
  bool moves = starts(op, "vmov"),
       from_general = n == 2 && *part[0] == '%' && register_number(part[0] + 1) < R_VECTOR;
  if (moves && !from_general) {
    if (n == 2 && *part[1] == '%' && *part[0] == '%' && register_number(part[1] + 1) < R_VECTOR)
      i->unit = UNIT_p0, i->uops = 1, i->latency = 3;
    else if (strchr(part[n - 1], '{') && *part[n - 1] == '%')
      i->unit = UNIT_any_vector, i->uops = i->latency = 1; /* merges */
    else if (starts(op, "vmovsh") || starts(op, "vmovsl") || starts(op, "vmovdd"))
      i->unit = i->load ? UNIT_none : UNIT_p5, i->uops = i->latency = 1;
    return;
  }
  if (i->load && (starts(op, "vpbroadcast") || starts(op, "vbroadcast")) &&
      op[strlen(op) - 1] != 'b' && op[strlen(op) - 1] != 'w')
    return; /* the load port repeats */
  i->unit = UNIT_any_vector;
  i->uops = i->latency = 1;
  for (size_t k = 0; k < sizeof vector_rules / sizeof vector_rules[0]; k++)
    if (starts(op, vector_rules[k].prefix)) {
      i->unit = vector_rules[k].unit;
      i->uops = vector_rules[k].uops;
      i->latency = vector_rules[k].latency;
      break;
    }
  bool nothing =
      (starts(op, "vpxor") || starts(op, "vxor")) && n == 3 && strcmp(part[0], part[1]) == 0;
  if (nothing) i->unit = UNIT_none, i->uops = 0, i->latency = 0, i->nsource = 0;
}

static void vector_insn(core_insn *i, const char *op, char **part, int n) {
  int widest = 0;
  for (int k = 0; k < n; k++) {
    bool last = k == n - 1;
    char *mask = strstr(part[k], "{%k");
    if (mask) add_source(i, R_MASK + atoi(mask + 3));
    if (*part[k] == '%') {
      int r = register_number(part[k] + 1), bytes = part[k][1] == 'z'   ? 64
                                                    : part[k][1] == 'y' ? 32
                                                    : part[k][1] == 'x' ? 16
                                                    : part[k][1] == 'r' ? 8
                                                                        : 4;
      if (bytes > widest) widest = bytes;
      if (!last || adds_to_result(op) || (mask && !strstr(part[k], "{z}"))) add_source(i, r);
      if (last) add_result(i, r);
    } else if (i->memory) {
      i->load |= !last;
      i->store |= last;
      i->bytes = width_of(op, part[k]);
    }
  }
  if (starts(op, "vpmovzxbd") || starts(op, "vpmovsxbd"))
    widest /= 4;
  else if (starts(op, "vpmovzx") || starts(op, "vpmovsx"))
    widest /= 2;
  else if (i->store && starts(op, "vpmov"))
    widest /= 4;
  if (i->memory && !i->bytes) i->bytes = widest ? widest : 64;
  vector_unit(i, op, part, n);
}

static void scalar_insn(core_insn *i, const char *op, char **part, int n) {
  bool moves = starts(op, "mov") || starts(op, "set"),
       asks = starts(op, "cmp") || starts(op, "test") || starts(op, "bt"), lea = starts(op, "lea"),
       jump = *op == 'j' || starts(op, "call") || starts(op, "ret");
  i->unit = jump ? UNIT_branch : UNIT_scalar;
  i->uops = i->latency = 1;
  i->bytes = 8;
  if (starts(op, "imul") || starts(op, "mul")) i->latency = 3;
  if (starts(op, "div") || starts(op, "idiv")) i->uops = 4, i->latency = 14;
  if (starts(op, "cmov") || starts(op, "set") || *op == 'j' || starts(op, "adc") ||
      starts(op, "sbb"))
    add_source(i, R_FLAGS);
  for (int k = 0; k < n; k++) {
    bool last = k == n - 1;
    if (*part[k] == '%') {
      int r = register_number(part[k] + 1);
      if (!last || !(moves || lea)) add_source(i, r);
      if (last && !asks && !jump) add_result(i, r);
    } else if (i->memory && *part[k] != '$') {
      i->load |= !lea && (!last || !moves);
      i->store |= !lea && last && !asks && !jump;
    }
  }
  if (*op == 'k') i->unit = UNIT_p0;
  if (moves && n == 2 && *part[0] == '%' && *part[1] == '%') i->unit = UNIT_none, i->latency = 0;
  if (starts(op, "push"))
    i->store = true, i->load = false, i->memory = true, i->base = 4, i->disp = -8;
  if (starts(op, "pop")) i->load = true, i->store = false, i->memory = true, i->base = 4;
  if (starts(op, "nop")) i->unit = UNIT_none, i->load = i->store = i->memory = false;
  if (!moves && !lea && !jump) add_result(i, R_FLAGS);
  if ((i->load || moves) && starts(op, "mov") && i->memory)
    i->unit = UNIT_none, i->latency = 0; /* the load or store alone */
}

void core_decode(core_insn *out, const char *text, const unsigned char *at, int length) {
  char op[32] = "", rest[200] = "", *part[MOST_OPERANDS];
  *out =
      (core_insn){ .base = -1, .index = -1, .scale = 1, .length = length, .tile = { -1, -1, -1 } };
  while (*text == ' ' || *text == '\t') text++;
  size_t n = strcspn(text, " \t");
  memcpy(op, text, n < sizeof op ? n : sizeof op - 1);
  strncpy(rest, text + n, sizeof rest - 1);
  int parts = split(rest, part);
  for (int k = 0; k < parts; k++)
    if (*part[k] != '%' && *part[k] != '$' && *op != 'j' && !starts(op, "call"))
      memory_operand(out, part[k], at, length);
  out->prefetch = starts(op, "prefetch");
  out->string = starts(op, "rep") || starts(op, "movs") || starts(op, "stos");
  if (out->string || out->prefetch)
    out->unit = UNIT_none, out->bytes = 1;
  else if (starts(op, "tile") || starts(op, "tdp") || starts(op, "ldtile"))
    tile_insn(out, op, part, parts);
  else if (*op == 'v')
    vector_insn(out, op, part, parts);
  else
    scalar_insn(out, op, part, parts);
}
