/* Words for the columns of engines.def. */
#include "mc/decide/engine.h"

const char *mc_engine_kind_text(const mc_engine *e) {
  return e->in == 'F' ? "f32" : e->in == 'B' ? "bf16" : "8-bit";
}

const char *mc_engine_a_text(const mc_engine *e) {
  static const char *const words[] = {
    [MC_SIGN_any] = "any",         [MC_SIGN_u8] = "u8",           [MC_SIGN_s8] = "s8",
    [MC_SIGN_only_u8] = "only u8", [MC_SIGN_only_s8] = "only s8", [MC_SIGN_wide] = "widened",
  };
  return words[e->sign];
}

const char *mc_engine_traits_text(const mc_engine *e, mc_arena *a) {
  static const struct {
    unsigned bit;
    const char *word;
  } traits[] = { { MC_ENGINE_OVERLAPS, "overlaps" },
                 { MC_ENGINE_HALF, "half" },
                 { MC_ENGINE_STEP_LOOP, "loop for each step" },
                 { MC_ENGINE_PAIRS, "pairs" },
                 { MC_ENGINE_WIDENS, "widens" },
                 { MC_ENGINE_NIBBLES, "weights of 4 bits" } };

  const char *text = e->tile ? "tiles" : "";
  for (size_t i = 0; i < sizeof traits / sizeof *traits; i++)
    if (mc_engine_has(e, traits[i].bit))
      text = mc_arena_printf(a, "%s%s%s", text, *text ? ", " : "", traits[i].word);
  return text;
}
