/* libmcrt: a pool of threads for the parallel entries of objects that mcc made with -threads=N
 * (docs/reference/abi.md). C99 and C++.
 *
 *   mcrt_pool *pool;
 *   if (mcrt_pool_create(&pool, 2)) ...
 *   net_run_parallel(image, probs, arena, mcrt_parallel_for, pool);
 *   mcrt_pool_destroy(pool);
 */
#ifndef MCRT_H
#define MCRT_H
#ifdef __cplusplus
extern "C" {
#endif

#ifndef MC_PARALLEL_FOR
#define MC_PARALLEL_FOR
typedef void mc_parallel_for(void *ctx, int ntasks, void (*task)(void *arg, int i), void *arg);
#endif

enum { MCRT_MAX_THREADS = 64 };
typedef struct mcrt_pool mcrt_pool;

/* A pool of `threads` threads: the one that calls mcrt_parallel_for, and threads - 1 that are
 * started here and kept. Each of those is bound to a CPU of its own out of the calling thread's
 * affinity set, one per core before siblings of a core, and never the CPU that the caller is on;
 * where the set has fewer CPUs than `threads`, none is bound. The caller's own affinity is not
 * touched: a program that wants the last per cent binds it to the CPU that it is on before it
 * creates the pool. Returns 0, or EINVAL (threads is not in [1, MCRT_MAX_THREADS]), ENOMEM, or what
 * pthread_create said (EAGAIN); then *pool is NULL. */
int mcrt_pool_create(mcrt_pool **pool, int threads);
/* Ends the threads. NULL is allowed. Not while mcrt_parallel_for runs. */
void mcrt_pool_destroy(mcrt_pool *pool);
/* What the pool was created with. */
int mcrt_pool_threads(const mcrt_pool *pool);

/* An mc_parallel_for; pool: an mcrt_pool *, or NULL (everything on the calling thread). Runs
 * task(arg, 0) ... task(arg, ntasks - 1) and returns when all are finished. Thread t takes task t
 * where it comes in time, so that work which is divided alike from call to call finds its data in
 * the core's caches; whoever is free takes what is left. One thread at a time may use a pool; tasks
 * may not use it. Threads that find nothing to do look again for up to 50 us, then sleep until the
 * next call: an idle pool takes no time. */
void mcrt_parallel_for(void *pool, int ntasks, void (*task)(void *arg, int i), void *arg);

#ifdef __cplusplus
}
#endif
#endif
