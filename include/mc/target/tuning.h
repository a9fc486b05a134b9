/* Figures of the cost model that hold for every machine: tuning.def. What a machine has of its own
 * is in machines.def (mc_machine). */
#ifndef MC_TARGET_TUNING_H
#define MC_TARGET_TUNING_H

/* In the units of tuning.def. */
typedef struct mc_tuning {
#define MC_FIGURE(name, value, unit, source, refit, doc) double name;
#include "mc/target/tuning.def"
} mc_tuning;

extern const mc_tuning mc_tune;

/* A row of tuning.def. */
typedef struct mc_figure {
  const char *subject;        /* of the list that it begins; NULL: it goes on */
  const char *name, *unit;    /* NULL: none, the row is a subject alone */
  const char *source, *refit; /* refit "": no command measures it anew */
  const char *doc;
  double value;
} mc_figure;

int mc_figure_count(void);
const mc_figure *mc_figure_at(int i); /* i < mc_figure_count() */
#endif
