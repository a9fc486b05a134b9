#include "known.h"

void mc_known_add(mc_known *k, double error, double damage) {
  int i = k->n++;
  for (; i > 0 && k->error[i - 1] > error; i--) {
    k->error[i] = k->error[i - 1];
    k->damage[i] = k->damage[i - 1];
  }
  k->error[i] = error;
  k->damage[i] = damage;
}

static double in_proportion(const mc_known *k, int i, double error) {
  return k->error[i] > 0 ? k->damage[i] * error / k->error[i] : k->damage[i];
}

double mc_known_damage(const mc_known *k, double error) {
  int n = k->n, i = 1;
  if (n == 0) return error;
  if (n == 1 || error <= k->error[0]) return in_proportion(k, 0, error);
  while (i < n - 1 && error > k->error[i]) i++;
  if (error > k->error[i]) return in_proportion(k, i, error);
  double apart = k->error[i] - k->error[i - 1];
  double t = apart > 0 ? (error - k->error[i - 1]) / apart : 0;
  return k->damage[i - 1] + t * (k->damage[i] - k->damage[i - 1]);
}
