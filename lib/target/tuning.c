/* tuning.def as figures to calculate with, and as a table. */
#include "mc/target/tuning.h"

const mc_tuning mc_tune = {
#define MC_FIGURE(name_, value_, unit_, source_, refit_, doc_) .name_ = value_,
#include "mc/target/tuning.def"
};

static const mc_figure figures[] = {
#define MC_FIGURE_SUBJECT(text_) { .subject = text_ },
#define MC_FIGURE(name_, value_, unit_, source_, refit_, doc_)                                     \
  { .name = #name_,                                                                                \
    .unit = unit_,                                                                                 \
    .source = source_,                                                                             \
    .refit = refit_,                                                                               \
    .doc = doc_,                                                                                   \
    .value = value_ },
#include "mc/target/tuning.def"
};

int mc_figure_count(void) { return (int)(sizeof figures / sizeof figures[0]); }

const mc_figure *mc_figure_at(int i) { return &figures[i]; }
