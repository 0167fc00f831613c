#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test_harness.sh: proves that the harness tells a bad run from a good one, and why it is bad.
# First in virtual machines that really go wrong, two at a time, then with recorded text.
# Writes TAP.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

planned=34
number=0
failed=0

# result NAME STATUS [FILE]: one line of TAP, and what there was in FILE when it is a bad one.
result()
{
	number=$((number + 1))
	if [ "$2" = 0 ]; then
		echo "ok $number $1"
	else
		failed=1
		echo "not ok $number $1"
		[ -z "${3:-}" ] || sed 's/^/# /' "$3"
	fi
}

# boot NAME OPTION...: a machine in the background; what it said and how it ended, in files.
boot()
{
	local name=$1 status=0

	shift
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n || true
	done
	{
		"$here/run.sh" "$@" >"$work/$name" 2>&1 </dev/null || status=$?
		echo "$status" >"$work/$name.status"
	} &
}

# passed NAME WHAT: the machine NAME ended well.
passed()
{
	[ "$(<"$work/$1.status")" = 0 ] && status=0 || status=1
	result "$2" "$status" "$work/$1"
}

# reported NAME WHAT REGEX: the machine NAME was found bad, for that reason.
reported()
{
	[ "$(<"$work/$1.status")" = 1 ] && grep -qE "^vm: FAIL: $3" "$work/$1" && status=0 || status=1
	result "$2" "$status" "$work/$1"
}

# shellcheck disable=SC2016 # for the guest's shell
good_test='echo TAP version 13; echo 1..1; echo "ok 1 fine, $(nproc) processors"'
bad_test='echo TAP version 13; echo 1..3; echo ok 1 fine; echo not ok 2 broken
	echo 1 >/proc/sys/kernel/tainted
	echo "<4>WARNING: CPU: 0 PID: 1 at provoked by the test" >/dev/kmsg
	exit 3'

# In front of QEMU: keeps the words it was called with.
spy_on_qemu()
{
	mkdir "$work/bin"
	cat >"$work/bin/qemu-system-x86_64" <<-EOT
		#!/bin/sh
		echo "\$@" >"$work/qemu.words"
		exec $(command -v qemu-system-x86_64) "\$@"
	EOT
	chmod +x "$work/bin/qemu-system-x86_64"
}

boot_all()
{
	boot hang --kernel 6.1 --module none --timeout 12 -- sleep 1000
	boot stuck --kernel 6.12 --module none --boot-timeout 6 \
		--append 'rdinit=/bin/busybox -- sleep 1000' -- true
	boot panic --kernel 6.12 --module none -- sh -c 'echo c >/proc/sysrq-trigger'
	boot early --kernel 6.1 --module none -- poweroff -f
	boot bad --kernel 6.12 --module none --plan 3 -- bash -c "$bad_test"
	boot good-6.1 --kernel 6.1 --cpus 4 -- bash -c "$good_test"
	boot good-6.12 --kernel 6.12 --out "$work/out" --tap "$work/good.tap" -- \
		bash -c "$good_test; echo brought back >/out/file"
	spy_on_qemu
	PATH=$work/bin:$PATH boot one-thread --kernel 6.12 --cpus 4 --one-thread -- \
		bash -c "cd /sys/devices/system/cpu/cpu3; echo 0 >online; echo 1 >online; $good_test"
	wait
}

judge_boots()
{
	passed good-6.1 "a good run passes, on 6.1 with four processors"
	passed good-6.12 "a good run passes, on 6.12"
	grep -qx 'ok 1 fine, 4 processors' "$work/good-6.1" && status=0 || status=1
	result "there are four processors" "$status" "$work/good-6.1"
	grep -qx 'brought back' "$work/out/file" && status=0 || status=1
	result "a file comes back" "$status" "$work/good-6.12"
	grep -qx 'ok 1 fine, 2 processors' "$work/good.tap" && status=0 || status=1
	result "the TAP comes back" "$status" "$work/good-6.12"

	passed one-thread "a good run passes with a processor that goes and comes back"
	grep -qE 'accel (kvm|tcg,thread=single)' "$work/qemu.words" && status=0 || status=1
	result "all processors are in one thread" "$status" "$work/qemu.words"

	reported panic "a panic" 'kernel panic: not syncing: sysrq triggered crash'
	reported hang "a hang" 'hang: no trailer after 12 s, last line: .'
	reported stuck "a guest that does not come up, twice" 'hang: no trailer after 6 s'
	reported early "a missing trailer" 'no trailer \(the guest ended early\)'
	reported bad "a wrong taint" 'taint 1, expected 0 \(P: proprietary module\)'
	reported bad "a warning of the kernel" 'the kernel says: WARNING: CPU: 0'
	reported bad "a test that failed" 'not ok: not ok 2 broken'
	reported bad "a plan not fulfilled" 'plan not fulfilled: 2 of 3'
	reported bad "an exit status" "the command's exit status is 3"
}

trailer='# exit=0 taint=12288 rmmod=ok'

# judge NAME REGEX TAP SERIAL OPTION...: recorded text is judged; REGEX is the reason, or - when
# it must pass. Backslash escapes in TAP and SERIAL are expanded.
judge()
{
	local name=$1 regex=$2 verdict=0

	printf '%b' "$3" >"$work/tap"
	printf '%b' "$4" >"$work/serial"
	shift 4
	"$here/judge.sh" "$@" "$work/tap" "$work/serial" >"$work/reasons" 2>&1 || verdict=$?
	if [ "$regex" = - ]; then
		status=$verdict
	else
		[ "$verdict" = 1 ] && grep -qE "^vm: FAIL: $regex" "$work/reasons" &&
			status=0 || status=1
	fi
	result "judge: $name" "$status" "$work/reasons"
}

judge_texts()
{
	local flat="TAP version 13\n1..2\nok 1 a\nok 2 b\n$trailer\n"
	local nested="TAP version 13\n1..1\n# TAP version 13\n# 1..2\n# ok 1 a\n"

	judge "flat" - "$flat" ''
	judge "nested as kselftest does it" - "$nested# ok 2 b\nok 1 all\n$trailer\n" ''
	judge "two streams in a row" - "1..1\nok 1 a\n1..1\nok 1 b\n$trailer\n" '' --plan 2
	judge "no TAP where none is due" - "words\n$trailer\n" '' --plan 0
	judge "taint as told" - "${flat/12288/4096}" '' --taint 4096
	judge "a nested plan not fulfilled" 'plan not fulfilled: 1 of 2 tests \(nested 1 deep\)' \
		"${nested}ok 1 all\n$trailer\n" ''
	judge "a nested failure under a good result" 'not ok: not ok 2 b' \
		"${nested}# not ok 2 b\nok 1 all\n$trailer\n" ''
	judge "a skipped test" 'skipped: ok 2 b # SKIP' "${flat/2 b/2 b # SKIP no reason}" ''
	judge "a lost line" 'test 3 where 2 is due' "${flat/ok 2/ok 3}" ''
	judge "fewer tests than expected" 'tests at top level: 2, expected 3' "$flat" '' --plan 3
	judge "no tests at all" 'no tests at all' "$trailer\n" ''
	judge "a module that stays" 'the module could not be unloaded' "${flat/=ok/=failed}" ''
	judge "a lost taint" 'taint 4096, expected 12288 \(without E: unsigned module\)' \
		"${flat/12288/4096}" ''
	judge "a report of KFENCE" 'the kernel says: BUG: KFENCE' "$flat" \
		'[   10.1] BUG: KFENCE: use-after-free write in x+0x1/0x2\r\n'
	judge "a leak" 'the kernel says: unreferenced object' "$flat" \
		'unreferenced object 0xffff888004cbd000 (size 512):\r\n'
	judge "an object freed in use" 'the kernel says: ODEBUG: free active' "$flat" \
		'[   10.1] ODEBUG: free active (active state 0) object: 0 object type: hrtimer\r\n'
	judge "lockdep that gave up" 'the kernel says: turning off the locking' "$flat" \
		'[   10.1] turning off the locking correctness validator.\r\n'
	judge "QEMU that does not start" 'QEMU ended with status 1' '' '' --status 1
}

echo "TAP version 13"
echo "1..$planned"
boot_all
judge_boots
judge_texts
[ "$number" = "$planned" ] || failed=1
exit "$failed"
