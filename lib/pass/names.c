#include "mc/pass/pass.h"

#define MC_ENUM(id, doc) const char *const mc_names_##id[mc_##id##_count_ + 1] = {
#define MC_CASE(id, c, word, doc) word,
#define MC_ENUM_END(id)                                                                            \
  NULL                                                                                             \
  }                                                                                                \
  ;
#include "mc/pass/passenums.def"
