/* The SIGILL handler: decode at the saved instruction pointer, execute on the saved registers, go
 * on with the next instruction while that is one of ours too. */
#include "emulate.h"
#if defined(__x86_64__)
#include <cpuid.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

static _Thread_local emu_tiles tiles;
static atomic_ullong counts[EMULATE_NUM];

static _Thread_local struct {
  emulate_on *on;
  void *ctx;
  bool quick;
} watch;

static unsigned ymm_at, zmm_at; /* places of the upper halves in the saved state; 0: not saved */

uint64_t emulate_count(emulate_kind kind) { return atomic_load(&counts[kind]); }

/* ---- decoding: VEX with three bytes, map 0F38, W0 ---- */
typedef struct insn {
  int pp, vvvv, opcode, mod, reg, rm, length;
  bool wide;
  const unsigned char *address;
  int64_t stride;
} insn;

enum { PP_none, PP_66, PP_f3, PP_f2 };

static int64_t general(const ucontext_t *u, int r) {
  static const int place[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                 REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                 REG_R12, REG_R13, REG_R14, REG_R15 };
  return u->uc_mcontext.gregs[place[r]];
}

static int64_t displacement(const unsigned char *p, int bytes) {
  if (bytes == 1) return (int8_t)*p;
  int32_t d = 0;
  if (bytes == 4) memcpy(&d, p, 4);
  return d;
}

/* The memory operand from the byte after ModRM on; x, b: the prefix's bits. Tiles take base +
 * displacement as the address and the scaled index as the distance of rows. Returns its bytes. */
static int memory_operand(insn *i, const ucontext_t *u, const unsigned char *p, int x, int b) {
  int sib = i->rm == 4, used = sib, base = i->rm | b << 3,
      size = i->mod == 1   ? 1
             : i->mod == 2 ? 4
                           : 0;
  int64_t at = 0;
  i->stride = 0;
  if (sib) {
    int index = (*p >> 3 & 7) | x << 3;
    base = (*p & 7) | b << 3;
    if (index != 4) i->stride = general(u, index) * (1 << (*p >> 6));
  }
  bool none = i->mod == 0 &&
              (base & 7) ==
                  5; /* no base: 4 bytes of address, relative to the next instruction without SIB */
  if (none)
    size = 4;
  else
    at = general(u, base);
  at += displacement(p + used, size);
  used += size;
  if (none && !sib) at += u->uc_mcontext.gregs[REG_RIP] + 5 + used;
  i->address = (const unsigned char *)at;
  return used;
}

static bool decode(insn *i, const ucontext_t *u) {
  const unsigned char *p = (const unsigned char *)u->uc_mcontext.gregs[REG_RIP];
  if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || p[2] & 0x80) return false;
  int r = !(p[1] & 0x80), x = !(p[1] & 0x40), b = !(p[1] & 0x20);
  *i = (insn){ .pp = p[2] & 3,
               .vvvv = ~(p[2] >> 3) & 15,
               .wide = p[2] & 4,
               .opcode = p[3],
               .mod = p[4] >> 6,
               .reg = (p[4] >> 3 & 7) | r << 3,
               .rm = p[4] & 7,
               .length = 5 };
  if (i->mod == 3)
    i->rm |= b << 3;
  else
    i->length += memory_operand(i, u, p + 5, x, b);
  return true;
}

/* ---- vector registers in the saved state ---- */
static void find_vector_state(void) {
  unsigned a, b, c, d;
  if (__get_cpuid_count(0xd, 2, &a, &b, &c, &d) && a) ymm_at = b;
  if (__get_cpuid_count(0xd, 6, &a, &b, &c, &d) && a) zmm_at = b;
}

/* Whether component `bit` of the state was saved; with `use`, a component in its initial form
 * becomes one that is restored. */
static bool component(unsigned char *area, int bit, size_t at, size_t bytes, bool use) {
  uint64_t have;
  memcpy(&have, area + 512, 8);
  if (have >> bit & 1) return true;
  if (!use) return false;
  memset(area + at, 0, bytes);
  have |= 1ull << bit;
  memcpy(area + 512, &have, 8);
  return true;
}

static void read_vector(unsigned char *area, int r, unsigned char v[32]) {
  memset(v, 0, 32);
  if (component(area, 1, 160, 256, false)) memcpy(v, area + 160 + 16 * r, 16);
  if (component(area, 2, ymm_at, 256, false)) memcpy(v + 16, area + ymm_at + 16 * r, 16);
}

/* Bits above the written ones become 0. */
static void write_vector(unsigned char *area, int r, const unsigned char v[32], bool wide) {
  component(area, 1, 160, 256, true);
  memcpy(area + 160 + 16 * r, v, 16);
  component(area, 2, ymm_at, 256, true);
  if (wide)
    memcpy(area + ymm_at + 16 * r, v + 16, 16);
  else
    memset(area + ymm_at + 16 * r, 0, 16);
  if (zmm_at && component(area, 6, zmm_at, 512, false)) memset(area + zmm_at + 32 * r, 0, 32);
}

/* ---- execution: NULL, or why hardware would refuse ---- */
static const char not_ours[] = "not an instruction that is emulated";

static void count(emulate_kind k) {
  atomic_fetch_add_explicit(&counts[k], 1, memory_order_relaxed);
}

static const char *config_insn(const insn *i) {
  count(EMULATE_config);
  if (i->mod == 3) {
    if (i->pp == PP_f2 && i->rm == 0) {
      const char *bad = i->reg > 7 ? "no such tile" : emu_check(&tiles, i->reg);
      if (!bad) emu_zero(&tiles, i->reg);
      count(EMULATE_zero);
      return bad;
    }
    if (i->pp != PP_none || i->reg || i->rm) return not_ours;
    memset(&tiles, 0, sizeof tiles);
    return NULL;
  }
  if (i->reg || (i->pp != PP_none && i->pp != PP_66)) return not_ours;
  if (i->pp == PP_none) return emu_configure(&tiles, i->address);
  memcpy((void *)(uintptr_t)i->address, tiles.config, sizeof tiles.config);
  return NULL;
}

static const char *memory_insn(const insn *i) {
  if (i->mod == 3 || i->rm != 4 || i->pp == PP_none) return not_ours;
  const char *bad = i->reg > 7 ? "no such tile" : emu_check(&tiles, i->reg);
  if (bad) return bad;
  count(i->pp == PP_f3 ? EMULATE_store : EMULATE_load);
  if (watch.quick) return NULL;
  if (i->pp == PP_f3)
    emu_store(&tiles, i->reg, (unsigned char *)(uintptr_t)i->address, i->stride);
  else
    emu_load(&tiles, i->reg, i->address, i->stride);
  return NULL;
}

static const char *product_insn(const insn *i) {
  static const emu_product bytes[] = {
    [PP_none] = EMU_uu, [PP_66] = EMU_us, [PP_f3] = EMU_su, [PP_f2] = EMU_ss
  };
  if (i->mod != 3 || (i->opcode == 0x5c && i->pp != PP_f3)) return not_ours;
  if (i->reg > 7 || i->rm > 7 || i->vvvv > 7) return "no such tile";
  count(EMULATE_product);
  if (watch.quick) return NULL;
  return emu_multiply(&tiles, i->opcode == 0x5c ? EMU_bf16 : bytes[i->pp], i->reg, i->rm, i->vvvv);
}

static const char *vnni_insn(const insn *i, ucontext_t *u) {
  unsigned char *area = (unsigned char *)u->uc_mcontext.fpregs, acc[32], a[32], b[32];
  if (i->pp != PP_66 || !ymm_at) return not_ours;
  read_vector(area, i->reg, acc);
  read_vector(area, i->vvvv, a);
  if (i->mod == 3)
    read_vector(area, i->rm, b);
  else
    memcpy(b, i->address + i->stride, i->wide ? 32 : 16);
  int32_t sum[8];
  memcpy(sum, acc, 32);
  emu_vnni(i->opcode, sum, a, b, i->wide ? 8 : 4);
  memcpy(acc, sum, 32);
  write_vector(area, i->reg, acc, i->wide);
  count(EMULATE_vnni);
  return NULL;
}

static const char *execute(ucontext_t *u) {
  insn i;
  if (!decode(&i, u)) return not_ours;
  const char *bad = not_ours;
  if (i.opcode >= 0x50 && i.opcode <= 0x53)
    bad = vnni_insn(&i, u);
  else if (i.wide)
    return not_ours;
  else if (i.opcode == 0x49)
    bad = config_insn(&i);
  else if (i.opcode == 0x4b)
    bad = memory_insn(&i);
  else if (i.opcode == 0x5c || i.opcode == 0x5e)
    bad = product_insn(&i);
  if (!bad) u->uc_mcontext.gregs[REG_RIP] += i.length;
  return bad;
}

static void refuse(const ucontext_t *u, const char *why) {
  char text[256];
  const unsigned char *p = (const unsigned char *)u->uc_mcontext.gregs[REG_RIP];
  int n = snprintf(text, sizeof text, "emulate: %s, at %p: %02x %02x %02x %02x %02x %02x\n", why,
                   (const void *)p, p[0], p[1], p[2], p[3], p[4], p[5]);
  if (write(2, text, (size_t)n) != n) _exit(126);
  signal(SIGILL, SIG_DFL); /* the instruction runs again and ends the process */
}

/* The registers before the next instruction, to who asked for them. */
static void tell(const ucontext_t *u) {
  if (!watch.on) return;
  emulate_point p = { .at = (const unsigned char *)u->uc_mcontext.gregs[REG_RIP] };
  for (int r = 0; r < 16; r++) p.general[r] = general(u, r);
  watch.on(watch.ctx, &p);
}

static void on_sigill(int sig, siginfo_t *info, void *context) {
  (void)sig;
  (void)info;
  ucontext_t *u = context;
  const char *bad = execute(u);
  if (bad) {
    refuse(u, bad);
    return;
  }
  while (!bad) {
    tell(u);
    bad = execute(u);
  }
  if (bad != not_ours) refuse(u, bad);
}

/* Behind each instruction while the trap flag is set. */
static void on_sigtrap(int sig, siginfo_t *info, void *context) {
  (void)sig;
  (void)info;
  ucontext_t *u = context;
  if (watch.on)
    tell(u);
  else
    u->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
}

bool emulate_watch(emulate_on *on, void *ctx, bool quick) {
  struct sigaction s = { .sa_sigaction = on_sigtrap, .sa_flags = SA_SIGINFO };
  if (sigaction(SIGTRAP, &s, NULL) != 0) return false;
  watch.on = on;
  watch.ctx = ctx;
  watch.quick = quick;
  __asm__ volatile(
      "lea -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::
          : "memory", "cc"); /* past the red zone */
  return true;
}

void emulate_unwatch(void) {
  watch.on = NULL;
  watch.quick = false;
}

/* The handler's frame is not the program's: tests measure stacks. Of this thread; others keep
 * theirs. */
static void own_stack(void) {
  static unsigned char room[1 << 16] __attribute__((aligned(64)));
  stack_t now;
  if (sigaltstack(NULL, &now) == 0 && now.ss_flags & SS_DISABLE)
    sigaltstack(&(stack_t){ .ss_sp = room, .ss_size = sizeof room }, NULL);
}

bool emulate_install(void) {
  struct sigaction s = { .sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO | SA_ONSTACK };
  find_vector_state();
  own_stack();
  return sigaction(SIGILL, &s, NULL) == 0;
}
#else
bool emulate_install(void) { return false; }

uint64_t emulate_count(emulate_kind kind) {
  (void)kind;
  return 0;
}

bool emulate_watch(emulate_on *on, void *ctx, bool quick) {
  return (void)on, (void)ctx, (void)quick, false;
}

void emulate_unwatch(void) {}
#endif
