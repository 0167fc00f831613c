#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# slot_test.sh PROGRAM [CFLAGS...]: compiles slot_test.c with kmod/slot.c, unchanged, into PROGRAM.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
program=$1
shift

# Where slot.c and gsched.h include a header of the kernel they get an empty one; shim.h, before all
# of it, has what they need. The contract itself is the real one.
headers=$program.headers
mkdir -p "$headers/linux" "$headers/trace"
: > "$headers/trace/define_trace.h"
sed -n 's/^#include <linux\/\(.*\)>$/\1/p' "$top"/kmod/slot.c "$top"/kmod/gsched.h |
	while read -r header; do
		[ "$header" = gsched.h ] || : > "$headers/linux/$header"
	done
gcc -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -pthread "$@" \
	-I"$headers" -I"$top/uapi" -I"$top/kmod" -include "$here/shim.h" \
	-o "$program" "$here/slot_test.c" "$top/kmod/slot.c"
