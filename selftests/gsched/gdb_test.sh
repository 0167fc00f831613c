#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# gdb attaches to a process whose Ms are RUNNING, BLOCKED, PARKED and WAITING at once, looks at each
# thread, steps one over a breakpoint and calls a function in it while the others are stopped and
# hold every P, and detaches. The program goes on as if nothing had been. Writes TAP.
#
# Needs gdb, and gdb_scene beside it.

set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tap.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# gdb numbers threads from 1 as /proc lists them: main(), then the Ms as they were made.
script()
{
	local thread

	echo 'set scheduler-locking on'
	for thread in 1 2 3 4 5; do
		cat <<-EOT
			echo @thread $thread\\n
			thread $thread
			backtrace
		EOT
	done
	# Both come by here again and again: one has a P, the other is WAITING.
	step_and_call 2 do_spin
	step_and_call 5 m_main
	for thread in 1 2 3 4 5; do
		echo "thread $thread"
		# The others sleep in a call, which a step would restart.
		case $thread in 2 | 5) echo 'stepi' ;; esac
		cat <<-EOT
			echo @call $thread\\n
			print gdb_calls(100)
		EOT
	done
	echo 'detach'
}

# To a breakpoint where @function goes on, over it by one instruction, and a call.
step_and_call()
{
	cat <<-EOT
		echo @step $1\\n
		thread $1
		frame function $2
		break *\$pc thread $1
		continue
		stepi
		info symbol \$pc
		print gdb_calls(1)
		delete
	EOT
}

# section NAME: what gdb said in it
section()
{
	awk -v name="@$1" '/^@/ { on = ($0 == name); next } on' "$work/gdb"
}

# seen_whole THREAD TID FUNCTION...: it is among its frames that these are, from the innermost
seen_whole()
{
	local thread=$1 tid=$2

	shift 2
	section "thread $thread" | grep -q "(LWP $tid)" &&
		section "thread $thread" | awk -v functions="$*" '
			BEGIN { n = split(functions, want, " "); i = 1 }
			/^#/ { if (i <= n && $0 ~ ("[ _]" want[i])) i++ }
			/Backtrace stopped|corrupt/ { bad = 1 }
			END { exit !(i > n && !bad) }'
}

# stepped THREAD FUNCTION: it met its breakpoint, went on by one, and called
stepped()
{
	section "step $1" | grep -q 'hit Breakpoint' &&
		section "step $1" | grep -q "^$2" &&
		section "step $1" | grep -q '^\$[0-9]* = [12]$'
}

called()
{
	section "call $1" | grep -q "^\\\$[0-9]* = ${1}0[12]\$"
}

says()
{
	grep -q "^$1\$" "$work/scene"
}

# debug VARIANT: one run of the scene under the debugger
debug()
{
	local variant=$1 line from to pid_of_scene status
	local -a tids

	coproc SCENE { exec "$here/gdb_scene" "$variant" 2>"$work/errors"; }
	pid_of_scene=$SCENE_PID
	exec {from}<&"${SCENE[0]}" {to}>&"${SCENE[1]}"
	eval "exec ${SCENE[0]}<&- ${SCENE[1]}>&-"
	read -r line <&"$from"
	read -ra tids <<<"${line#pid }"

	script >"$work/script"
	timeout 100 gdb -q -nx -batch -ex 'set debuginfod enabled off' -p "${tids[0]:-0}" \
		-x "$work/script" >"$work/gdb" 2>&1
	exec {to}>&-
	cat <&"$from" >"$work/scene"
	exec {from}<&-
	wait "$pid_of_scene"
	status=$?

	check "$variant: main() is seen" seen_whole 1 "${tids[0]}" read obey child main
	check "$variant: the runner is seen" seen_whole 2 "${tids[1]}" do_spin m_main
	check "$variant: the sleeper is seen" seen_whole 3 "${tids[2]}" read gs_do_read m_main
	check "$variant: the parker is seen" seen_whole 4 "${tids[3]}" ioctl gs_park m_main
	check "$variant: the loser is seen" seen_whole 5 "${tids[4]}" m_main
	check "$variant: the runner steps over a breakpoint" stepped 2 do_spin
	check "$variant: the loser steps over a breakpoint" stepped 5 m_main
	for line in 1 2 3 4 5; do
		check "$variant: a function is called in thread $line" called "$line"
	done
	check "$variant: it detaches" grep -q 'detached]' "$work/gdb"
	check "$variant: every call was made, once" says 'called 502'
	check "$variant: the scene is as it was" says 'stands: yes'
	[ "$variant" = slices ] || check "$variant: the debugger ran an M without a P" \
		says 'passed the border: [1-9][0-9]* stepping, [0-9]* traced'
	check "$variant: it ends well" [ "$status" = 0 ]
	[ "$tap_failed" = 0 ] || sed 's/^/# /' "$work/gdb" "$work/scene" "$work/errors"
}

plan 33
debug kept
debug slices
finish
