// RUN: %unit/dwcut_test
/* How rows of depthwise convolutions are cut into registers: every channel once, nothing wider than
 * the target has, and less work for fewer channels. */
#include "check.h"
#include "mc/analysis/dwcut.h"

static const char *const levels[] = { "x86-64", "x86-64-v3", "x86-64-v3+avxvnni", "avx512vnni",
                                      "neoverse-n1" };

static void pieces(const mc_dw_row *r, const mc_target *t) {
  mc_dw_cut cut;
  int64_t at = 0;
  int most = mc_dw_most(t);
  CHECK(mc_dw_cut_row(r, t, &cut) && cut.npiece > 0);
  CHECK(mc_dw_registers(r, t) >= 0.999 * (double)(r->ow * r->c) / most);
  if (cut.phases) {
    CHECK(r->dense && cut.npiece == 1 && cut.phases <= MC_DW_PHASES && cut.piece[0].bytes <= most);
    return;
  }
  for (int i = 0; i < cut.npiece; i++) {
    const mc_dw_piece *p = &cut.piece[i];
    CHECK(p->first == at && p->blocks > 0 && p->bytes >= 16 && p->bytes <= most);
    if (p->slot)
      CHECK(p->bytes % p->slot == 0 && p->bytes > p->slot && r->ow >= p->bytes / p->slot);
    if (p->slot) CHECK(p->blocks == 1 && t->arch == MC_ARCH_x86_64 && r->mult == 1);
    at += p->slot ? p->slot : p->blocks * p->bytes;
  }
  CHECK(at >= r->c && at - r->c < most);
}

static void each_channel_once(const mc_target *t) {
  for (int64_t c = 1; c <= 300; c++)
    for (int i = 0; i < 24; i++) {
      static const int64_t wide[] = { 1, 3, 8, 30 };
      mc_dw_row r = { c, 1 + i / 8 % 3, wide[i % 4], 1 + i / 4 % 2, i % 3 != 0, i % 5 != 0 };
      if (c % r.mult == 0 && (r.mult != 3 || c <= 128)) pieces(&r, t);
    }
}

/* Half of the channels take at most 0.7 of the time wherever they fill a third of a register. */
static void narrower_is_less(const mc_target *t) {
  for (int64_t c = 6; c <= 256; c += 2)
    for (int64_t sx = 1; sx <= 2; sx++) {
      mc_dw_row r = { c, 1, 24, sx, true, true }, half = { c / 2, 1, 24, sx, true, true };
      if (c / 2 % 8 == 0) CHECK(mc_dw_registers(&half, t) < 0.7 * mc_dw_registers(&r, t));
      CHECK(mc_dw_registers(&half, t) <= 1.05 * mc_dw_registers(&r, t));
    }
}

int main(void) {
  mc_arena *a = mc_arena_create();
  mc_diag d;
  mc_diag_init(&d, a);
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
    const mc_target *t = mc_target_find(NULL, levels[i], a, &d);
    CHECK(t != NULL);
    if (t) each_channel_once(t);
  }
  narrower_is_less(mc_target_find(NULL, "x86-64-v3", a, &d));
  mc_arena_destroy(a);
  return CHECK_DONE();
}
