#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tracepoints in the hands of perf, trace-cmd and bpftrace: each finds them, reads their fields,
# and sees the one handoff that a known program makes. Writes TAP.
#
# As tracefs_test this needs a machine with one processor, and the three programs.

set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tap.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# One M falls asleep and its P goes to another, once; what it writes is of no interest here.
cat >workload <<-EOT
	#!/bin/sh
	exec $here/seeing_test -t histograms >/dev/null 2>&1
EOT
chmod +x workload

perf_counts()
{
	perf stat -x , -o counts -e gsched:gsched_block,gsched:gsched_handoff ./workload &&
		cat counts && grep -q '^1,.*gsched:gsched_handoff' counts
}

perf_records()
{
	perf record -q -o data -e 'gsched:*' ./workload && perf script -i data >script &&
		cat script && [ "$(grep -c 'gsched_handoff: .* blocked_ns=[0-9]' script)" = 1 ]
}

trace_cmd_records()
{
	trace-cmd record -q -e gsched -o trace.dat ./workload >/dev/null &&
		trace-cmd report -q -i trace.dat >report && cat report &&
		[ "$(grep -c 'gsched_handoff: .* blocked_ns=[0-9]' report)" = 1 ] &&
		grep -q 'gsched_grant: .* p_state=BLOCKED .* m_state=WAITING' report
}

bpftrace_aggregates()
{
	bpftrace -c "$BASH $work/workload" -e '
		tracepoint:gsched:gsched_block { @slept_as[args->state] = count(); }
		tracepoint:gsched:gsched_handoff { @blocked_ns = hist(args->ns); @handoffs = count(); }
	' >out && cat out && grep -q '^@handoffs: 1$' out
}

plan 4
check "perf stat counts events" perf_counts
check "perf record and perf script show them" perf_records
check "trace-cmd shows them" trace_cmd_records
check "bpftrace adds them up" bpftrace_aggregates
finish
