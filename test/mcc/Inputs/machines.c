/* Machines as their answers to CPUID, XGETBV and arch_prctl; which level does an object choose?
 * Every machine is a process of its own: the choice is made once. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int net_level(void), amx_level(void), amx_set_level(int, int), amx_call(void *const *, void *);

typedef struct machine {
  const char *name;
  uint32_t last, c1, b7, c7, d7, a71, cx, xcr0;
  int refuse;
} machine;

enum {
  AVX = 1u << 12 | 1u << 22 | 1u << 28 | 1u << 29,
  OSXSAVE = 1u << 27,
  SSE = 1u | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23
};

#define HSW_B7 (1u << 3 | 1u << 5 | 1u << 8)
#define SKX_B7 (HSW_B7 | 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31)
#define ICX_B7 (SKX_B7 | 1u << 21)
#define ICX_C7 (1u << 1 | 1u << 6 | 1u << 8 | 1u << 11 | 1u << 12 | 1u << 14)
#define SPR_D7 (1u << 22 | 1u << 24 | 1u << 25)
#define V3_C1 (SSE | AVX | OSXSAVE)
#define SPR_A71 (1u << 4 | 1u << 5)

enum { YMM = 7, ZMM = 0xe7, TILES = 0x600e7, LZCNT = 0x21 };

static const machine machines[] = {
  { "SSE2 alone", 1, 0, SKX_B7, ~0u, ~0u, ~0u, 1, 0, 0 },
  { "Haswell", 13, V3_C1, HSW_B7, 0, 0, 0, LZCNT, YMM, 0 },
  { "Haswell, ymm not saved", 13, V3_C1, HSW_B7, 0, 0, 0, LZCNT, 3, 0 },
  { "Haswell, no XGETBV", 13, V3_C1 & ~(uint32_t)OSXSAVE, HSW_B7, 0, 0, 0, LZCNT, YMM, 0 },
  { "Skylake-X", 13, V3_C1, SKX_B7, 0, 0, 0, LZCNT, ZMM, 0 },
  { "Alder Lake", 32, V3_C1, HSW_B7, 0, 0, 1u << 4, LZCNT, YMM, 0 },
  { "Ice Lake", 24, V3_C1, ICX_B7, ICX_C7, 0, 0, LZCNT, ZMM, 0 },
  { "Ice Lake, zmm not saved", 24, V3_C1, ICX_B7, ICX_C7, 0, 0, LZCNT, YMM, 0 },
  { "Sapphire Rapids", 32, V3_C1, ICX_B7, ICX_C7, SPR_D7, SPR_A71, LZCNT, TILES, 0 },
  { "Sapphire Rapids, tiles refused", 32, V3_C1, ICX_B7, ICX_C7, SPR_D7, SPR_A71, LZCNT, TILES, 1 },
  { "Sapphire Rapids, tiles not saved", 32, V3_C1, ICX_B7, ICX_C7, SPR_D7, SPR_A71, LZCNT, ZMM, 0 },
  { "Sapphire Rapids without VBMI2", 32, V3_C1, ICX_B7, ICX_C7 & ~(1u << 6), SPR_D7, SPR_A71, LZCNT,
    TILES, 0 },
};
static const machine *now;
static int asked;

__attribute__((used)) static void answer(uint32_t *r) { /* eax, ebx, ecx, edx */
  uint32_t leaf = r[0], sub = r[2];
  if (leaf < 0x80000000u && leaf > now->last) leaf = now->last; /* as processors do */
  r[0] = leaf == 0 ? now->last : leaf == 7 ? (sub ? now->a71 : now->a71 != 0) : 0;
  r[1] = leaf == 7 && !sub ? now->b7 : leaf == 1 ? ~0u : 0;
  r[2] = leaf == 1 ? now->c1 : leaf == 7 && !sub ? now->c7 : leaf == 0x80000001u ? now->cx : 0;
  r[3] = leaf == 7 && !sub ? now->d7 : leaf == 1 ? ~0u : 0;
}

__attribute__((used)) static void save_states(uint32_t *r) {
  if (!(now->c1 & OSXSAVE) || r[2] != 0) abort(); /* would trap */
  r[0] = now->xcr0;
  r[3] = 0;
}

__attribute__((used)) static void system_call(uint64_t *r) { /* rax, rdi, rsi */
  if (r[0] != 158 || r[1] != 0x1023 || r[2] != 18) abort();
  asked++;
  r[0] = now->refuse ? (uint64_t)-28 : 0;
}

/* All registers but the results stay as they were. */
#define SAVE                                                                                       \
  "push %rbp\n mov %rsp, %rbp\n push %rsi\n push %rdi\n push %r8\n push %r9\n push %r10\n push "   \
  "%r11\n"
#define RESTORE                                                                                    \
  "lea -48(%rbp), %rsp\n pop %r11\n pop %r10\n pop %r9\n pop %r8\n pop %rdi\n pop %rsi\n pop "     \
  "%rbp\n ret\n"
#define FOUR(name, f)                                                                              \
  ".globl " name "\n" name ":\n" SAVE                                                              \
  "sub $16, %rsp\n mov %eax, (%rsp)\n mov %ebx, 4(%rsp)\n mov %ecx, 8(%rsp)\n mov %edx, "          \
  "12(%rsp)\n mov %rsp, %rdi\n and $-16, %rsp\n push %rdi\n push %rdi\n call " f "\n"              \
  "pop %rdi\n mov (%rdi), %eax\n mov 4(%rdi), %ebx\n mov 8(%rdi), %ecx\n mov 12(%rdi), "           \
  "%edx\n" RESTORE
__asm__(".text\n" FOUR("fake_cpuid", "answer") FOUR(
    "fake_xgetbv",
    "save_states") ".globl fake_syscall\nfake_syscall:\n" SAVE
                   "push %rdx\n push %rcx\n sub $32, %rsp\n mov %rax, (%rsp)\n mov %rdi, 8(%rsp)\n "
                   "mov %rsi, 16(%rsp)\n mov %rsp, %rdi\n and $-16, %rsp\n push %rdi\n push %rdi\n"
                   "call system_call\n pop %rdi\n mov (%rdi), %rax\n" RESTORE);

static void on(const machine *m, void (*what)(const machine *)) {
  int status;
  fflush(stdout);
  pid_t p = fork();
  if (p == 0) {
    now = m;
    what(m);
    fflush(stdout);
    _exit(0);
  }
  if (waitpid(p, &status, 0) != p || status) printf("%s: died\n", m->name);
}

static void dispatch(const machine *m) {
  int level = net_level(), again = net_level();
  printf("%s: %d (asked for tiles %d times)%s\n", m->name, level, asked,
         level == again ? "" : " and changed its mind");
}

static void amx(const machine *m) {
  int level = amx_level();
  printf("AMX alone: %s: %d", m->refuse ? "tiles refused" : m->name, level);
  if (level < 0)
    printf(", run returns %d, setting it returns %d", amx_call(NULL, NULL), amx_set_level(0, 0));
  if (level < 0) printf(", trusting the caller %d", amx_set_level(0, 1));
  if (level < 0) printf(", then level %d", amx_level());
  printf("\n");
}

int main(void) {
  for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) on(&machines[i], dispatch);
  on(&machines[8], amx);
  on(&machines[9], amx);
  on(&machines[1], amx);
  return 0;
}
