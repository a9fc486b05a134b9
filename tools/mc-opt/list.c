/* -list-passes. */
#include "opt.h"
#include "mc/driver/driver.h"

static const char *contract_word(mc_contract c) {
  return c == MC_EXACT ? "exact" : c == MC_ROUNDS ? "rounds" : "lossy";
}

static void list_option(mc_strbuf *s, const mc_field *f) {
  mc_sb_printf(s, "      %s=%s  %s", f->name, f->dflt && *f->dflt ? f->dflt : "\"\"", f->doc);
  for (int i = 0; f->names && f->names[i]; i++)
    mc_sb_printf(s, "%s%s", i ? ", " : ": ", f->names[i]);
  mc_sb_putc(s, '\n');
}

void list_passes(void) {
  const mc_registry *r = mc_driver_registry();
  mc_strbuf s = { 0 };
  for (int i = 0; i < r->npass; i++) {
    mc_sb_printf(&s, "  %-18s %-6s %s\n", r->pass[i].text, contract_word(r->pass[i].contract),
                 r->pass[i].summary);
    for (const mc_field *f = r->pass[i].opts; f->name; f++) list_option(&s, f);
  }
  for (int i = 0; i < r->nalias; i++)
    mc_sb_printf(&s, "  %-18s = %s\n", r->alias[i].name, r->alias[i].pipeline);
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
}
