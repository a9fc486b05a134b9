"""sparsify_order.py MC-OPT NET SAMPLES: scores by the change that sparsify measures on held-back samples."""
import re
import subprocess
import sys


def error(options):
    run = subprocess.run([sys.argv[1], f"--pass=sparsify{{pattern=4x4 sparsity=0.6 {options} data={sys.argv[3]}}}",
                          sys.argv[2], "-o", "/dev/null"], capture_output=True, text=True, check=True)
    return float(re.search(r"held-back samples:.*?relative squared error ([\d.e+-]+)", run.stderr)[1])


obs, chance, alone = error("score=obs"), error("score=random"), error("score=l2 repair=none")
print(f"obs {obs}, random {chance}, l2 without repair {alone}")
sys.exit(0 if obs < chance and obs < alone else "obs with repair must lose least")
