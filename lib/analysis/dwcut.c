/* The registers of a row of a depthwise convolution. Narrow images whose pixels lie together run as
 * one line of bytes. Else: full registers of channels, and what is left in narrower ones, or in
 * places of 4, 8 or 16 bytes for as many pixels as a register holds. */
#include "mc/analysis/dwcut.h"
#include "mc/target/tuning.h"

int mc_dw_most(const mc_target *t) {
  int most = t->vector_bytes >= 64 ? 64 : t->vector_bytes >= 32 ? 32 : 16;
  bool narrow = (t->isa & MC_ISA_BIT(avxvnni)) && !(t->isa & MC_ISA_BIT(avx512vnni));
  return narrow && most > 32 ? 32 : most;
}

/* Registers of a line whose channels are the same: every `phases`-th. 0: not a case for it. With
 * stride 2, whole pixels of narrow images alone, and no register that is partly used (it would be
 * read too far). */
static int phases_of(const mc_dw_row *r, int bytes) {
  int64_t a = r->c, b = bytes, line = r->ow * r->c;
  if (!r->packed || r->mult > 1 || !r->dense || r->sx > 2) return 0;
  if (r->c >= bytes || line < bytes) return 0;
  if (r->sx == 2 && (r->c > 16 || bytes % r->c || line % bytes)) return 0;
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return r->c / a <= MC_DW_PHASES ? (int)(r->c / a) : 0;
}

/* Registers of 512 bits are brought together from too many places. */
static bool has_places(const mc_dw_row *r, const mc_target *t) {
  return t->arch == MC_ARCH_x86_64 && mc_dw_most(t) <= 32 && r->packed && r->mult == 1;
}

static bool fits(const mc_dw_row *r, int bytes, int slot) {
  return bytes > slot && r->ow >= bytes / slot;
}

static int slot_of(const mc_dw_row *r, const mc_target *t, int64_t left) {
  int most = mc_dw_most(t), slot = left <= 4 ? 4 : left <= 8 ? 8 : 16;
  if (!has_places(r, t)) return 0;
  if (left > 16 && left <= 20 && most == 32 && fits(r, most, 16) && fits(r, most, 4)) return 16;
  while (slot < 16 && !fits(r, most, slot)) slot *= 2;
  return left <= 16 && fits(r, most, slot) ? slot : 0;
}

static mc_dw_piece next_piece(const mc_dw_row *r, const mc_target *t, int64_t at) {
  int64_t left = r->c - at;
  int most = mc_dw_most(t), slot = slot_of(r, t, left);
  if (slot) return (mc_dw_piece){ most, slot, at, 1 };
  int bytes = left <= 16 ? 16 : left < 48 && most > 32 ? 32 : most;
  int64_t full = r->mult && bytes % r->mult == 0 ? left / bytes : 0;
  return (mc_dw_piece){ bytes, 0, at, full ? full : 1 };
}

bool mc_dw_cut_row(const mc_dw_row *r, const mc_target *t, mc_dw_cut *cut) {
  *cut = (mc_dw_cut){ .npiece = 0 };
  for (int bytes = mc_dw_most(t); bytes >= 16; bytes /= 2)
    if ((cut->phases = phases_of(r, bytes)) > 0) {
      cut->piece[cut->npiece++] = (mc_dw_piece){ bytes, 0, 0, 1 };
      return true;
    }
  for (int64_t at = 0; at < r->c;) {
    if (cut->npiece == MC_DW_PIECES) return false;
    mc_dw_piece p = cut->piece[cut->npiece++] = next_piece(r, t, at);
    at += p.slot ? p.slot : p.blocks * p.bytes;
  }
  return true;
}

/* A register of places costs a little more than one whose bytes lie together. */
static double weight(const mc_dw_piece *p) {
  return p->slot == 4   ? mc_tune.dw_places_4
         : p->slot == 8 ? mc_tune.dw_places_8
         : p->slot      ? mc_tune.dw_places_16
                        : 1;
}

double mc_dw_registers(const mc_dw_row *r, const mc_target *t) {
  mc_dw_cut cut;
  double n = 0;
  if (!mc_dw_cut_row(r, t, &cut)) return (double)(r->ow * r->c) / mc_dw_most(t);
  if (cut.phases) return (double)((r->ow * r->c + cut.piece[0].bytes - 1) / cut.piece[0].bytes);
  for (int i = 0; i < cut.npiece; i++) {
    const mc_dw_piece *p = &cut.piece[i];
    int pixels = p->slot ? p->bytes / p->slot : 1;
    n += (double)(p->blocks * ((r->ow + pixels - 1) / pixels)) * weight(p);
  }
  return n;
}
