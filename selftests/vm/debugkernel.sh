#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debugkernel.sh
#
# Builds the debug kernel, from Debian's linux-source-6.12 and debug.config, and prints the folder
# it is in: source/ and build/, whose Module.symvers a module is built against. That takes about ten
# minutes of processor time and 2 GB in the cache, once: a build belongs to the version of the
# source and the fragment. When the archive cannot be reached, the newest build that there is for
# the fragment does, with a word on stderr.
#
# Debian's source it has to be: its patches export what the module uses (task_work_add).

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/apt.sh"
. "$here/../lib/source.sh"

fragment=$here/debug.config

# Part of the name: another fragment is another kernel. Words about it are not.
recipe()
{
	grep -E '^(# )?CONFIG_' "$fragment" | sha256sum | cut -c 1-12
}

unpack_source()
{
	mkdir "$1/source"
	source_text "$1" | tar -xJ -C "$1/source" --strip-components=1 --exclude '*/Documentation/*/*'
	rm -f "$1"/*.deb
}

# Every line of the fragment must hold in the end: kconfig drops silently what it cannot have.
check_config()
{
	local line lost=0

	while read -r line; do
		grep -qxF "$line" "$1" && continue
		[[ $line =~ ^'# '(CONFIG_[A-Z0-9_]+)' is not set'$ ]] &&
			! grep -q "^${BASH_REMATCH[1]}=" "$1" && continue
		say "kconfig dropped: $line"
		lost=1
	done < <(grep -E '^(# )?CONFIG_' "$fragment")
	return "$lost"
}

# No modules are built, so what they could be linked against is what the kernel itself exports.
build_kernel()
{
	local source=$1/source build=$1/build

	mkdir "$build"
	make -C "$source" O="$build" tinyconfig &&
		"$source/scripts/kconfig/merge_config.sh" -m -O "$build" "$build/.config" "$fragment" &&
		make -C "$source" O="$build" olddefconfig &&
		check_config "$build/.config" &&
		make -C "$source" O="$build" -j "$(nproc)" bzImage modules_prepare &&
		cp "$build/vmlinux.symvers" "$build/Module.symvers"
}

# What neither booting nor building a module needs.
drop_objects()
{
	find "$1/build" \( -name scripts -o -name objtool \) -prune -o \
		\( -name '*.[oa]' -o -name '.*.cmd' \) -exec rm {} +
}

# Built under its last name, which is in the objects; the file "complete" says that it is whole.
build()
{
	local target=$1

	say "building the debug kernel (once; about 5 minutes on 2 idle processors)"
	rm -rf "$target"
	mkdir "$target"
	unpack_source "$target"
	build_kernel "$target" >"$target/log" 2>&1 || {
		tail -n 20 "$target/log" >&2
		die "the debug kernel does not build; the log is $target/log"
	}
	drop_objects "$target"
	touch "$target/complete"
}

# The newest complete build of this recipe.
cached()
{
	local newest='' complete

	for complete in "$cache/debug-$(recipe)"-*/complete; do
		[ ! "$complete" -nt "$newest" ] || newest=$complete
	done
	printf '%s\n' "${newest%/complete}"
}

main()
{
	local cache version target

	[ $# = 0 ] || die "usage: debugkernel.sh"
	need_apt "The debug kernel is built from its linux-source-6.12."
	cache=$(cache_dir)
	version=$(source_version)
	[ -n "$version" ] || { apt_update && version=$(source_version); } || true
	target=$cache/debug-$(recipe)-$version
	if [ -z "$version" ]; then
		target=$(cached)
		[ -n "$target" ] || die "the package lists have no $source_package"
		say "the Debian archive cannot be reached; using $target"
	elif [ ! -f "$target/complete" ]; then
		exec 9>"$cache/debug.lock"
		flock 9
		[ -f "$target/complete" ] || build "$target"
	fi
	printf '%s\n' "$target"
}

main "$@"
