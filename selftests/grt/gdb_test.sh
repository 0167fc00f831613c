#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# gdb walks from a goroutine to goexit: from one that runs, and, by the context on its stack, from
# one that is parked.

set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tap.sh"

# A parked context: sp is the first word of the goroutine; upwards from it lie r15, r14, r13, r12,
# rbx, rbp and the return address.
out=$(gdb -q -nx -batch \
	-ex 'set debuginfod enabled off' -ex 'set breakpoint pending on' \
	-ex 'break stop_here' -ex run \
	-ex 'echo @running\n' -ex bt \
	-ex 'set $sp0 = *(unsigned long **)parked' \
	-ex 'set $r15 = $sp0[0]' -ex 'set $r14 = $sp0[1]' -ex 'set $r13 = $sp0[2]' \
	-ex 'set $r12 = $sp0[3]' -ex 'set $rbx = $sp0[4]' -ex 'set $rbp = $sp0[5]' \
	-ex 'set $rip = $sp0[6]' -ex 'set $rsp = (unsigned long)($sp0 + 7)' \
	-ex 'echo @parked\n' -ex bt -ex 'echo @end\n' -ex kill "$here/gdb_prog" 2>&1)

# walk WHICH PATTERN...: its backtrace has frames that match the patterns, in order, and the last
# of them is its last.
walk()
{
	local which=$1
	shift
	printf '%s\n' "$out" | awk -v which="@$which" -v patterns="$*" '
		BEGIN { n = split(patterns, want, " "); i = 1 }
		/^@/ { on = ($0 == which); next }
		!on { next }
		/^#/ { last = 0; if (i <= n && $0 ~ want[i]) { i++; last = 1 } }
		/Backtrace stopped|corrupt/ { bad = 1 }
		END { exit !(i > n && last && !bad) }'
}

plan 2
check "a running goroutine" walk running stop_here running_goroutine gostart goexit
check "a parked goroutine" walk parked gopark grt_park parked_goroutine gostart goexit
[ "$tap_failed" = 0 ] || printf '%s\n' "$out" | sed 's/^/# /'
finish
