#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# install_test.sh: what `make`, `make install` and `make clean` leave. Writes TAP.
#
# Description: in a copy of the sources, so that nothing built here is touched: everything is
# installed that should be, and nothing else; the libraries define no name outside grt_, and every
# name that the headers promise; `make clean` removes exactly what was built.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
root=$work/root
lib=$root/usr/local/lib

copy_sources()
{
	mkdir "$tree" &&
		(cd "$top" && git ls-files -z --cached --others --exclude-standard |
			tar -c --null -T - --ignore-failed-read) | tar -x -C "$tree"
	files >"$work/before"
}

files()
{
	(cd "$tree" && find . | LC_ALL=C sort)
}

# The module is built for the kernel of the tests: there may be no headers of the running one.
make_in_copy()
{
	make -s -C "$tree" -j "$(nproc)" KDIR="$KDIR" DESTDIR="$root" PREFIX=/usr/local "$@"
}

expected_files()
{
	LC_ALL=C sort <<-EOT
		lib/modules/$KRELEASE/updates/gsched.ko.xz
		usr/lib/modules-load.d/gsched.conf
		usr/lib/sysusers.d/gsched.conf
		usr/lib/udev/rules.d/60-gsched.rules
		usr/local/bin/gsched-stat
		usr/local/include/grt.h
		usr/local/include/grt/base.h
		usr/local/include/grt/chan.h
		usr/local/include/grt/panic.h
		usr/local/include/grt/sched.h
		usr/local/include/grt/sync.h
		usr/local/include/grt/time.h
		usr/local/include/linux/gsched.h
		usr/local/lib/libgrt.a
		usr/local/lib/libgrt.so -> libgrt.so.0
		usr/local/lib/libgrt.so.0 -> libgrt.so.$version
		usr/local/lib/libgrt.so.$version
		usr/local/lib/libgrt_main.a
		usr/local/lib/pkgconfig/libgrt.pc
	EOT
}

installs_these()
{
	(cd "$root" && find . ! -type d \( -type l -printf '%P -> %l\n' -o -printf '%P\n' \) |
		LC_ALL=C sort) >"$work/installed"
	diff <(expected_files) "$work/installed"
}

names_no_place()
{
	! grep -rlF -e "$work" -e "$top" "$root/usr/local/lib/pkgconfig" "$root/usr/lib"
}

# The names that a library defines for others.
dynamic_names()
{
	nm -D --defined-only "$lib/libgrt.so" | awk '$2 != "A" { print $3 }' | sed 's/@.*//'
}

static_names()
{
	nm -g --defined-only "$lib/libgrt.a" | awk 'NF == 3 { print $3 }'
}

only_grt()
{
	local names

	names=$("$1")
	[ -n "$names" ] && ! grep -v '^grt_' <<<"$names"
}

# A declaration may take several lines; its name is the last word before the first parenthesis.
promised_names()
{
	tr '\n' ' ' <"$1" | grep -oE 'GRT_API [^(;]*\(' | grep -oE '[a-z_0-9]+\(' | tr -d '('
}

keeps_promises()
{
	local header

	for header in "$root"/usr/local/include/grt/*.h; do
		promised_names "$header"
	done | LC_ALL=C sort -u >"$work/promised"
	[ -s "$work/promised" ] &&
		LC_ALL=C comm -23 "$work/promised" <(dynamic_names | LC_ALL=C sort) | tee "$work/missing" &&
		[ ! -s "$work/missing" ]
}

has_soname()
{
	readelf -d "$lib/libgrt.so.$version" | grep -F 'SONAME' | grep -F '[libgrt.so.0]'
}

has_version()
{
	xz -dc "$root/lib/modules/$KRELEASE/updates/gsched.ko.xz" | tr '\0' '\n' |
		grep -x "version=$version"
}

leaves_sources()
{
	files | diff "$work/before" -
}

assignments=$("$top/selftests/vm/kernels.sh" 6.12)
eval "$assignments"
version=$(sed -n 's/^MODULE_VERSION("\(.*\)");$/\1/p' "$top/kmod/main.c")
copy_sources
plan 11

check "make builds library, examples and module" make_in_copy all
check "make install" make_in_copy install
check "it installs these files and no others" installs_these
check "no installed text names the place it was built in" names_no_place
check "the shared library exports only grt_ names" only_grt dynamic_names
check "the static library defines only grt_ names" only_grt static_names
check "every function of the headers is exported" keeps_promises
check "the shared library has its soname" has_soname
check "the module has the version of the library" has_version
check "make clean" make_in_copy clean
check "it leaves the sources and nothing else" leaves_sources

finish
