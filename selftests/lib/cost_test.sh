#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# cost_test.sh MODULE...
#
# What the hooks may cost an M that holds no P. Its way through hooks_sched_out() calls nobody (but if
# it dies, or has just run user code without a P, which is counted and rare), so the longest way
# through the compiled function that calls nobody and returns is a bound, whatever the M does. The
# call of __fentry__ is counted as the nop that it is unless the function is traced.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
limit=60

number=0
status=0
echo 'TAP version 13'
echo "1..$#"
for module in "$@"; do
	number=$((number + 1))
	name="at most $limit instructions without a P: ${module#"$here/../../"}"
	if found=$(objdump -dr --no-show-raw-insn "$module" | python3 "$here/longest_path.py" \
			hooks_sched_out "$limit"); then
		echo "# $found"
		echo "ok $number - $name"
	else
		echo "# $found"
		echo "not ok $number - $name"
		status=1
	fi
done
exit $status
