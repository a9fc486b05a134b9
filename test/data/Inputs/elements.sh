# elements.sh FOLDER PYTHON: small whole numbers of every type into inputs of every type.
here=$(cd "$(dirname "$0")" && pwd) && cd "$1" && same="$2 $here/same.py y.npy"
write() { "$2" -c "import numpy as np; np.save('x.npy', np.array($3, '$1'))"; }
for type in f2 f4 f8 i1 u1 i2 u2 i4 u4 i8 u8; do
  write $type "$2" "[[1,2,3],[0,5,100]]" || exit 1
  for net in f32 f64 f16 u8 i64; do
    [ $type$net = u2f16 ] && continue      # bits
    mc-run $net.mir --data=x.npy --output=y.npy && $same "[[1,2,3],[0,5,100]]" || exit 1
  done
done
write "?" "$2" "[[1,0,1],[0,0,1]]" || exit 1
for net in f32 f64 u8 i64 bool; do
  mc-run $net.mir --data=x.npy --output=y.npy && $same "[[1,0,1],[0,0,1]]" || exit 1
done
