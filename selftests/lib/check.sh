#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [--full | STAGE...]
#
# Runs the tests: all stages but those that take long, with --full these, too, or those named
# (check.sh --list names them). Each stage writes TAP; its whole output is kept in
# build/check/STAGE.log, and what failed is shown. A stage that ends with a status other than 0 or
# finds no test counts as a failure, whatever it printed. At the end there is a table.
#
# The last line is "N passed, N failed, N skipped"; exit status 0 only if nothing failed, and
# nothing was skipped.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
logs=$top/build/check
counts=$top/build/coverage
stage_dir=$top/build/stage
vm=$top/selftests/vm/run.sh
jobs=$(nproc)

# One test: a build without a warning, or whatever else has only an exit status.
as_test()
{
	local name=$1

	shift
	echo 'TAP version 13'
	echo '1..1'
	if "$@" >&2; then
		echo "ok 1 - $name"
	else
		echo "not ok 1 - $name"
		return 1
	fi
}

# ---- The stages; what stands behind each name is what it proves ----

# The library, its programs and its tests, without a warning, and installed as users have them.
build_gcc()
{
	as_test 'gcc builds libgrt, the examples and the tests' "$here/stage.sh"
}

build_clang()
{
	as_test 'clang builds libgrt' make -s -C "$top/libgrt" CC=clang O="$top/build/clang" -j"$jobs"
}

# The module for each kernel, with W=1 and warnings as errors.
build_kmod()
{
	echo 'TAP version 13'
	echo '1..2'
	"$top/selftests/vm/build.sh" 6.1 >&2 && echo 'ok 1 - the module for 6.1' ||
		echo 'not ok 1 - the module for 6.1'
	"$top/selftests/vm/build.sh" 6.12 >&2 && echo 'ok 2 - the module for 6.12' ||
		echo 'not ok 2 - the module for 6.12'
}

# The same tests of the library run here, on futexes, and in the virtual machines, on the device.
host_grt()
{
	env GRT_BACKEND=futex "$stage_dir/kselftest/run_kselftest.sh" -c grt
}

# guest CPUS KERNEL COMMAND: with the library and all tests installed.
guest()
{
	local cpus=$1 kernel=$2

	shift 2
	"$vm" --kernel "$kernel" --cpus "$cpus" --timeout 900 --root "$stage_dir" -- "$@"
}

# The same where task_work_add() is not exported, or is as if it were not.
guest_file()
{
	local cpus=$1 kernel=$2

	shift 2
	"$vm" --kernel "$kernel" --cpus "$cpus" --timeout 900 --root "$stage_dir" \
		--module-args border_file=1 -- "$@"
}

# one_thread KERNEL COMMAND: for a test that has the kernel rewrite its own code while several
# processors run.
one_thread()
{
	local kernel=$1

	shift
	"$vm" --kernel "$kernel" --cpus 4 --one-thread --timeout 600 --root "$stage_dir" -- "$@"
}

# counted CPUS NAME ARGUMENT... -- COMMAND: on the debug kernel; what of the module was executed is
# kept. That kernel is slow in a way of its own, so the tests' own limits hold, not the runner's.
counted()
{
	local cpus=$1 name=$2

	shift 2
	rm -rf "${counts:?}/$name"
	"$vm" --kernel debug --cpus "$cpus" --mem 4G --timeout 3000 --root "$stage_dir" \
		--out "$counts/$name" "$@"
}

coverage()
{
	local assignments KRELEASE

	assignments=$("$top/selftests/vm/kernels.sh" debug)
	eval "$assignments"
	"$here/coverage.py" "$top/build/kmod-$KRELEASE/kmod" "$here/coverage.txt" "$counts"/*/gcov
}

# The programs that read tracepoints, from this machine, in a guest.
trace_tools()
{
	local tool bins=()

	for tool in perf trace-cmd bpftrace; do
		bins+=(--bin "$(command -v "$tool")")
	done
	"$vm" --cpus 1 --timeout 900 --root "$stage_dir" "${bins[@]}" -- \
		/kselftest/gsched/tools_test.sh
}

# gdb from this machine, with as much of Python as it takes to start, in a guest.
debugger()
{
	local kernel=$1 root=$top/build/gdb-$1 gdb python

	gdb=$(command -v gdb)
	python=$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
	rm -rf "$root"
	mkdir -p "$root$python" "$root/usr/share"
	cp -r /usr/share/gdb "$root/usr/share"
	cp "$python"/*.py "$root$python"
	cp -r "$python"/{collections,encodings,importlib,re} "$root$python"
	"$vm" --kernel "$kernel" --cpus 4 --timeout 900 --root "$stage_dir" --root "$root" \
		--bin "$gdb:$gdb" -- /kselftest/gsched/gdb_test.sh
}

any_procs_programs()
{
	(cd "$top/selftests/grt" && grep -l any_procs ./*_test.c | sed 's/\.c$//')
}

# procs BACKEND FOLDER PS...: the tests that hold with any number of Ps, with so many.
procs()
{
	local backend=$1 folder=$2 n program

	shift 2
	for n in "$@"; do
		for program in $programs; do
			env GRT_BACKEND="$backend" GRT_TEST_PROCS="$n" "$folder/$program"
		done
	done
}

procs_here()
{
	local programs

	programs=$(any_procs_programs)
	procs futex "$stage_dir/kselftest/grt" "$1"
}

procs_guest()
{
	guest 2 "$1" env programs="$(any_procs_programs | tr '\n' ' ')" \
		bash -c "$(declare -f procs); procs gsched /kselftest/grt 1 2 8 64"
}

# storm BACKEND: a minute on each number of Ps; and Go's tests with all their rounds.
storm()
{
	env GRT_STORM_MS=60000 GRT_TEST_FULL=1 GRT_BACKEND="$1" bash -c \
		'for t in storm foreign gochan gotime; do "$0/${t}_test" || status=1; done; exit ${status:-0}' \
		"${2:-$stage_dir/kselftest/grt}"
}

# In a guest it is the same, but for where it is.
storm_guest()
{
	guest 2 "$1" bash -c "$(declare -f storm); storm gsched /kselftest/grt"
}

cost()
{
	"$here/cost_test.sh" "$("$top/selftests/vm/build.sh" 6.1)" \
		"$("$top/selftests/vm/build.sh" 6.12)"
}

model()
{
	"$top/selftests/model/run.sh" --short
}

# What is built is used by the stages after it. The longest come first, so that none is left over.
builds=(
	"build_gcc"
	"build_kmod"
	"build_clang"
)

stages=(
	"device_6.12 guest 4 6.12 /kselftest/run_kselftest.sh -c gsched"
	"model"
	"fuzz_6.12 guest 4 6.12 /kselftest/fuzz/fuzz --time 60"
	"device_6.1 guest 4 6.1 /kselftest/run_kselftest.sh -c gsched"
	"file_6.1 guest_file 4 6.1 /kselftest/run_kselftest.sh -c gsched"
	"host_grt"
	"tsan $here/variant.sh tsan"
	"asan $here/variant.sh asan"
	"ubsan $here/variant.sh ubsan"
	"lockrank $here/variant.sh lockrank"
	"stress env GRT_BACKEND=futex GRT_STRESS_MS=15000 $stage_dir/kselftest/grt/stress_test"
	"tls $here/tls_test.sh"
	"grt_6.12 guest 2 6.12 env GRT_BACKEND=gsched /kselftest/run_kselftest.sh -c grt"
	"grt_6.1 guest 2 6.1 env GRT_BACKEND=gsched /kselftest/run_kselftest.sh -c grt"
	"trace_6.12 guest 1 6.12 /kselftest/gsched/tracefs_test"
	"trace_6.1 guest 1 6.1 /kselftest/gsched/tracefs_test"
	"idle_6.12 guest 1 6.12 /kselftest/gsched/idle_test"
	"idle_6.1 guest 1 6.1 /kselftest/gsched/idle_test"
	"idle_file_6.1 guest_file 1 6.1 /kselftest/gsched/idle_test"
	"hotplug_6.12 one_thread 6.12 /kselftest/gsched/hotplug_test"
	"hotplug_6.1 one_thread 6.1 /kselftest/gsched/hotplug_test"
	"trace_tools"
	"debugger_6.12 debugger 6.12"
	"debugger_6.1 debugger 6.1"
	"vm_harness $top/selftests/vm/test_harness.sh"
	"cost"
	"lint $here/lint.sh"
	"requirements $here/requirements_test.sh"
	"procs_1 procs_here 1"
	"procs_2 procs_here 2"
	"procs_8 procs_here 8"
	"procs_64 procs_here 64"
	"docs $here/docs_test.sh"
	"install $here/install_test.sh"
	"readme $here/readme_test.sh"
	"gdb $stage_dir/kselftest/grt/gdb_test.sh"
)

# What takes long, and is not needed to see that a change is a good one.
long_stages=(
	"model_long $top/selftests/model/run.sh --long -j 1"
	"device_debug counted 4 device -- /kselftest/run_kselftest.sh -o 0 -c gsched"
	"file_debug counted 4 file --module-args border_file=1 -- /kselftest/run_kselftest.sh -o 0 -c gsched"
	"fuzz_debug counted 4 fuzz -- /kselftest/fuzz/fuzz --ops 1000000 --patience 300"
	"grt_debug counted 4 grt -- env GRT_BACKEND=gsched /kselftest/run_kselftest.sh -o 0 -c grt"
	"failnth_debug counted 4 failnth -- /kselftest/gsched/failnth_test"
	"failnth_file_debug counted 4 failnth_file --module-args border_file=1 -- /kselftest/gsched/failnth_test"
	"trace_debug counted 1 trace -- /kselftest/gsched/tracefs_test"
	"idle_debug counted 1 idle -- /kselftest/gsched/idle_test"
	"mutants_library $top/selftests/mutants/run.py library"
	"mutants_kernel $top/selftests/mutants/run.py kernel"
	"storm_futex storm futex"
	"stress_long env GRT_BACKEND=futex GRT_STRESS_MS=225000 $stage_dir/kselftest/grt/stress_test"
	"storm_gsched storm_guest 6.12"
	"valgrind $here/variant.sh valgrind"
	"procs_gsched procs_guest 6.12"
	"suspend_debug counted 4 suspend --one-thread -- /kselftest/gsched/suspend_test"
	"file_6.12 guest_file 4 6.12 /kselftest/run_kselftest.sh -c gsched"
	"preempt_6.12 guest 2 6.12 env GRT_BACKEND=gsched GRT_ABUSE_MS=300000 /kselftest/grt/preempt_test"
	"border_10000 guest 4 6.12 env BORDER_ROUNDS=10000 /kselftest/gsched/border_test"
	"border_file_10000 guest_file 4 6.12 env BORDER_ROUNDS=10000 /kselftest/gsched/border_test"
	"fuzz_6.1 guest 4 6.1 /kselftest/fuzz/fuzz --time 240"
)

# What of the module the stages on the debug kernel executed.
last_stages=(
	"coverage"
)

# ---- Running them ----

# What went wrong, for somebody who sees nothing but this.
show_failure()
{
	grep -E '^(# |  )*not ok|^vm: FAIL|error:|Error [0-9]' "$1" | head -n 30 || true
	echo "check: the last lines of $1:"
	tail -n 15 "$1"
}

# One line for the reader, and the counts into a file for the sum.
run_stage()
{
	local name=$1 log=$logs/$1.log started=$SECONDS status=0 p f s

	shift
	[ $# -gt 0 ] || set -- "$name"
	echo "$name 0 1 0 0" >"$logs/$name.count"	# for the case that nobody comes to say otherwise
	"$@" >"$log" 2>&1 </dev/null || status=$?
	read -r p f s < <(awk -f "$here/count.awk" "$log")
	if [ "$f" = 0 ] && { [ "$status" != 0 ] || [ $((p + s)) = 0 ]; }; then
		f=1
		echo "check: $name ended with status $status after $p tests"
	fi
	echo "check: $name: $p passed, $f failed, $s skipped ($((SECONDS - started)) s)"
	[ "$f" = 0 ] || show_failure "$log"
	echo "$name $p $f $s $((SECONDS - started))" >"$logs/$name.count"
}

wanted()
{
	local name=$1 w

	shift
	[ $# -gt 0 ] || return 0
	for w in "$@"; do
		[ "$w" != "$name" ] || return 0
	done
	return 1
}

# run_all STAGE...: those that are wanted, two at a time, as many as there are processors to spare
# on a small machine: a guest keeps one busy.
run_all()
{
	local line
	local -a words

	for line in "$@"; do
		read -ra words <<<"$line"
		wanted "${words[0]}" "${only[@]}" || continue
		# counted each time: wait -n may also name a job that ended long ago
		while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
			wait -n || true
		done
		run_stage "${words[@]}" &
	done
	wait
}

sum()
{
	awk '
		BEGIN { printf "\n%-20s %8s %8s %8s %8s\n", "stage", "passed", "failed", "skipped", "seconds" }
		{ printf "%-20s %8d %8d %8d %8d\n", $1, $2, $3, $4, $5; p += $2; f += $3; s += $4 }
		END {
			printf "\n%d passed, %d failed, %d skipped\n", p, f, s
			exit f || s || !p
		}' "$logs"/*.count
}

main()
{
	local -a only=("$@")

	case ${1:-} in
	--list)
		printf '%s\n' "${builds[@]%% *}" "${stages[@]%% *}" "${long_stages[@]%% *}" \
			"${last_stages[@]%% *}"
		exit 0
		;;
	--full)
		only=()
		rm -rf "$counts"
		;;
	'')
		long_stages=()
		last_stages=()
		;;
	esac
	rm -rf "$logs"
	mkdir -p "$logs"
	trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
	run_all "${builds[@]}"
	run_all "${long_stages[@]}" "${stages[@]}"
	run_all "${last_stages[@]}"
	sum
}

main "$@"
