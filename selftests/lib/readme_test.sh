#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# readme_test.sh: does the README's first program do what the README says? Writes TAP.
#
# Description: installs the library into an empty folder with `make install`, builds the program
# outside the tree against that, by the README's own command line, and compares its output with the
# README's; builds it statically; includes the headers from C++. CC and CXX say with which compilers.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
: "${CC:=cc}" "${CXX:=c++}"

# block LANGUAGE: the first block of the README in that language.
block()
{
	awk -v fence='```'"$1" '
		$0 == fence && !done { inside = 1; next }
		$0 == "```" && inside { inside = 0; done = 1 }
		inside' "$top/README.md"
}

# Only the library: what else is installed is install_test.sh's subject.
install_library()
{
	make -C "$top/libgrt" O="$work/build" DESTDIR="$root" PREFIX=/usr/local install &&
		install -D -m 644 "$top/uapi/linux/gsched.h" \
			"$root/usr/local/include/linux/gsched.h"
}

# The README's line, with "cc" and pkg-config meaning those of this test.
build_as_told()
{
	local line

	line=$(grep '^cc ' "$top/README.md") || { echo "the README has no line with cc"; return 1; }
	block c >sieve.c
	cc() { command "$CC" -Wall -Wextra -Werror "$@"; }
	eval "$line"
}

build_static()
{
	# shellcheck disable=SC2046 # words
	"$CC" -static sieve.c -o sieve-static -lgrt_main $(pkg-config --static --cflags --libs libgrt)
}

# runs PROGRAM: prints what the README shows and ends well.
runs()
{
	block text >expected
	[ -s expected ] && GRT_BACKEND=futex timeout 60 "$1" >output && diff expected output
}

uses_installed()
{
	ldd ./sieve | grep -F "libgrt.so.0 => $root/usr/local/lib/"
}

builds_as_cxx()
{
	local header

	for header in "$root"/usr/local/include/grt/*.h "$root"/usr/local/include/grt.h \
			"$root"/usr/local/include/linux/gsched.h; do
		echo "#include <${header#"$root"/usr/local/include/}>"
	done >headers.cc
	cat >>headers.cc <<-'EOT'
		static void nothing(void *) { }
		int grt_main(int, char **) { return grt_go(nothing, nullptr); }
	EOT
	# shellcheck disable=SC2046 # words
	"$CXX" -std=c++11 -Wall -Wextra -Werror headers.cc -o headers \
		$(pkg-config --cflags --libs libgrt) -lgrt_main &&
		GRT_BACKEND=futex timeout 60 ./headers
}

cd "$work"
export PKG_CONFIG_PATH=$root/usr/local/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
export LD_LIBRARY_PATH=$root/usr/local/lib
plan 7

check "make install" install_library
check "the first program builds outside the tree, as the README says" build_as_told
check "it is linked with the installed library" uses_installed
check "it prints what the README says" runs ./sieve
check "it builds statically" build_static
check "and prints the same" runs ./sieve-static
check "the headers are C++, and a C++ program runs" builds_as_cxx

finish
