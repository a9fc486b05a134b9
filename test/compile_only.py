"""Tests for a level that this machine can neither run nor emulate (lit.cfg.py, native=LEVEL): a test
holds up to the first thing that must run. There it ends as skipped, with what was said. Any other
failure is one."""
import re
import lit.Test
import lit.formats

NEEDS_MACHINE = re.compile(
    r"the object needs .*, which this machine does not have"
    r"|level '.*': this machine does not have it"
    r"|(which|this machine) cannot run (code for )?\S+"
    r"|SIGILL|Illegal instruction|exit status: -4\b")


class Format(lit.formats.ShTest):
    def __init__(self, level):
        super().__init__(execute_external=False)
        self.level = level

    def execute(self, test, lit_config):
        result = super().execute(test, lit_config)
        found = NEEDS_MACHINE.search(result.output) if result.code is lit.Test.FAIL else None
        if not found:
            return result
        why = f"compiled only, level {self.level}: {found.group()}"
        return lit.Test.Result(lit.Test.UNSUPPORTED, why)
