#!/bin/sh
# Takes the place of ssh: [options] HOST -- COMMAND, run here.
while [ "$1" != -- ]; do shift; done
shift
SHELL=/bin/sh exec sh -c "$*"
