"""usage: long_sum.py map|linear N: a graph that adds N values, after a linear layer or not."""
import sys

linear, n = sys.argv[1] == "linear", int(sys.argv[2])
inputs = ["%a: f32[3,7]"] * linear + [f"%x{i}: f32[3,8]" for i in range(n)]
print(f"mir 1\ngraph @g({', '.join(inputs)}) -> f32[3,8] {{")
last = "x0"
if linear:
    print("  %w = const dense<0.5> : f32[8,7]\n  %y = linear %a, %w : f32[3,8]")
    last = "y"
    # inputs of the graph do not join a product, what is computed does
    for i in range(n):
        print(f"  %e{i} = softmax %x{i} : f32[3,8]")
for i in range(0 if linear else 1, n):
    print(f"  %s{i} = add %{last}, %{'e' if linear else 'x'}{i} : f32[3,8]")
    last = f"s{i}"
print(f"  return %{last}\n}}")
