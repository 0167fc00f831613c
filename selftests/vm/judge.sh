#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# judge.sh [options] TAP SERIAL
#
# Judges a run of the virtual machine by what it left: TAP, the command's stdout with the trailer
# of guest/init, and SERIAL, the kernel's log. It passes when
#
#   - the trailer is there, and says exit=0 and that the module was unloaded,
#   - every plan, at top level and in every nested test, is fulfilled and in order,
#   - nothing is "not ok" and nothing is skipped,
#   - the kernel is tainted exactly as expected, and warned of nothing.
#
# Otherwise each reason is a line "vm: FAIL: reason", and the exit status is 1.
#
#   --status N        how QEMU ended: its exit status, or 124 when the time was up (0)
#   --timeout S       the time there was, for the message
#   --plan N          there must be N tests at top level; 0 allows a command without TAP
#   --taint N         the expected taint (12288: O and E, an out-of-tree module without signature)
#   --qemu-log FILE   where QEMU's own messages are

set -euo pipefail
. "$(dirname "$0")/../lib/apt.sh"

status=0
timeout='?'
plan=
taint=12288
qemu_log=/dev/null
reasons=0
most_reasons=10

# What a kernel says when something is wrong, and does not when nothing is. An oops panics.
complaints='(^|[^[:alnum:]_])(BUG|WARNING|KFENCE|KASAN|KCSAN|UBSAN|ODEBUG|Oops)[: ]'
complaints+='|INFO: task .* blocked|rcu.*stall|soft lockup|hard LOCKUP'
complaints+='|possible .*(lock|recursi)|unreferenced object|INFO: trying to register'
# and when it stops looking
complaints+='|turning off the locking|leak detector disabled'

taint_names=('P: proprietary module' 'F: module loaded by force' 'S: processor out of specification'
	'R: module unloaded by force' 'M: machine check' 'B: bad page' 'U: user space asked for it'
	'D: oops' 'A: ACPI table overridden' 'W: warning' 'C: staging driver' 'I: firmware bug'
	'O: out-of-tree module' 'E: unsigned module' 'L: soft lockup' 'K: live patch' 'X: auxiliary'
	'T: randomised structures' 'N: in-kernel test')

fail()
{
	reasons=$((reasons + 1))
	[ "$reasons" -gt "$most_reasons" ] || printf 'vm: FAIL: %s\n' "$*"
}

# The serial line ends lines as terminals do.
serial_lines()
{
	tr -d '\r' <"$serial"
}

# The kernel's time stamp says nothing in a reason.
without_stamp()
{
	sed -E 's/^\[[^]]*\] *(\[[^]]*\] *)?//'
}

last_line()
{
	{ serial_lines; cat "$tap"; } | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-200
}

describe_taint()
{
	local is=$1 must=$2 bit text='' name

	for ((bit = 0; bit < 63; bit++)); do
		name=${taint_names[bit]:-bit $bit}
		case $((is >> bit & 1))$((must >> bit & 1)) in
		10) text+=", $name" ;;
		01) text+=", without $name" ;;
		esac
	done
	printf '%s\n' "${text#, }"
}

# Whether the run came to its end; when it did not, nothing that ends have can be asked for.
judge_end()
{
	local panic

	panic=$(serial_lines | grep -m 1 -F 'Kernel panic' | without_stamp || true)
	if [ -n "$panic" ]; then
		fail "kernel panic: ${panic#Kernel panic - }"
	elif [ "$status" = 124 ] || [ "$status" = 137 ]; then
		fail "hang: no trailer after $timeout s, last line: $(last_line)"
	elif [ "$status" != 0 ]; then
		fail "QEMU ended with status $status: $(tail -n 1 "$qemu_log")"
	elif [ -z "$trailer" ]; then
		fail "no trailer (the guest ended early), last line: $(last_line)"
	else
		return 0
	fi
	return 1
}

judge_trailer()
{
	[[ $trailer =~ ^'# exit='([0-9]+)' taint='([0-9]+)' rmmod='([a-z]+)$ ]] || return 0
	local exit=${BASH_REMATCH[1]} is=${BASH_REMATCH[2]} rmmod=${BASH_REMATCH[3]}

	[ "$exit" = 0 ] || fail "the command's exit status is $exit"
	[ "$rmmod" != failed ] || fail "the module could not be unloaded"
	[ "$is" = "$taint" ] ||
		fail "taint $is, expected $taint ($(describe_taint "$is" "$taint"))"
}

judge_log()
{
	local line

	while read -r line; do
		fail "the kernel says: $line"
	done < <(serial_lines | grep -E "$complaints" | without_stamp)
}

main()
{
	local trailer whole='' line

	while [[ ${1:-} == --* ]]; do
		[ $# -ge 2 ] || die "$1 needs a value"
		case $1 in
		--status)	status=$2 ;;
		--timeout)	timeout=$2 ;;
		--plan)		plan=$2 ;;
		--taint)	taint=$2 ;;
		--qemu-log)	qemu_log=$2 ;;
		*)		die "unknown option $1" ;;
		esac
		shift 2
	done
	[ $# = 2 ] || die "usage: judge.sh [options] TAP SERIAL"
	tap=$1
	serial=$2

	# Behind whatever the command left without a newline.
	trailer=$(tail -n 1 "$tap" | grep -oE '# exit=[0-9]+ taint=[0-9]+ rmmod=[a-z]+$' || true)
	if judge_end; then
		whole=1
		judge_trailer
	fi
	judge_log
	while read -r line; do
		fail "$line"
	done < <(awk -v whole="$whole" -v plan="$plan" -f "$(dirname "$0")/tap.awk" "$tap")

	[ "$reasons" -le "$most_reasons" ] ||
		printf 'vm: FAIL: and %d more reasons\n' $((reasons - most_reasons))
	[ "$reasons" = 0 ]
}

main "$@"
