/* Built together with mcc's object into a shared library: says what the header knows. Input x,
 * output y, both fp32. */
#include NET_HEADER
#include <stddef.h>
const size_t bench_in_elems = NET_X_ELEMS, bench_out_elems = NET_Y_ELEMS,
             bench_arena_bytes = NET_ARENA_BYTES;
int bench_run(const float *x, float *y, void *arena);

int bench_run(const float *x, float *y, void *arena) { return net_run(x, y, arena); }
#ifdef NET_THREADS
int bench_run_parallel(const float *x, float *y, void *arena, mc_parallel_for *pf, void *ctx);

int bench_run_parallel(const float *x, float *y, void *arena, mc_parallel_for *pf, void *ctx) {
  return net_run_parallel(x, y, arena, pf, ctx);
}
#endif
