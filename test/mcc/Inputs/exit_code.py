"""exit_code.py NAME=VALUE TOOL...: runs the tool with a variable and tells its exit code."""
import os
import subprocess
import sys

name, value = sys.argv[1].split("=", 1)
code = subprocess.run(sys.argv[2:], env={**os.environ, name: value}).returncode
print("exit code", code)
