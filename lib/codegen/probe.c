/* Questions to the machine, as code that needs no library: instructions and system calls in inline
 * assembly.
 *
 * x86-64: CPUID leaves 1, 7.0, 7.1 and 0x80000001, and XCR0, whose bits say which registers the
 * operating system saves. Tile registers must also be asked for, once per process:
 * arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) (Linux, Documentation/arch/x86/xstate).
 *
 * AArch64: user programs cannot read what the processor has; the kernel says it in the auxiliary
 * vector, which Linux also shows as /proc/self/auxv (docs/reference/abi.md has the alternatives).
 * Where that cannot be read all words are 0, and only a level that every AArch64 machine has is
 * left. */
#include "dispatch.h"
#include <string.h>

typedef struct probe {
  module *m;
  LLVMBuilderRef b;
  LLVMValueRef fn;
  LLVMTypeRef i32, i64;
  LLVMValueRef word[MC_NUM_WORDS];
} probe;

static LLVMValueRef num(const probe *p, uint32_t v) { return LLVMConstInt(p->i32, v, 0); }

static LLVMValueRef num64(const probe *p, int64_t v) {
  return LLVMConstInt(p->i64, (uint64_t)v, 1);
}

static LLVMBasicBlockRef block(const probe *p, const char *name) {
  return LLVMAppendBasicBlockInContext(p->m->c, p->fn, name);
}

static LLVMValueRef assembly(const probe *p, LLVMTypeRef ret, LLVMTypeRef param, LLVMValueRef *arg,
                             unsigned n, const char *text, const char *constraints) {
  LLVMTypeRef list[8];
  for (unsigned i = 0; i < n; i++) list[i] = param;
  LLVMTypeRef type = LLVMFunctionType(ret, list, n, 0);
  LLVMValueRef f = LLVMGetInlineAsm(type, text, strlen(text), constraints, strlen(constraints), 1,
                                    0, LLVMInlineAsmDialectATT, 0);
  return LLVMBuildCall2(p->b, type, f, arg, n, "");
}

static probe begin(module *m, const char *suffix) {
  probe p = { .m = m, .i32 = LLVMInt32TypeInContext(m->c), .i64 = LLVMInt64TypeInContext(m->c) };
  p.fn = dispatch_function(m, &p.b, suffix, p.i32, p.i32, 0);
  for (int w = 0; w < MC_NUM_WORDS; w++) p.word[w] = num(&p, 0);
  return p;
}

/* ---- x86-64 ---- */
typedef struct leaf {
  LLVMValueRef r[4];
} leaf; /* eax, ebx, ecx, edx */

static leaf cpuid(const probe *p, uint32_t number, uint32_t sub) {
  LLVMTypeRef four[4] = { p->i32, p->i32, p->i32, p->i32 };
  LLVMValueRef all = assembly(p, LLVMStructTypeInContext(p->m->c, four, 4, 0), p->i32,
                              (LLVMValueRef[]){ num(p, number), num(p, sub) }, 2, "cpuid",
                              "={ax},={bx},={cx},={dx},0,2,~{dirflag},~{fpsr},~{flags}");
  leaf l;
  for (unsigned i = 0; i < 4; i++) l.r[i] = LLVMBuildExtractValue(p->b, all, i, "");
  return l;
}

/* v where a >= least, else 0: a leaf beyond the last one repeats that. */
static LLVMValueRef where(const probe *p, LLVMValueRef a, uint32_t least, LLVMValueRef v) {
  return LLVMBuildSelect(p->b, LLVMBuildICmp(p->b, LLVMIntUGE, a, num(p, least), ""), v, num(p, 0),
                         "");
}

/* XGETBV exists only where the operating system has turned it on (OSXSAVE, leaf 1 ECX bit 27). */
static LLVMValueRef xcr0(const probe *p) {
  LLVMTypeRef two[2] = { p->i32, p->i32 };
  LLVMBasicBlockRef from = LLVMGetInsertBlock(p->b), on = block(p, "osxsave"),
                    done = block(p, "done");
  LLVMValueRef bit = LLVMBuildAnd(p->b, p->word[MC_WORD_x86_leaf1_ecx], num(p, 1u << 27), ""),
               off = num(p, 0);
  LLVMBuildCondBr(p->b, LLVMBuildICmp(p->b, LLVMIntNE, bit, num(p, 0), ""), on, done);
  LLVMPositionBuilderAtEnd(p->b, on);
  LLVMValueRef r = assembly(p, LLVMStructTypeInContext(p->m->c, two, 2, 0), p->i32,
                            (LLVMValueRef[]){ num(p, 0) }, 1, "xgetbv",
                            "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}");
  LLVMValueRef low = LLVMBuildExtractValue(p->b, r, 0, "");
  LLVMBuildBr(p->b, done);
  LLVMPositionBuilderAtEnd(p->b, done);
  LLVMValueRef v = LLVMBuildPhi(p->b, p->i32, "");
  LLVMAddIncoming(v, &off, &from, 1);
  LLVMAddIncoming(v, &low, &on, 1);
  return v;
}

static void read_x86(probe *p) {
  LLVMValueRef last = cpuid(p, 0, 0).r[0];
  leaf seven = cpuid(p, 7, 0), more = cpuid(p, 7, 1);
  p->word[MC_WORD_x86_leaf1_ecx] = cpuid(p, 1, 0).r[2];
  p->word[MC_WORD_x86_leaf7_ebx] = where(p, last, 7, seven.r[1]);
  p->word[MC_WORD_x86_leaf7_ecx] = where(p, last, 7, seven.r[2]);
  p->word[MC_WORD_x86_leaf7_edx] = where(p, last, 7, seven.r[3]);
  p->word[MC_WORD_x86_leaf7_1_eax] = where(p, last, 7, where(p, seven.r[0], 1, more.r[0]));
  p->word[MC_WORD_x86_ext1_ecx] = cpuid(p, 0x80000001u, 0).r[2];
  p->word[MC_WORD_x86_xcr0] = xcr0(p);
}

LLVMValueRef dispatch_emit_ask(module *m) {
  enum { SYS_ARCH_PRCTL = 158, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

  probe p = begin(m, ".ask");
  LLVMValueRef arg[] = { num64(&p, SYS_ARCH_PRCTL), num64(&p, ARCH_REQ_XCOMP_PERM),
                         num64(&p, XFEATURE_XTILEDATA) };
  LLVMValueRef r =
      assembly(&p, p.i64, p.i64, arg, 3, "syscall",
               "={ax},{ax},{di},{si},~{rcx},~{r11},~{memory},~{dirflag},~{fpsr},~{flags}");
  LLVMBuildRet(p.b,
               LLVMBuildZExt(p.b, LLVMBuildICmp(p.b, LLVMIntEQ, r, num64(&p, 0), ""), p.i32, ""));
  LLVMDisposeBuilder(p.b);
  return p.fn;
}

/* ---- AArch64 ---- */
static LLVMValueRef arm_call(const probe *p, int64_t number, LLVMValueRef a, LLVMValueRef b,
                             LLVMValueRef c) {
  return assembly(p, p->i64, p->i64, (LLVMValueRef[]){ num64(p, number), a, b, c, num64(p, 0) }, 5,
                  "svc #0", "={x0},{x8},{x0},{x1},{x2},{x3},~{memory}");
}

static LLVMValueRef path_text(const probe *p) {
  static const char path[] = "/proc/self/auxv";
  LLVMValueRef g =
      LLVMAddGlobal(p->m->m, LLVMArrayType2(LLVMInt8TypeInContext(p->m->c), sizeof path), "");
  LLVMSetInitializer(g, LLVMConstStringInContext2(p->m->c, path, sizeof path - 1, 0));
  LLVMSetGlobalConstant(g, 1);
  LLVMSetLinkage(g, LLVMPrivateLinkage);
  return g;
}

/* Bytes of the auxiliary vector in buf (room of them), 0 or less when it cannot be read. */
static LLVMValueRef read_auxv(const probe *p, LLVMValueRef buf, int64_t room) {
  enum { SYS_OPENAT = 56, SYS_CLOSE = 57, SYS_READ = 63, AT_FDCWD = -100, O_CLOEXEC = 02000000 };

  LLVMValueRef fd =
      arm_call(p, SYS_OPENAT, num64(p, AT_FDCWD), LLVMBuildPtrToInt(p->b, path_text(p), p->i64, ""),
               num64(p, O_CLOEXEC));
  LLVMValueRef n = arm_call(p, SYS_READ, fd, LLVMBuildPtrToInt(p->b, buf, p->i64, ""),
                            num64(p, room)); /* of a bad fd: an error again */
  arm_call(p, SYS_CLOSE, fd, num64(p, 0), num64(p, 0));
  return n;
}

/* Word at buf + offset bytes. */
static LLVMValueRef load_at(const probe *p, LLVMValueRef buf, LLVMValueRef offset) {
  return LLVMBuildLoad2(
      p->b, p->i64,
      LLVMBuildInBoundsGEP2(p->b, LLVMInt8TypeInContext(p->m->c), buf, &offset, 1, ""), "");
}

/* Walk over pairs (type, value) of 64 bits: for (i = 0; i < n; i += 16). The kernel writes whole
 * pairs. */
static void read_arm(probe *p) {
  enum { ROOM = 2048, AT_HWCAP = 16, AT_HWCAP2 = 26 };

  static const struct {
    int type;
    mc_probe_word word;
  } wanted[2] = { { AT_HWCAP, MC_WORD_arm_hwcap }, { AT_HWCAP2, MC_WORD_arm_hwcap2 } };

  LLVMValueRef buf = LLVMBuildAlloca(p->b, LLVMArrayType2(p->i64, ROOM / 8), ""),
               n = read_auxv(p, buf, ROOM), zero = num64(p, 0), phi[3], next[3];
  LLVMBasicBlockRef from = LLVMGetInsertBlock(p->b), loop = block(p, "loop"),
                    body = block(p, "body"), done = block(p, "done");
  LLVMBuildBr(p->b, loop);
  LLVMPositionBuilderAtEnd(p->b, loop);
  for (int k = 0; k < 3; k++) phi[k] = LLVMBuildPhi(p->b, p->i64, ""); /* the two words, i */
  LLVMBuildCondBr(p->b, LLVMBuildICmp(p->b, LLVMIntSLT, phi[2], n, ""), body, done);
  LLVMPositionBuilderAtEnd(p->b, body);
  LLVMValueRef type = load_at(p, buf, phi[2]),
               value = load_at(p, buf, LLVMBuildAdd(p->b, phi[2], num64(p, 8), ""));
  for (int k = 0; k < 2; k++)
    next[k] =
        LLVMBuildSelect(p->b, LLVMBuildICmp(p->b, LLVMIntEQ, type, num64(p, wanted[k].type), ""),
                        value, phi[k], "");
  next[2] = LLVMBuildAdd(p->b, phi[2], num64(p, 16), "");
  LLVMBuildBr(p->b, loop);
  for (int k = 0; k < 3; k++) {
    LLVMAddIncoming(phi[k], &zero, &from, 1);
    LLVMAddIncoming(phi[k], &next[k], &body, 1);
  }
  LLVMPositionBuilderAtEnd(p->b, done);
  for (int k = 0; k < 2; k++) p->word[wanted[k].word] = LLVMBuildTrunc(p->b, phi[k], p->i32, "");
}

/* ---- both ---- */
/* i32 1 when every word has the bits of isa. */
static LLVMValueRef fits(const probe *p, uint64_t isa) {
  LLVMValueRef all = LLVMConstInt(LLVMInt1TypeInContext(p->m->c), 1, 0);
  for (int w = 0; w < MC_NUM_WORDS; w++) {
    uint32_t bits = mc_isa_probe(isa, (mc_probe_word)w);
    if (!bits) continue;
    LLVMValueRef got = LLVMBuildAnd(p->b, p->word[w], num(p, bits), "");
    all = LLVMBuildAnd(p->b, all, LLVMBuildICmp(p->b, LLVMIntEQ, got, num(p, bits), ""), "");
  }
  return LLVMBuildZExt(p->b, all, p->i32, "");
}

LLVMValueRef dispatch_emit_probe(module *m, const mc_target *const *level, int n) {
  probe p = begin(m, ".probe");
  if (level[0]->arch == MC_ARCH_x86_64)
    read_x86(&p);
  else
    read_arm(&p);
  LLVMValueRef bits = num(&p, 0);
  for (int k = 0; k < n; k++)
    bits = LLVMBuildOr(p.b, bits,
                       LLVMBuildShl(p.b, fits(&p, level[k]->isa), num(&p, (uint32_t)k), ""), "");
  LLVMBuildRet(p.b, bits);
  LLVMDisposeBuilder(p.b);
  return p.fn;
}
