#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# variant.sh VARIANT [TEST...]
#
# Builds libgrt and its tests in another way, in build/VARIANT, and runs all of its tests, or those
# named, here on the futex backend:
#
#   lockrank  the order of the runtime's locks is checked
#   asan      AddressSanitizer: memory and stacks, and what is never freed
#   ubsan     UndefinedBehaviorSanitizer
#   tsan      ThreadSanitizer: data races
#   valgrind  under Valgrind's memcheck, which knows the goroutines' stacks then
#
# A report of a sanitizer, or of memcheck, ends the program, and so fails its test. There are no
# suppressions.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

KSFTDIR=$("$here/ksft.sh")
export KSFTDIR
# Reports end as the runtime's own deaths do, by a signal (grt_harness.h); a fault of the program
# stays one, as the test of the guard below a stack wants it.
export ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1:handle_segv=0
export UBSAN_OPTIONS=abort_on_error=1:print_stacktrace=1
# The threads of a runtime outlive grt_run(), as goroutines do that are left then.
export TSAN_OPTIONS=abort_on_error=1:halt_on_error=1:report_thread_leaks=0:handle_segv=0

flags=()	# of the compiler, for library and tests
link=()		# of the compiler, for tests
lib=()		# of libgrt's make
case ${1:-} in
lockrank)
	lib=(LOCKRANK=1)
	flags=(-O2 -DGRT_LOCKRANK)
	;;
asan)
	flags=(-O1 -fsanitize=address -fno-omit-frame-pointer)
	# The runner preloads a library, which would come before the sanitizer's.
	link=(-static-libasan)
	;;
ubsan)
	flags=(-O1 -fsanitize=undefined -fno-sanitize-recover=all)
	;;
tsan)
	flags=(-O1 -fsanitize=thread)
	# As the library's Makefile has it, for the test that is linked with it at once.
	link=(--param tsan-instrument-func-entry-exit=0 -Wno-tsan)
	;;
valgrind)
	lib=(VALGRIND=1)
	flags=(-O1 -DGRT_VALGRIND)
	;;
*)
	sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
variant=$1
shift
out=$top/build/$variant

build()
{
	make -s -C "$top/libgrt" -j"$(nproc)" O="$out/libgrt" CFLAGS="-g ${flags[*]}" "${lib[@]}"
	make -s -C "$top/selftests" -j"$(nproc)" TARGETS=grt BUILD="$out/selftests" \
		GRT_BUILD="$out/libgrt" USERCFLAGS="${flags[*]} ${link[*]}" \
		INSTALL_PATH="$out/kselftest" install
}

# Puts a script in each program's place that runs it under memcheck. That takes longer, and the
# programs have only their own limits then.
under_memcheck()
{
	local dir=$out/kselftest/grt test

	mkdir -p "$dir/programs"
	cat >"$dir/memcheck.sh" <<-'EOF'
		#!/bin/sh
		exec valgrind -q --fair-sched=yes --num-callers=20 --exit-on-first-error=yes \
			--error-exitcode=99 "./programs/${0##*/}" "$@"
	EOF
	chmod +x "$dir/memcheck.sh"
	for test in "$dir"/*_test; do
		mv "$test" "$dir/programs"
		ln -s memcheck.sh "$test"
	done
	# Of the control words of SSE and x87 Valgrind has only how to round.
	export KSELFTEST_ATTR_TEST_ARGS='-T control_words -T control_words_move'
	options=(-o 0)
}

# Not under memcheck: shells start these programs, which run outside of it then; and libunwind
# learns whether an address is there by having the kernel read it.
not_under_memcheck=(main_test.sh sha256sum_test.sh unwind_test)

# Two at a time would build over one another.
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
build >&2
tests=("$@")
options=()
if [ "$variant" = valgrind ]; then
	under_memcheck
	[ $# -gt 0 ] || mapfile -t tests < <(sed 's/^grt://' "$out/kselftest/kselftest-list.txt" |
		grep -vxF "$(printf '%s\n' "${not_under_memcheck[@]}")")
fi
[ ${#tests[@]} -gt 0 ] || options+=(-c grt)
for test in "${tests[@]}"; do
	options+=(-t "grt:$test")
done
exec env GRT_BACKEND=futex "$out/kselftest/run_kselftest.sh" "${options[@]}"
