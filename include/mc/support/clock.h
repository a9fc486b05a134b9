/* Time that only goes forward. */
#ifndef MC_SUPPORT_CLOCK_H
#define MC_SUPPORT_CLOCK_H
/* Seconds since some moment, of the monotonic clock: for differences. */
double mc_seconds(void);
#endif
