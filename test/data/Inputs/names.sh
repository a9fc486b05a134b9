# names.sh FOLDER PYTHON: the network of names.test in three forms takes all of its data and inputs.
here=$(cd "$(dirname "$0")" && pwd) && cd "$1" && same="$2 $here/same.py y.npz"
for net in net.mir "net.mir --jit" net.o; do
  for data in own text mixed numbers; do
    mc-run $net --data=$data.npz --output=y.npz &&
      $same "np.full((2,2),1.)" "np.full((2,3),2.)" "np.full((2,1),3.)" || exit 1
  done
  for names in "side 2:in/img:0" "side_2:in_img_0"; do
    mc-run $net --input "${names%%:*}=b.npy" --input "${names#*:}=a.npy" --input c=c.npy \
      --output=y.npz && $same "np.full((1,2),5.)" "np.full((1,3),6.)" "np.full((1,1),7.)" || exit 1
  done
done
