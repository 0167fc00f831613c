#!/bin/bash
# SPDX-License-Identifier: MIT
#
# demo_sums.sh BACKEND: digests the tree beside this script on 1, 2 and 8 Ps, by read() and by page
# faults, and compares each output with sha256sum's, which is in the file expected.

set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/tree"
export GRT_BACKEND=$1

line()
{
	printf '  %-8s %4s  %-10s %6s  %9s  %s\n' "$@"
}

# digest PS MODE [OPTION]
digest()
{
	local start=${EPOCHREALTIME/./} end

	../grt-sha256sum -j "$1" "${@:3}" . > /tmp/sums.$$
	end=${EPOCHREALTIME/./}
	if ! cmp -s /tmp/sums.$$ ../expected; then
		echo "demo: FAIL: on $1 Ps by $2 the output is not that of sha256sum:" >&2
		diff /tmp/sums.$$ ../expected | head -n 10 >&2
		exit 1
	fi
	line "$GRT_BACKEND" "$1" "$2" "$(wc -l < /tmp/sums.$$)" \
		"$(((end - start) / 1000)) ms" "equal to sha256sum"
}

trap 'rm -f /tmp/sums.$$' EXIT
line backend Ps "reads by" files time output
for ps in 1 2 8; do
	digest "$ps" "read()"
	digest "$ps" "page fault" --mmap
done
