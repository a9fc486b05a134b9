/* cold-ort LIBRARY FILE.onnx: the same with ONNX Runtime: load the library, make a session with one
 * thread, run once. */
#include "../compare/compare.h"
#include "report.h"

double now(void) { return 0; } /* compare/ort.c's own figure is not used */

int main(int argc, char **argv) {
  runner r;
  return argc == 3 &&
                 ort_open(&r, argv[2], &(setup){ .library = argv[1], .batch = 1, .threads = 1 })
             ? report(r.out)
             : 1;
}
