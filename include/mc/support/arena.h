/* Arena allocation: everything that lives as long as its owner, freed at once.
 *
 * Three lifetimes exist in mcc: the module's, a pass's scratch, a call's. Nothing is freed one by
 * one. A build with MC_ARENA_DEBUG gives each allocation a malloc of its own, so that ASan sees
 * misuse. */
#ifndef MC_SUPPORT_ARENA_H
#define MC_SUPPORT_ARENA_H
#include <stddef.h>

typedef struct mc_arena mc_arena;

/* A new, empty arena; owned by the caller, who calls mc_arena_destroy. Aborts when memory is out.
 */
mc_arena *mc_arena_create(void);
/* Frees the arena and everything in it. NULL is allowed. */
void mc_arena_destroy(mc_arena *a);
/* `size` zeroed bytes aligned to 64 when size >= 64, else to 16; size 0 gives a unique pointer.
 * Aborts when memory is out: sizes that come from a file must be checked against the file before
 * they get here. */
void *mc_arena_alloc(mc_arena *a, size_t size);
/* A copy of `size` bytes. */
void *mc_arena_copy(mc_arena *a, const void *p, size_t size);
/* A NUL-terminated copy of the n bytes at s. */
char *mc_arena_strndup(mc_arena *a, const char *s, size_t n);
char *mc_arena_strdup(mc_arena *a, const char *s);
/* printf into the arena. */
char *mc_arena_printf(mc_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Bytes handed out so far. */
size_t mc_arena_used(const mc_arena *a);

#define MC_NEW(arena, T) ((T *)mc_arena_alloc((arena), sizeof(T)))
#define MC_NEWN(arena, T, n) ((T *)mc_arena_alloc((arena), sizeof(T) * (size_t)(n)))

/* Growing arrays in an arena: struct { T *v; size_t n, cap; } of any name. */
#define MC_VEC(T)                                                                                  \
  struct {                                                                                         \
    T *v;                                                                                          \
    size_t n, cap;                                                                                 \
  }
#define MC_PUSH(arena, vec, x)                                                                     \
  ((void)((vec)->n == (vec)->cap                                                                   \
              ? ((vec)->v = mc_arena_grow((arena), (vec)->v, &(vec)->cap, sizeof *(vec)->v), 0)    \
              : 0),                                                                                \
   (vec)->v[(vec)->n++] = (x))
void *mc_arena_grow(mc_arena *a, void *old, size_t *cap, size_t elem);
#endif
