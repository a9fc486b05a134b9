"""Text of a network that gives its inputs back. usage: identity.py NAME:TYPE[=SOURCE]..."""
import sys

ins = []
for a in sys.argv[1:]:
    name, rest = a.split(":", 1)
    kind, *source = rest.split("=", 1)
    ins.append((name, kind, f' loc("{source[0]}")' if source else ""))
types = ", ".join(i[1] for i in ins)
print("mir 1\n")
print(f"graph @net({', '.join(f'%{n}: {t}{s}' for n, t, s in ins)}) -> {types} {{")
print("  return " + ", ".join(f"%{i[0]}" for i in ins) + "\n}")
