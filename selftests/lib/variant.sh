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
#
# A report of a sanitizer ends the program, and so fails its test. There are no suppressions.

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

tests=()
for test; do
	tests+=(-t "grt:$test")
done
[ $# -gt 0 ] || tests=(-c grt)
build >&2
exec env GRT_BACKEND=futex "$out/kselftest/run_kselftest.sh" "${tests[@]}"
