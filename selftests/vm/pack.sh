#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packing of initramfs archives. Sourced, not run.

# archive FOLDER: as an archive of the kind the kernel unpacks, on stdout.
archive()
{
	(cd "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
		cpio --null --create --format=newc --owner=+0:+0 --quiet)
}

# The path that a file of the host has in the guest: the same, but in the merged /usr.
merged()
{
	case $1 in
	/bin/* | /sbin/* | /lib/* | /lib64/*) printf '/usr%s\n' "$1" ;;
	*) printf '%s\n' "$1" ;;
	esac
}

# copy_to ROOT FILE: at its path of the host below ROOT, unless it is there.
copy_to()
{
	local target

	target=$1$(merged "$2")
	[ -e "$target" ] || install -D "$2" "$target"
}

# copy_tree ROOT TREE: what lies in TREE. A folder in place of a link of the merged /usr would
# hide what lies behind the link, so it goes there.
copy_tree()
{
	local root=$1 entry

	while read -r -d '' entry; do
		case ${entry##*/} in
		bin | sbin | lib | lib64) mkdir -p "$root/usr" && cp -a "$entry" "$root/usr/" ;;
		*) cp -a "$entry" "$root/" ;;
		esac
	done < <(find "$2" -mindepth 1 -maxdepth 1 -print0)
}

# copy_libraries ROOT FILE...: the shared libraries that the files need, from ROOT itself where
# it has them, else from the host. One that is nowhere is an error now rather than in the guest.
# One from a folder of its own, a build say, goes where the guest's loader looks: that folder may
# be one that the guest mounts something over.
copy_libraries()
{
	local root=$1 name path

	shift
	[ $# -gt 0 ] || return 0
	while read -r name path; do
		case $path in
		not) die "the shared library $name is not found, here or in what --root brings" ;;
		"$root"/*) ;;
		/lib/* | /lib64/* | /usr/*) copy_to "$root" "$path" ;;
		*) install -D "$path" "$root/usr/local/lib/$name" ;;
		esac
	done < <(LD_LIBRARY_PATH=$root/usr/local/lib:$root/usr/lib ldd "$@" 2>/dev/null |
		sed -nE 's/^\t(\S+) => (\S+).*/\1 \2/p; s/^\t(\/\S+) \(.*/\1 \1/p' | sort -u)
}

# elf_files TREE: its programs and shared libraries.
elf_files()
{
	local file magic

	find "$1" -type f \( -perm /111 -o -name '*.so*' \) | while read -r file; do
		read -r -n 4 magic <"$file" || true
		[ "$magic" != $'\x7fELF' ] || printf '%s\n' "$file"
	done 2>/dev/null
}
