/* Trials of quantized networks, for reports. */
#ifndef TRIALS_H
#define TRIALS_H
#include "mc/driver/trials.h"
#include <jansson.h>

/* "snr_db", "cosine", "right"; what is not known is null, what is not finite a string. */
json_t *trial_json(const mc_trial *x);
/* A count of right answers, null where it is below 0. */
json_t *right_json(int64_t right);
#endif
