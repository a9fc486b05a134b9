/* mc-stat of an object file. */
#ifndef OBJECT_H
#define OBJECT_H
#include "common/tool.h"
/* False after reporting. */
bool object_print(mc_strbuf *out, tool *t, const char *path, bool as_json);
#endif
