/* The pool of mcrt.h.
 *
 * A call publishes its job and a mask of tasks that nobody has taken. Threads take tasks by
 * clearing bits: whoever clears a bit owns that task, and the job cannot change before it is
 * finished, since the caller waits until every task has been counted off. So the fields of the job
 * need no more order than the mask gives them. */
#include "mcrt.h"
#include "topology.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { LINE = 64, SPIN_NS = 50000 };

typedef void task_fn(void *arg, int i);

typedef struct worker {
  struct mcrt_pool *pool;
  int index;
  pthread_t id;
} worker;

struct mcrt_pool {
  /* The mask has a cache line of its own: everybody looks at it. */
  _Alignas(LINE) _Atomic uint64_t
      open; /* bit b: tasks b, b + lanes, b + 2 lanes ... of the job are not taken */
  _Alignas(LINE) _Atomic int unfinished; /* lanes that are not finished */
  _Alignas(LINE) task_fn *task; /* the job; written while no bit is set and nothing is unfinished */
  void *arg;
  int ntasks, lanes;
  _Alignas(LINE) _Atomic int sleepers; /* threads that wait for `work` */
  _Atomic bool caller_sleeps, stop;
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  bool bound; /* every thread has a CPU */
  int threads, started;
  worker w[MCRT_MAX_THREADS];
};

static void pause_cpu(void) {
#if defined __x86_64__ || defined __i386__
  __builtin_ia32_pause();
#elif defined __aarch64__
  __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- tasks ---- */

static void finish_lane(mcrt_pool *p) {
  if (atomic_fetch_sub(&p->unfinished, 1) != 1 || !atomic_load(&p->caller_sleeps)) return;
  pthread_mutex_lock(&p->lock);
  pthread_cond_signal(&p->done);
  pthread_mutex_unlock(&p->lock);
}

/* Take tasks, one's own first, until none is left. */
static void take_tasks(mcrt_pool *p, int me) {
  for (uint64_t open = atomic_load(&p->open); open; open = atomic_load(&p->open)) {
    int lane = open >> me & 1 ? me : __builtin_ctzll(open);
    if (!(atomic_fetch_and(&p->open, ~(UINT64_C(1) << lane)) >> lane & 1))
      continue; /* somebody was faster */
    for (int i = lane; i < p->ntasks; i += p->lanes) p->task(p->arg, i);
    finish_lane(p);
  }
}

/* ---- waiting ---- */

/* Look for a while; true when there is something. Where threads share CPUs looking would only keep
 * the others from working. */
static bool look_for_work(mcrt_pool *p) {
  int64_t end = p->bound ? now_ns() + SPIN_NS : 0;
  do {
    for (int i = 0; i < 32; i++) {
      if (atomic_load_explicit(&p->open, memory_order_relaxed) ||
          atomic_load_explicit(&p->stop, memory_order_relaxed))
        return true;
      pause_cpu();
    }
  } while (end && now_ns() < end);
  return false;
}

static void sleep_for_work(mcrt_pool *p) {
  pthread_mutex_lock(&p->lock);
  atomic_fetch_add(
      &p->sleepers,
      1); /* before looking again: the caller publishes first, then looks for sleepers */
  while (!atomic_load(&p->open) && !atomic_load(&p->stop)) pthread_cond_wait(&p->work, &p->lock);
  atomic_fetch_sub(&p->sleepers, 1);
  pthread_mutex_unlock(&p->lock);
}

static void wake(mcrt_pool *p) {
  if (!atomic_load(&p->sleepers)) return;
  pthread_mutex_lock(&p->lock);
  pthread_cond_broadcast(&p->work);
  pthread_mutex_unlock(&p->lock);
}

static void wait_until_finished(mcrt_pool *p) {
  int64_t end = now_ns() + (p->bound ? 20 * SPIN_NS : 0);
  do {
    for (int i = 0; i < 64; i++) {
      if (!atomic_load(&p->unfinished)) return;
      pause_cpu();
    }
  } while (now_ns() < end);
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->caller_sleeps, true);
  while (atomic_load(&p->unfinished)) pthread_cond_wait(&p->done, &p->lock);
  atomic_store(&p->caller_sleeps, false);
  pthread_mutex_unlock(&p->lock);
}

static void *run(void *arg) {
  worker *w = arg;
  mcrt_pool *p = w->pool;
  while (!atomic_load(&p->stop)) {
    if (!look_for_work(p)) sleep_for_work(p);
    take_tasks(p, w->index);
  }
  return NULL;
}

void mcrt_parallel_for(void *pool, int ntasks, void (*task)(void *arg, int i), void *arg) {
  mcrt_pool *p = pool;
  if (!p || p->threads == 1 || ntasks < 2) {
    for (int i = 0; i < ntasks; i++) task(arg, i);
    return;
  }
  p->task = task;
  p->arg = arg;
  p->ntasks = ntasks;
  p->lanes = ntasks < MCRT_MAX_THREADS ? ntasks : MCRT_MAX_THREADS;
  atomic_store(&p->unfinished, p->lanes);
  atomic_store(&p->open, ~UINT64_C(0) >> (64 - p->lanes));
  wake(p);
  take_tasks(p, 0);
  wait_until_finished(p);
}

/* ---- beginning and end ---- */

static int start(mcrt_pool *p, int index, const int *cpu) {
  pthread_attr_t attr;
  cpu_set_t set;
  int rc = pthread_attr_init(&attr);
  if (rc) return rc;
  if (cpu) {
    CPU_ZERO(&set);
    CPU_SET((size_t)*cpu, &set);
    rc = pthread_attr_setaffinity_np(&attr, sizeof set, &set);
  }
  p->w[index] = (worker){ .pool = p, .index = index };
  if (!rc) rc = pthread_create(&p->w[index].id, &attr, run, &p->w[index]);
  pthread_attr_destroy(&attr);
  return rc;
}

int mcrt_pool_create(mcrt_pool **pool, int threads) {
  *pool = NULL;
  if (threads < 1 || threads > MCRT_MAX_THREADS) return EINVAL;
  mcrt_pool *p = aligned_alloc(LINE, sizeof *p);
  if (!p) return ENOMEM;
  int cpu[MCRT_MAX_THREADS], rc = 0;
  *p = (mcrt_pool){ .threads = threads, .started = 1 };
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->work, NULL);
  pthread_cond_init(&p->done, NULL);
  p->bound = topology_choose(cpu, threads - 1);
  for (int i = 1; i < threads && !rc; i++) {
    rc = start(p, i, p->bound ? &cpu[i - 1] : NULL);
    p->started += rc == 0;
  }
  if (rc)
    mcrt_pool_destroy(p);
  else
    *pool = p;
  return rc;
}

void mcrt_pool_destroy(mcrt_pool *p) {
  if (!p) return;
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->stop, true);
  pthread_cond_broadcast(&p->work);
  pthread_mutex_unlock(&p->lock);
  for (int i = 1; i < p->started; i++) pthread_join(p->w[i].id, NULL);
  pthread_cond_destroy(&p->done);
  pthread_cond_destroy(&p->work);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

int mcrt_pool_threads(const mcrt_pool *p) { return p->threads; }
