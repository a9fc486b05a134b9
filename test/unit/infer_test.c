// RUN: %unit/infer_test
/* Inference by table: op, operand types, attributes, the element type asked for, and the result
 * type or the message. Every op of ops.def has good and bad rows. Types are written as in .mir, but
 * for per-axis scales: i8<{0.5,0.25} 0>[2,3]. Operands and results are separated by ';'. */
#include "check.h"
#include "mc/ir/build.h"
#include "mc/ref/eval.h"
#include <stdlib.h>
#include <string.h>

typedef struct row {
  mc_opcode op;
  const char *in, *attrs, *want, *out, *error;
} row;

#define GOOD(op, in, attrs, want, out) { MC_OP_##op, in, attrs, want, out, NULL }
#define BAD(op, in, attrs, want, error) { MC_OP_##op, in, attrs, want, NULL, #op ": " error }
#define U8 "u8<0.5:3>"

static const row rows[] = {
  /* products */
  GOOD(conv2d, "f32[2,8,9,4];f32[6,3,3,4]", "", "", "f32[2,6,7,6]"),
  GOOD(conv2d, "f32[2,8,9,4];f32[6,3,3,4];f32[6]", "pad=[1,1,1,1] stride=[2,2]", "",
       "f32[2,4,5,6]"),
  GOOD(conv2d, "f32[1,8,8,4];f32[8,3,3,1]", "groups=4 dilation=[2,2] clamp=[0,6]", "",
       "f32[1,4,4,8]"),
  GOOD(conv2d, "u8<0.5:3>[1,4,4,2];i8<{0.5,0.25} 0>[2,1,1,2]", "", "i32<{0.25,0.125} 3>[1]",
       "i32<{0.25,0.125} 3>[1,4,4,2]"),
  GOOD(conv2d, "u8<0.5:3>[1,4,4,2];i8<0.5:0>[2,1,1,2];i32[2]", "", "", "i32<0.25:0>[1,4,4,2]"),
  GOOD(conv2d, "i8<0.5:3>[1,4,4,2];i8<0.5:0>[2,1,1,2];i32<0.25:0>[2]", "", "i32<{0.25,0.25} 3>[1]",
       "i32<{0.25,0.25} 3>[1,4,4,2]"),
  BAD(conv2d, "f32[8,9,4];f32[6,3,3,4]", "", "",
      "operand 0 (x) must have 4 dimensions, got f32[8,9,4]"),
  BAD(conv2d, "f32[2,8,9,4];f32[6,3,3,5]", "", "",
      "the weights have 5 input channels, expected 4 (4 / groups)"),
  BAD(conv2d, "f32[2,8,9,4];f32[6,3,3,4];f32[5]", "", "",
      "operand 2 (bias) must have shape [6] (one value per channel), got [5]"),
  BAD(conv2d, "f32[2,8,9,4];f32[6,3,3,4]", "groups=3", "",
      "groups = 3 does not divide the 4 input channels"),
  BAD(conv2d, "f32[2,8,9,4];f32[6,3,3,1]", "groups=4", "",
      "groups = 4 does not divide the 6 output channels"),
  BAD(conv2d, "f32[2,8,9,4];f32[6,3,3,4]", "groups=0", "",
      "attribute 'groups' must be at least 1, got 0"),
  BAD(conv2d, "f32[2,8,9,4];f32[6,3,3,4]", "stride=[0,1]", "",
      "attribute 'stride' must be at least 1, got 0"),
  BAD(conv2d, "f32[2,8,9,4];f32[6,3,3,4]", "pad=-1", "",
      "attribute 'pad' must be at least 0, got -1"),
  BAD(conv2d, "f32[2,8,9,4];f32[6,3,3,4]", "dilation=99999999999", "",
      "attribute 'dilation' is too large: 99999999999"),
  BAD(conv2d, "f32[2,2,9,4];f32[6,3,3,4]", "", "",
      "the window (3 rows with dilation) is larger than the padded input (2)"),
  BAD(conv2d, "f32[1,4,4,2];f32[2,1,1,2]", "clamp=[1,0]", "",
      "attribute 'clamp' needs low <= high"),
  BAD(conv2d, "f32[1,4,4,2];f32[2,1,1,2]", "clamp=nan", "", "attribute 'clamp' needs low <= high"),
  BAD(conv2d, "f32[1,4,4,2];i8<0.5:0>[2,1,1,2]", "", "",
      "operand 1 (weight) must be f32 as operand 0 is, got i8<0.5:0>"),
  BAD(conv2d, "f64[1,4,4,2];f64[2,1,1,2]", "", "",
      "operand 0 (x) must be f32 or bf16, or u8 or i8 with one scale, got f64"),
  BAD(conv2d, U8 "[1,4,4,2];f32[2,1,1,2]", "", "",
      "operand 1 (weight) must be quantized i8 beside a quantized operand 0, got f32"),
  BAD(conv2d, U8 "[1,4,4,2];i8<0.5:1>[2,1,1,2]", "", "",
      "operand 1 (weight) must have zero point 0, got 1"),
  BAD(conv2d, U8 "[1,4,4,2];i8<{0.5,0.5} 3>[2,1,1,2]", "", "",
      "operand 1 (weight) must be quantized along axis 0, got axis 3"),
  BAD(conv2d, U8 "[1,4,4,2];i8<{0.5,0.25} 0>[2,1,1,2]", "", "",
      "the result's quantization must be given"),
  BAD(conv2d, U8 "[1,4,4,2];i8<{0.5,0.25} 0>[2,1,1,2]", "", "i32<{0.25,0.25} 3>[]",
      "the result has scale 0.25, expected s_x * s_w = 0.125 for channel 1"),
  BAD(conv2d, U8 "[1,4,4,2];i8<{0.5,0.25} 0>[2,1,1,2]", "", "i32<0.25:0>[]",
      "the result has scale 0.25, expected s_x * s_w = 0.125 for channel 1"),
  BAD(conv2d, U8 "[1,4,4,2];i8<0.5:0>[2,1,1,2]", "", "i32<0.125:0>[]",
      "the result has scale 0.125, expected s_x * s_w = 0.25"),
  BAD(conv2d, U8 "[1,4,4,2];i8<0.5:0>[2,1,1,2]", "", "i32<0.25:1>[]",
      "the result must have zero point 0, got 1"),
  BAD(conv2d, U8 "[1,4,4,2];i8<0.5:0>[2,1,1,2]", "", "u8<0.25:0>[]",
      "the result of quantized operands must be i32, got u8<0.25:0>"),
  BAD(conv2d, U8 "[1,4,4,2];i8<{0.5,0.25} 0>[2,1,1,2]", "", "i32<{0.25,0.125} 1>[]",
      "the result must have one scale per channel (axis 3, 2 channels), got i32<@s1 axis=1>"),
  BAD(conv2d, U8 "[1,4,4,2];i8<0.5:0>[2,1,1,2];f32[2]", "", "",
      "operand 2 (bias) must be i32 beside quantized operands, got f32"),
  BAD(conv2d, U8 "[1,4,4,2];i8<0.5:0>[2,1,1,2];i32<0.5:0>[2]", "", "",
      "the bias has scale 0.5, expected s_x * s_w = 0.25"),
  BAD(conv2d, U8 "[1,4,4,2];i8<0.5:0>[2,1,1,2]", "clamp=[0,inf]", "",
      "attribute 'clamp' applies to f32 and bf16 results only, this one is i32<0.25:0>"),
  BAD(conv2d, "u8<1e-30:3>[1,4,4,2];i8<1e-30:0>[2,1,1,2]", "", "",
      "the result would have an illegal type: the scale must be finite and > 0"),
  GOOD(conv_transpose2d, "f32[1,4,4,8];f32[3,3,3,8];f32[3]",
       "stride=[2,2] pad=[1,1,1,1] out_pad=[1,1]", "", "f32[1,8,8,3]"),
  GOOD(conv_transpose2d, "f32[1,4,5,4];f32[8,2,2,1]", "groups=4 dilation=[1,3]", "",
       "f32[1,5,8,8]"),
  GOOD(conv_transpose2d, U8 "[1,4,4,8];i8<0.5:0>[3,3,3,8]", "", "", "i32<0.25:0>[1,6,6,3]"),
  BAD(conv_transpose2d, "f32[1,4,4,8];f32[3,3,3,8]", "out_pad=[1,0]", "",
      "attribute 'out_pad' must be less than the stride or the dilation, got 1"),
  BAD(conv_transpose2d, "f32[1,1,4,8];f32[3,3,3,8]", "pad=[2,0,1,0]", "",
      "pad cuts off all rows of the result"),
  BAD(conv_transpose2d, "f32[1,1,4,8];f32[3,3,3,7]", "", "",
      "the weights have 7 input channels, expected 8 (8 / groups)"),
  GOOD(linear, "f32[5,7,4];f32[3,4];f32[3]", "clamp=[0,inf]", "", "f32[5,7,3]"),
  GOOD(linear, "f32[4];f32[3,4]", "", "", "f32[3]"),
  GOOD(linear, U8 "[2,4];i8<{0.5,0.25,1} 0>[3,4];i32[3]", "", "i32<{0.25,0.125,0.5} 1>[]",
       "i32<{0.25,0.125,0.5} 1>[2,3]"),
  BAD(linear, "f32[];f32[3,4]", "", "", "operand 0 (x) must have at least 1 dimension"),
  BAD(linear, "f32[2,5];f32[3,4]", "", "",
      "the last dimension of x is 5, that of the weights is 4"),
  BAD(linear, "f32[2,4];f32[3,4,1]", "", "",
      "operand 1 (weight) must have 2 dimensions, got f32[3,4,1]"),
  BAD(linear, "f32[2,4]", "", "", "takes 2 to 3 operands, got 1"),
  GOOD(matmul, "f32[5,1,2,4];f32[7,4,3]", "", "", "f32[5,7,2,3]"),
  GOOD(matmul, "f32[2,4];f32[3,4]", "transpose_b", "", "f32[2,3]"),
  GOOD(matmul, U8 "[2,4];u8<0.25:7>[4,3]", "", "", "i32<0.125:0>[2,3]"),
  BAD(matmul, "f32[4];f32[4,3]", "", "",
      "operand 0 (a) must have at least 2 dimensions, got f32[4]"),
  BAD(matmul, "f32[2,4];f32[3,4]", "", "", "the inner dimensions differ: 4 and 3"),
  BAD(matmul, "f32[2,2,4];f32[3,4,4]", "", "",
      "shapes [2,2,4] and [3,4,4] do not broadcast: 2 against 3"),
  BAD(matmul, "f32[2,4];u8<0.5:0>[4,4]", "", "",
      "operands must both be f32, both bf16, or both u8 or i8 with one scale, got f32 and "
      "u8<0.5:0>"),
  /* normalization */
  GOOD(batch_norm, "f32[1,4,4,3];f32[3];f32[3];f32[3];f32[3]", "epsilon=0.001", "", "f32[1,4,4,3]"),
  BAD(batch_norm, "f32[1,4,4,3];f32[3];f32[3];f32[3];f32[4]", "", "",
      "operand 4 (variance) must have shape [3] (the channels of x), got [4]"),
  BAD(batch_norm, "f32[1,4,4,3];f32[3];f32[3];f32[3];f32[3]", "epsilon=0", "",
      "attribute 'epsilon' must be finite and above 0"),
  BAD(batch_norm, U8 "[3];f32[3];f32[3];f32[3];f32[3]", "", "",
      "operand 0 (x) must be f32 or bf16, got u8<0.5:3>"),
  BAD(batch_norm, "f32[];f32[3];f32[3];f32[3];f32[3]", "", "",
      "operand 0 (x) must have at least 1 dimension"),
  GOOD(layer_norm, "f32[2,3,4];f32[3,4];f32[3,4]", "axis=1", "", "f32[2,3,4]"),
  GOOD(layer_norm, "f32[2,3,4]", "", "", "f32[2,3,4]"),
  BAD(layer_norm, "f32[2,3,4];f32[3]", "", "",
      "operand 1 (gamma) must have shape [4] (the normalized axes), got [3]"),
  BAD(layer_norm, "f32[2,3,4]", "axis=3", "",
      "attribute 'axis' is 3, but the operand has 3 dimensions"),
  GOOD(layer_norm, U8 "[2,3,4];f32[3,4]", "axis=1", U8 "[]", U8 "[2,3,4]"),
  BAD(layer_norm, U8 "[2,3,4];" U8 "[4]", "", U8 "[]",
      "operand 1 (gamma) must be f32, got u8<0.5:3>"),
  BAD(layer_norm, U8 "[200,200]", "axis=0", U8 "[]",
      "of integers normalizes at most 33000 elements at once: their squares are added in 32 bits"),
  BAD(layer_norm, "f32[2,3,4]", "epsilon=nan", "",
      "attribute 'epsilon' must be finite and above 0"),
  /* pools */
  GOOD(max_pool, U8 "[1,7,8,3]", "kernel=[3,3] stride=[2,2]", "", U8 "[1,3,3,3]"),
  GOOD(max_pool, "f32[1,7,8,3]", "kernel=[3,3] stride=[2,2] ceil_mode", "", "f32[1,3,4,3]"),
  GOOD(max_pool, "f32[1,5,5,3]", "kernel=[1,1] stride=[3,3] ceil_mode", "", "f32[1,2,2,3]"),
  GOOD(max_pool, "f32[1,7,7,3]", "kernel=[2,2] dilation=[3,3] pad=[1,1,1,1]", "", "f32[1,6,6,3]"),
  BAD(max_pool, "f32[1,7,7,3]", "kernel=[2,2] pad=[2,0,0,0]", "",
      "attribute 'pad' must be smaller than the window (2 rows)"),
  BAD(max_pool, "f32[1,7,7,3]", "kernel=[0,2]", "", "attribute 'kernel' must be at least 1, got 0"),
  BAD(max_pool, "f32[1,7,7,3]", "kernel=[2,9]", "",
      "the window (9 columns) is larger than the padded input (7)"),
  BAD(max_pool, "i32[1,7,7,3]", "kernel=[2,2]", "",
      "operand 0 (x) must be f32 or bf16, or u8 or i8 with one scale, got i32"),
  GOOD(avg_pool, "f32[1,8,8,3]", "kernel=[2,2] stride=[2,2]", "", "f32[1,4,4,3]"),
  GOOD(avg_pool, U8 "[1,8,8,3]", "kernel=[2,2] stride=[2,2]", "i8<0.25:-3>[]",
       "i8<0.25:-3>[1,4,4,3]"),
  BAD(avg_pool, U8 "[1,8,8,3]", "kernel=[2,2]", "", "the result's quantization must be given"),
  BAD(avg_pool, U8 "[1,8,8,3]", "kernel=[2,2]", "i32<0.5:0>[]",
      "the result must be u8 or i8 with one scale, got i32<0.5:0>"),
  BAD(avg_pool, "u8<1e30:3>[1,8,8,3]", "kernel=[2,2]", "u8<1e-30:0>[]",
      "the scale of operand 0 (x) over the result's is not a finite fp32 number above 0"),
  GOOD(global_avg_pool, "f32[2,8,8,3]", "", "", "f32[2,1,1,3]"),
  GOOD(global_avg_pool, U8 "[2,8,8,3]", "", U8 "[]", U8 "[2,1,1,3]"),
  BAD(global_avg_pool, "f32[8,8,3]", "", "",
      "operand 0 (x) must have 4 dimensions, got f32[8,8,3]"),
  GOOD(global_max_pool, U8 "[2,8,8,3]", "", "", U8 "[2,1,1,3]"),
  BAD(global_max_pool, "f32[8,3]", "", "", "operand 0 (x) must have 4 dimensions, got f32[8,3]"),
  GOOD(reduce_mean, "f32[2,3,4]", "axes=[-1,0]", "", "f32[1,3,1]"),
  GOOD(reduce_mean, U8 "[2,3,4]", "axes=[1] keepdims=false", "u8<0.25:0>[]", "u8<0.25:0>[2,4]"),
  BAD(reduce_mean, "f32[2,3,4]", "axes=[1,-2]", "", "attribute 'axes' names axis 1 twice"),
  BAD(reduce_mean, "f32[2,3,4]", "axes=[3]", "",
      "attribute 'axes' is 3, but the operand has 3 dimensions"),
  BAD(reduce_mean, "f32[2,3,4]", "axes=[]", "", "attribute 'axes' is empty"),
  GOOD(reduce_sum, "f32[2,3,4]", "axes=[0,1,2] keepdims=false", "", "f32[]"),
  BAD(reduce_sum, "i64[2,3,4]", "axes=[0]", "",
      "operand 0 (x) must be f32 or bf16, or u8 or i8 with one scale, got i64"),
  GOOD(reduce_max, U8 "[2,3,4]", "axes=[0]", "", U8 "[1,3,4]"),
  BAD(reduce_max, "f32[2,3,4]", "axes=[-4]", "",
      "attribute 'axes' is -4, but the operand has 3 dimensions"),
  /* two operands */
  GOOD(add, "f32[2,1,4];f32[3,1]", "clamp=[0,inf]", "", "f32[2,3,4]"),
  GOOD(add, U8 "[2,4];i8<0.25:-1>[4]", "", "u8<1.0:0>[]", "u8<1.0:0>[2,4]"),
  GOOD(add, "i64[2];i64[]", "", "", "i64[2]"),
  BAD(add, "f32[2,3];f32[4]", "", "", "shapes [2,3] and [4] do not broadcast: 3 against 4"),
  BAD(add, "f32[2];i64[2]", "", "",
      "operands must both be f32 or bf16, both i64, both i32, or both u8 or i8 with one scale, got "
      "f32 and i64"),
  BAD(add, U8 "[2];" U8 "[2]", "", "", "the result's quantization must be given"),
  BAD(add, U8 "[2];f32[2]", "", "u8<1.0:0>[]",
      "operands must both be f32 or bf16, both i64, both i32, or both u8 or i8 with one scale, got "
      "u8<0.5:3> and f32"),
  BAD(add, U8 "[2];" U8 "[2]", "clamp=[0,1]", U8 "[]",
      "attribute 'clamp' applies to f32 and bf16 results only, this one is u8<0.5:3>"),
  BAD(add, "i32[2];i32[2]", "clamp=[0,1]", "",
      "attribute 'clamp' applies to f32 and bf16 results only, this one is i32"),
  GOOD(sub, "i32[2];i32[2]", "", "", "i32[2]"),
  BAD(sub, "i32[2];i64[2]", "", "",
      "operands must both be f32 or bf16, both i64, both i32, or both u8 or i8 with one scale, got "
      "i32 and i64"),
  GOOD(mul, U8 "[2];" U8 "[2]", "", "i8<0.125:0>[]", "i8<0.125:0>[2]"),
  BAD(mul, "u8<1e30:3>[2];u8<1e30:3>[2]", "", "u8<1e30:0>[]",
      "s_a * s_b over the result's scale is not a finite fp32 number above 0"),
  GOOD(div, "f32[2];f32[1]", "", "", "f32[2]"),
  BAD(div, U8 "[2];" U8 "[2]", "", U8 "[]", "has no quantized form"),
  GOOD(min, "f32[2];f32[1]", "", "", "f32[2]"),
  BAD(min, "f32[2]", "", "", "takes 2 operands, got 1"),
  GOOD(max, U8 "[2];" U8 "[2]", "", U8 "[]", U8 "[2]"),
  BAD(max, "bool[2];bool[2]", "", "",
      "operands must both be f32 or bf16, both i64, both i32, or both u8 or i8 with one scale, got "
      "bool and bool"),
  GOOD(pow, "f32[2];f32[]", "", "", "f32[2]"),
  BAD(pow, "i64[2];i64[2]", "", "", "operands must both be f32 or bf16, got i64 and i64"),
/* one operand */
#define UNARY(op)                                                                                  \
  GOOD(op, "f32[2,3]", "", "", "f32[2,3]"),                                                        \
      GOOD(op, U8 "[2,3]", "", "i8<0.25:1>[]", "i8<0.25:1>[2,3]"),                                 \
      BAD(op, U8 "[2]", "", "", "the result's quantization must be given"),                        \
      BAD(op, "i64[2]", "", "",                                                                    \
          "operand 0 (x) must be f32 or bf16, or u8 or i8 with one scale, got i64")
#define MC_UNARY(id) UNARY(id),
#include "mc/ir/ops.def"
  BAD(clamp, "f32[2]", "low=1 high=0", "", "needs low <= high"),
  BAD(leaky_relu, "f32[2]", "alpha=inf", "", "attribute 'alpha' must be finite"),
  BAD(elu, "f32[2]", "alpha=nan", "", "attribute 'alpha' must be finite"),
  BAD(hard_sigmoid, "f32[2]", "beta=inf", "", "attribute 'beta' must be finite"),
  GOOD(softmax, "f32[2,3]", "axis=0", "", "f32[2,3]"),
  GOOD(softmax, U8 "[2,3]", "axis=0", U8 "[]", U8 "[2,3]"),
  BAD(softmax, U8 "[2,3]", "", "", "the result's quantization must be given"),
  BAD(softmax, "i32[2,3]", "", "",
      "operand 0 (x) must be f32 or bf16, or u8 or i8 with one scale, got i32"),
  BAD(softmax, "f32[]", "", "", "attribute 'axis' is -1, but the operand has 0 dimensions"),
  /* moving elements */
  GOOD(concat, "f32[2,3];f32[2,1];f32[2,4]", "axis=-1", "", "f32[2,8]"),
  GOOD(concat, U8 "[2];" U8 "[3]", "axis=0", "", U8 "[5]"),
  GOOD(concat, U8 "[2];i8<0.25:1>[3]", "axis=0", U8 "[]", U8 "[5]"),
  GOOD(concat, "i64[2]", "axis=0", "", "i64[2]"),
  BAD(concat, U8 "[2];i8<0.25:1>[3]", "axis=0", "", "the result's quantization must be given"),
  BAD(concat, "f32[2];f64[2]", "axis=0", "", "operand 1 (x) is f64, the first is f32"),
  BAD(concat, "f32[2,3];f32[3,3]", "axis=1", "",
      "operand 1 (x) has shape [3,3], which differs from [2,3] in dimension 0"),
  BAD(concat, "f32[2,3];f32[3]", "axis=1", "", "operand 1 (x) must have 2 dimensions, got f32[3]"),
  BAD(concat, "", "axis=1", "", "takes at least 1 operand, got 0"),
  BAD(concat, "i8<{1.0,1.0} 0>[2]", "axis=0", "",
      "operand 0 (x) must not have a quantization per axis, got i8<@s0 axis=0>"),
  GOOD(split, U8 "[2,9]", "axis=1 sizes=[4,5]", "", U8 "[2,4];" U8 "[2,5]"),
  BAD(split, "f32[2,9]", "axis=1 sizes=[4,4]", "",
      "attribute 'sizes' sums to 8, but dimension 1 is 9"),
  BAD(split, "f32[2,9]", "axis=1 sizes=[9,0]", "", "attribute 'sizes' must be at least 1, got 0"),
  BAD(split, "f32[2,9]", "axis=1 sizes=[]", "", "attribute 'sizes' is empty"),
  GOOD(slice, "f32[5,6]", "starts=[1,5] sizes=[2,3] steps=[2,-2]", "", "f32[2,3]"),
  GOOD(slice, U8 "[5]", "starts=[4] sizes=[1]", "", U8 "[1]"),
  BAD(slice, "f32[5,6]", "starts=[1] sizes=[2,3]", "",
      "attribute 'starts' expects 2 integers (one per dimension), got 1"),
  BAD(slice, "f32[5]", "starts=[5] sizes=[1]", "",
      "attribute 'starts' is 5 in dimension 0, which has 5 elements"),
  BAD(slice, "f32[5]", "starts=[3] sizes=[3]", "",
      "the slice leaves dimension 0, which has 5 elements"),
  BAD(slice, "f32[5]", "starts=[3] sizes=[3] steps=[-2]", "",
      "the slice leaves dimension 0, which has 5 elements"),
  BAD(slice, "f32[5]", "starts=[3] sizes=[3] steps=[-9223372036854775808]", "",
      "the slice leaves dimension 0, which has 5 elements"),
  BAD(slice, "f32[5]", "starts=[3] sizes=[3] steps=[0]", "", "attribute 'steps' must not be 0"),
  BAD(slice, "f32[5]", "starts=[3] sizes=[0]", "", "attribute 'sizes' must be at least 1, got 0"),
  GOOD(pad, "f32[2,3]", "before=[0,1] after=[2,0] value=-inf", "", "f32[4,4]"),
  GOOD(pad, "i64[2]", "before=[1] after=[0] value=7", "", "i64[3]"),
  GOOD(pad, U8 "[3]", "before=[2] after=[2] mode=reflect", "", U8 "[7]"),
  BAD(pad, "f32[3]", "before=[3] after=[2] mode=reflect", "",
      "mode=reflect needs a border smaller than dimension 0, which is 3"),
  BAD(pad, "f32[3]", "before=[-1] after=[2]", "", "attribute 'before' must be at least 0, got -1"),
  BAD(pad, "f32[3]", "before=[1] after=[2,1]", "",
      "attribute 'after' expects 1 integer (one per dimension), got 2"),
  BAD(pad, "i64[3]", "before=[1] after=[2] value=0.5", "",
      "attribute 'value' is not a value of i64"),
  BAD(pad, "i8[3]", "before=[1] after=[2] value=128", "", "attribute 'value' is not a value of i8"),
  BAD(pad, U8 "[3]", "before=[1] after=[2] value=nan", "", "attribute 'value' must be a number"),
  GOOD(reshape, "f32[2,3,4]", "shape=[4,-1]", "", "f32[4,6]"),
  GOOD(reshape, "f32[1]", "shape=[]", "", "f32[]"),
  BAD(reshape, "f32[2,3]", "shape=[4]", "", "6 elements ([2,3]) do not fit a shape of 4"),
  BAD(reshape, "f32[2,3]", "shape=[4,-1]", "", "6 elements ([2,3]) do not fit a shape of 4 and -1"),
  BAD(reshape, "f32[2,3]", "shape=[-1,-1]", "", "attribute 'shape' has more than one -1"),
  BAD(reshape, "f32[2,3]", "shape=[6,0]", "",
      "attribute 'shape' must be at least 1 (or -1 once), got 0"),
  BAD(reshape, "f32[2,3]", "shape=[4294967296,4294967296]", "", "attribute 'shape' is too large"),
  BAD(reshape, "f32[1]", "shape=[1,1,1,1,1,1,1,1,1]", "",
      "attribute 'shape' has 9 dimensions, the most is 8"),
  GOOD(transpose, "f32[2,3,4]", "perm=[2,0,1]", "", "f32[4,2,3]"),
  GOOD(transpose, "i8<{0.5,0.25} 0>[2,3]", "perm=[1,0]", "", "i8<{0.5,0.25} 1>[3,2]"),
  BAD(transpose, "f32[2,3,4]", "perm=[2,0,0]", "",
      "attribute 'perm' is not a permutation of 0 to 2"),
  BAD(transpose, "f32[2,3,4]", "perm=[2,0,-1]", "",
      "attribute 'perm' is not a permutation of 0 to 2"),
  BAD(transpose, "f32[2,3,4]", "perm=[1,0]", "",
      "attribute 'perm' expects 3 integers (one per dimension), got 2"),
  GOOD(broadcast, "f32[3,1]", "shape=[2,3,4]", "", "f32[2,3,4]"),
  BAD(broadcast, "f32[3,2]", "shape=[2,3,4]", "", "shape [3,2] does not broadcast to [2,3,4]"),
  BAD(broadcast, "f32[3,2]", "shape=[2]", "", "attribute 'shape' has 1 dimensions, the operand 2"),
  BAD(broadcast, "f32[1]", "shape=[-1]", "", "attribute 'shape' must be at least 1, got -1"),
  GOOD(resize, U8 "[1,4,4,3]", "size=[8,2]", "", U8 "[1,8,2,3]"),
  GOOD(resize, U8 "[1,4,4,3]", "size=[8,2] mode=bilinear", "i8<0.25:0>[]", "i8<0.25:0>[1,8,2,3]"),
  GOOD(resize, U8 "[1,4,4,3]", "size=[8,2] mode=bilinear", "", U8 "[1,8,2,3]"),
  BAD(resize, "f32[1,4,4,3]", "size=[8,0]", "", "attribute 'size' must be at least 1, got 0"),
  BAD(resize, "f32[4,4,3]", "size=[8,8]", "",
      "operand 0 (x) must have 4 dimensions, got f32[4,4,3]"),
  BAD(resize, "i64[1,4,4,3]", "size=[8,8]", "",
      "operand 0 (x) must be f32 or bf16, or u8 or i8 with one scale, got i64"),
  GOOD(gather, "f32[5,6];i64[2,3]", "axis=-1", "", "f32[5,2,3]"),
  GOOD(gather, "i64[4];i32[]", "", "", "i64[]"),
  BAD(gather, "f32[5,6];f32[2,3]", "", "", "operand 1 (index) must be i64 or i32, got f32"),
  BAD(gather, "f32[5,6];i64[2]", "axis=2", "",
      "attribute 'axis' is 2, but the operand has 2 dimensions"),
  BAD(gather, "f32[1,1,1,1];i64[1,1,1,1,1,1]", "", "",
      "the result would have 9 dimensions, the most is 8"),
  GOOD(early_exit, "f32[1];f32[2,3];f32[2,3]", "", "", "f32[2,3];i32[2]"),
  GOOD(early_exit, "f32[2];f32[1,3];f32[1,3];f32[1,3]", "metric=entropy", "", "f32[1,3];i32[1]"),
  BAD(early_exit, "f32[2];f32[2,3];f32[2,3]", "", "",
      "operand 0 (threshold) must have 1 value, one for each x but the last"),
  BAD(early_exit, "f32[1];f32[2,3];f32[2,4]", "", "",
      "operand 2 (x) must have the shape of the first x"),
  BAD(early_exit, "f32[1];" U8 "[2,3];" U8 "[2,3]", "", "",
      "operand 1 (x) must be f32, got u8<0.5:3>"),
  GOOD(argmax, "f32[2,3]", "", "", "i64[2]"),
  GOOD(argmax, U8 "[2,3]", "axis=0 keepdims", "i32[]", "i32[1,3]"),
  BAD(argmax, "f32[2,3]", "", "f32[]", "the result must be i64 or i32, got f32"),
  BAD(argmax, "i64[2,3]", "", "",
      "operand 0 (x) must be f32, bf16, u8, i8 or i32 with one scale at most, got i64"),
  /* element types */
  GOOD(cast, "i64[2]", "", "f32[]", "f32[2]"),
  BAD(cast, "i64[2]", "", "", "the result's element type must be given"),
  BAD(cast, U8 "[2]", "", "f32[]",
      "operand 0 (x) must not be quantized (dequantize it), got u8<0.5:3>"),
  BAD(cast, "f32[2]", "", U8 "[]",
      "the result must not be quantized (use quantize), got u8<0.5:3>"),
  GOOD(quantize, "f32[2]", "", U8 "[]", U8 "[2]"),
  GOOD(quantize, "f32[2,3]", "", "i8<{0.5,0.25} 0>[]", "i8<{0.5,0.25} 0>[2,3]"),
  BAD(quantize, "f32[2]", "", "", "the result's quantization must be given"),
  BAD(quantize, "f32[2]", "", "u8[]", "the result's quantization must be given"),
  BAD(quantize, "f32[2]", "", "i16<0.5:0>[]", "the result must be u8, i8 or i32, got i16<0.5:0>"),
  BAD(quantize, U8 "[2]", "", U8 "[]", "operand 0 (x) must be f32 or bf16, got u8<0.5:3>"),
  BAD(quantize, "f32[3,3]", "", "i8<{0.5,0.25} 0>[]",
      "the result would have an illegal type: there must be one scale per index of the quantized "
      "axis"),
  GOOD(dequantize, "i32<0.5:0>[2]", "", "", "f32[2]"),
  BAD(dequantize, "i32[2]", "", "", "operand 0 (x) must be quantized, got i32"),
  GOOD(requantize, "i32<{0.25,0.125} 1>[4,2]", "rounding=single", U8 "[]", U8 "[4,2]"),
  GOOD(requantize, U8 "[2]", "", "i8<0.5:-125>[]", "i8<0.5:-125>[2]"),
  BAD(requantize, "i32[2]", "", U8 "[]",
      "operand 0 (x) must be i32 with a quantization, or u8 or i8 with one scale, got i32"),
  BAD(requantize, "i32<0.5:0>[2]", "", "", "the result's quantization must be given"),
  BAD(requantize, "i32<0.5:0>[2]", "", "i32<0.5:0>[]",
      "the result must be u8 or i8 with one scale, got i32<0.5:0>"),
  BAD(requantize, "i32<1e-12:0>[2]", "rounding=double", U8 "[]",
      "rounding=double needs a scale ratio from 2^-32 to 2^29"),
  BAD(requantize, "i32<1e-30:0>[2]", "", "u8<1e30:0>[]",
      "the operand's scale over the result's is not a finite fp32 number above 0"),
};

typedef struct bench {
  mc_module *m;
  mc_graph *g;
  mc_arena *a;
  mc_diag d;
  int scales;
} bench;

/* One type of the notation above; *s ends after it. */
static const mc_type *read_type(bench *b, const char **s) {
  mc_type t = { .dtype = MC_NUM_DTYPES };
  size_t n = strcspn(*s, "<[");
  for (int i = 0; i < MC_NUM_DTYPES; i++)
    if (strlen(mc_dtype_names[i]) == n && !strncmp(*s, mc_dtype_names[i], n)) t.dtype = (mc_dtype)i;
  char *p = (char *)(uintptr_t)*s + n;
  if (p[0] == '<' && p[1] == '{') {
    float v[8];
    int k = 0;
    for (p++; *p != '}';) v[k++] = strtof(p + 1, &p);
    t.q = (mc_quant){ .kind = MC_Q_AXIS, .axis = (int)strtol(p + 1, &p, 10) };
    void *data;
    t.q.scales = mc_tensor_create(b->m, mc_arena_printf(b->a, "s%d", b->scales++), MC_f32, 1,
                                  (int64_t[]){ k }, &data);
    memcpy(data, v, sizeof *v * (size_t)k);
    p++;
  } else if (*p == '<') {
    t.q.kind = MC_Q_TENSOR;
    t.q.scale = strtof(p + 1, &p);
    t.q.zero = (int32_t)strtol(p + 1, &p, 10);
    p++;
  }
  for (p++; *p != ']'; p += *p == ',') t.dim[t.rank++] = strtoll(p, &p, 10);
  *s = p + 1 + (p[1] == ';');
  return mc_type_intern(b->m, &t);
}

/* Types with scales written out, so that tensors' names do not matter. */
static void write_type(mc_strbuf *out, const mc_type *t) {
  mc_type plain = *t;
  if (t->q.kind != MC_Q_AXIS) {
    mc_type_print(out, t);
    return;
  }
  plain.q.kind = MC_Q_NONE;
  mc_sb_printf(out, "%s<{", mc_dtype_names[t->dtype]);
  for (int64_t i = 0; i < t->q.scales->dim[0]; i++) {
    if (i) mc_sb_putc(out, ',');
    mc_sb_float(out, mc_type_scale(t, i));
  }
  mc_sb_printf(out, "} %d>", t->q.axis);
  mc_strbuf b = { 0 };
  mc_type_print(&b, &plain);
  mc_sb_puts(out, strchr(mc_sb_str(&b), '['));
  mc_sb_free(&b);
}

static bool set_attrs(bench *b, const row *r, void *attrs) {
  mc_source src = { "row", r->attrs, strlen(r->attrs) };
  return mc_field_parse_text(mc_ops[r->op].attrs, attrs, &src, 0, (uint32_t)src.size, "the op",
                             b->a, &b->d);
}

static mc_array array_of(bench *b, const mc_type *t) {
  char *p = mc_arena_alloc(b->a, (size_t)mc_type_bytes(t));
  size_t e = mc_dtype_size(t->dtype);
  for (int64_t i = 0; i < mc_type_elems(t); i++) {
    if (t->dtype == MC_f32)
      memcpy(p + (size_t)i * e, &(float){ 0.5f }, e);
    else if (!mc_dtype_is_float(t->dtype))
      p[(size_t)i * e] = 1;
  }
  return (mc_array){ t, p };
}

/* What inference accepts, the reference evaluator can compute. */
static void evaluate(bench *b, const mc_node *n) {
  mc_array in[8], out[8];
  for (int i = 0; i < n->nin; i++) in[i] = array_of(b, n->in[i]->type);
  for (int i = 0; i < n->nout; i++) out[i] = array_of(b, n->out[i]->type);
  bool ok = mc_eval_node(n, in, out, &b->d);
  if (!ok)
    fprintf(stderr, "%s is not evaluated: %s\n", mc_ops[n->op].text,
            b->d.list.n ? b->d.list.v[0].text : "");
  CHECK(ok);
}

static const char *run(bench *b, const row *r) {
  mc_value *in[8];
  int nin = 0;
  for (const char *s = r->in; *s;)
    in[nin++] = mc_graph_add_input(b->g, NULL, read_type(b, &s), mc_noloc);
  void *attrs = mc_arena_alloc(b->a, mc_ops[r->op].attrs_size);
  mc_attrs_init(r->op, attrs, b->a);
  if (!set_attrs(b, r, attrs)) return "bad attributes";
  const char *w = r->want;
  mc_builder bl = { .graph = b->g, .diag = &b->d };
  mc_node *n = mc_build_as(&bl, r->op, in, nin, attrs, *w ? read_type(b, &w) : NULL);
  if (!n) return b->d.list.n ? b->d.list.v[0].text : "no message";
  evaluate(b, n);
  mc_strbuf out = { 0 };
  for (int i = 0; i < n->nout; i++)
    mc_sb_puts(&out, i ? ";" : ""), write_type(&out, n->out[i]->type);
  const char *text = mc_arena_strdup(b->a, mc_sb_str(&out));
  mc_sb_free(&out);
  return text;
}

static void check_row(const row *r) {
  bench b = { .m = mc_module_create(), .a = mc_arena_create() };
  mc_diag_init(&b.d, b.a);
  b.g = mc_graph_create(b.m, "g", mc_noloc);
  const char *got = run(&b, r), *want = r->error ? r->error : r->out;
  strcmp(got, want) == 0 ? (void)0
                         : (void)fprintf(stderr, "%s(%s) {%s} %s\n  gives   %s\n  expected %s\n",
                                         mc_ops[r->op].text, r->in, r->attrs, r->want, got, want);
  CHECK(strcmp(got, want) == 0);
  CHECK((b.d.errors > 0) == (r->error != NULL));
  mc_arena_destroy(b.a);
  mc_module_destroy(b.m);
}

static void every_op_has_rows(void) {
  int good[MC_NUM_OPS] = { 0 }, bad[MC_NUM_OPS] = { 0 };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    (rows[i].error ? bad : good)[rows[i].op]++;
  for (int i = 0; i < MC_NUM_OPS; i++) {
    if (mc_op_has((mc_opcode)i, MC_T_LEAF | MC_T_REGION | MC_T_TERM)) continue; /* graph_test.c */
    if (!good[i] || !bad[i]) fprintf(stderr, "no rows for %s\n", mc_ops[i].text);
    CHECK(good[i] && bad[i]);
  }
}

int main(void) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check_row(&rows[i]);
  every_op_has_rows();
  return CHECK_DONE();
}
