/* What first convolutions walk: images, lines, and blocks of pixels of a line. */
#include "first_conv.h"

void first_conv_begin(kfirst_conv *f, kgroup *g) {
  *f = (kfirst_conv){ .g = g, .k = g->k, .head = group_first(g), .tail = g->decision->narrow };
  const mc_attrs_conv2d *a = MC_ATTRS(f->head, conv2d);
  const mc_type *in = f->head->in[0]->type, *w = f->head->in[1]->type, *y = f->head->out[0]->type;
  f->n = w->dim[0];
  f->kh = w->dim[1];
  f->row_bytes = w->dim[2] * w->dim[3];
  f->sy = a->stride[0];
  f->oh = y->dim[1];
  f->ow = y->dim[2];
  f->step = a->stride[1] * in->dim[3];
  f->in = view_of(g, f->head->in[0]);
  f->in.base =
      build_offset(f->k, f->in.base, -a->pad[0] * f->in.stride[1] - a->pad[1] * f->in.stride[2]);
  f->flip = in->dtype == MC_i8;
  f->za = zero_point_of(in) + (f->flip ? 128 : 0);
}

bool first_conv_results(kfirst_conv *f) {
  const mc_type *y = f->head->out[0]->type;
  f->x = MC_NEW(f->k->arena, kepilogue);
  if (!epilogue_init(f->x, f->g, f->head, y->rank, y->dim)) return false;
  f->out = f->x->out[0];
  return true;
}

void first_conv_walk(const kfirst_conv *f, int pixels,
                     void (*block)(void *ctx, kvalue in, kvalue out), void *ctx) {
  kbuilder *k = f->k;
  int64_t images = f->x->dim[0];
  kloop once, ln, ly, lx;
  int split = split_choose(f->g, 2, (int64_t[]){ images, f->oh });
  split_range(f->g, &once, 1, 1, split < 0);
  split_range(f->g, &ln, images, 1, split == 0);
  split_range(f->g, &ly, f->oh, 1, split == 1);
  kvalue in = build_address(k, f->in.base,
                            build_add(k, build_mul_const(k, ln.iv, f->in.stride[0]),
                                      build_mul_const(k, ly.iv, f->sy * f->in.stride[1])));
  kvalue out = build_address(k, f->out.base,
                             build_add(k, build_mul_const(k, ln.iv, f->out.stride[0]),
                                       build_mul_const(k, ly.iv, f->out.stride[1])));
  build_range(k, &lx, f->ow, pixels, NULL, 0);
  kvalue x = f->ow % pixels ? build_smin(k, lx.iv, build_i64(k, f->ow - pixels)) : lx.iv;
  in = build_address(k, in, build_mul_const(k, x, f->step));
  out = build_address(k, out, build_mul_const(k, x, f->out.stride[2]));
  block(ctx, in, out);
  build_end(k, &lx, NULL);
  build_end(k, &ly, NULL);
  build_end(k, &ln, NULL);
  build_end(k, &once, NULL);
  fill_borders(f->g);
}
