"""lowrank_norms.py NET SAMPLES: relative squared errors of the output by norm and repair; the order that they must be in."""
import re
import subprocess
import sys

net, samples = sys.argv[1:3]


def change(norm, repair):
    text = f"lowrank{{macs=0.5 alloc=energy form=spatial norm={norm} repair={repair} data={samples}}}"
    err = subprocess.run(["mc-opt", f"--pass={text}", net, "-o", "-"], check=True, capture_output=True, text=True).stderr
    return float(re.search(r"held-back samples: KL \S+ relative squared error ([-.e\d]+)", err)[1])


plain, data, fitted = change("plain", "none"), change("data", "none"), change("data", "refit")
print("ok" if fitted < data < 0.5 * plain else f"plain {plain}, data {data}, fitted {fitted}")
