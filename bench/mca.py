#!/usr/bin/env python3
"""Prints what LLVM's models of AArch64 cores say about the inner loops of representative layers (docs/notes/aarch64-model.md).

usage: bench/mca.py [--layers=A,B] [--verbose] [MARCH[:MODEL] ...]      default: every core that LLVM 19 has a model for
Uses mcc of build/release and llvm-mca of LLVM 19; MCC and LLVM_MCA name others.
"""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "mca", "Inputs"))
import mca  # noqa: E402

CORES = ["cortex-a72", "cortex-a76:neoverse-n1", "neoverse-n1", "armv8.2-a+dotprod:neoverse-v1", "armv8.2-a+dotprod:neoverse-v2", "neoverse-n2", "cortex-x2", "neoverse-v1", "neoverse-v2"]
cores = [a for a in sys.argv[1:] if not a.startswith("-")]
mcc = os.environ.get("MCC", os.path.join(ROOT, "build", "release", "bin", "mcc"))
tool = os.environ.get("LLVM_MCA", "/usr/lib/llvm-19/bin/llvm-mca")
sys.exit(mca.main([a for a in sys.argv[1:] if a.startswith("-")] + [mcc, tool] + (cores or CORES)))
