/* As much of a C library as sweep_run.c needs, on a bare machine: one file (the data that is linked
 * in), memory that is never given back, output to the port that Bochs shows. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

int main(int argc, char **argv);
extern const unsigned char guest_data[], guest_data_end[];
extern unsigned char _end[];

typedef struct guest_file {
  const unsigned char *at;
} guest_file;

static guest_file file;
static uintptr_t top;

static void out(unsigned short port, unsigned char v) {
  __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static void put(char c) { out(0xe9, (unsigned char)c); }

static void put_text(const char *s) {
  while (*s) put(*s++);
}

static void put_number(int v) {
  char text[12], *p = text + 11;
  unsigned u = v < 0 ? 0u - (unsigned)v : (unsigned)v;
  for (*p = 0; u || !*p; u /= 10) *--p = (char)('0' + u % 10);
  if (v < 0) put('-');
  put_text(p);
}

int printf(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  for (; *fmt; fmt++) {
    if (*fmt != '%')
      put(*fmt);
    else if (*++fmt == 's')
      put_text(va_arg(ap, const char *));
    else
      put_number(va_arg(ap, int));
  }
  va_end(ap);
  return 0;
}

int puts(const char *s) { return put_text(s), put('\n'), 0; }

/* The port by which Bochs is asked to end. */
void exit(int status) {
  put_text("exit ");
  put_number(status);
  put('\n');
  for (const char *s = "Shutdown"; *s; s++) out(0x8900, (unsigned char)*s);
  for (;;) __asm__ volatile("hlt");
}

void *memcpy(void *to, const void *from, size_t n) {
  void *p = to;
  __asm__ volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(n) : : "memory");
  return to;
}

void *memset(void *to, int v, size_t n) {
  void *p = to;
  __asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(v) : "memory");
  return to;
}

int memcmp(const void *a, const void *b, size_t n) {
  const unsigned char *x = a, *y = b;
  for (; n && *x == *y; n--) x++, y++;
  return n ? *x - *y : 0;
}

void *aligned_alloc(size_t align, size_t n) {
  top = (top + align - 1) / align * align;
  top += n;
  if (top > 0x3f000000) exit(3);
  return (void *)(top - n);
}

void *malloc(size_t n) { return aligned_alloc(64, n); }

void free(void *p) { (void)p; }

guest_file *fopen(const char *name, const char *mode) {
  (void)name, (void)mode;
  file.at = guest_data;
  return &file;
}

int fclose(guest_file *f) { return (void)f, 0; }

size_t fread(void *to, size_t size, size_t n, guest_file *f) {
  if ((size_t)(guest_data_end - f->at) < size * n) return 0;
  memcpy(to, f->at, size * n);
  f->at += size * n;
  return n;
}

__attribute__((section(".first"), used)) void guest_start(void) {
  static char *argv[] = { "run", "cases.bin", NULL };
  top = ((uintptr_t)_end + 0xfffff) & ~(uintptr_t)0xfffff;
  exit(main(2, argv));
}
