#include "search.h"
bool report_write(search *s) { return !s->report; }
