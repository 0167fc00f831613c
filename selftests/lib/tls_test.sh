#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tls_test.sh: thread-local variables in the compiled library. Writes TAP.
#
# Description: a goroutine that parks may come back on another thread, and a compiler that has
# computed the address of a thread-local variable before may use it after. So nothing in the library
# but getg() and setg() touches thread-local storage, also where the optimizer sees the whole library
# at once, and with either compiler.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Which functions of an object touch thread-local storage, sorted.
users()
{
	objdump -d --no-show-raw-insn "$1" | awk '
		/^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name) }
		/%fs:|__tls_get_addr/ { print name }' | sort -u | tr '\n' ' '
}

# library NAME WORD...: the library built so has no others.
library()
{
	local name=$1

	shift
	make -s -C "$top/libgrt" -j"$(nproc)" O="$work/$name" "$@" "$work/$name/libgrt.so.0.1.0" >&2
	[ "$(users "$work/$name/libgrt.so.0.1.0")" = "getg setg " ] && return
	users "$work/$name/libgrt.so.0.1.0"
	return 1
}

# What is planted is found: the check does not pass for want of looking.
planted()
{
	cat >"$work/planted.c" <<-'END'
		static __thread int n;
		int count(void);
		int count(void) { return ++n; }
	END
	gcc -O2 -fPIC -ftls-model=initial-exec -c "$work/planted.c" -o "$work/ie.o"
	gcc -O2 -fPIC -shared "$work/planted.c" -o "$work/gd.so"
	[ "$(users "$work/ie.o")" = "count " ] && [ "$(users "$work/gd.so")" != "" ]
}

plan 4
check 'a function that touches thread-local storage is found' planted
check 'gcc -O3: only getg and setg do' library gcc CC=gcc CFLAGS=-O3
check 'gcc -O3 -flto: only getg and setg do' library lto CC=gcc CFLAGS='-O3 -flto'
check 'clang -O3: only getg and setg do' library clang CC=clang CFLAGS=-O3
finish
