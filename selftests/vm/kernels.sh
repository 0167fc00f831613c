#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernels.sh 6.1|6.12|debug
#
# Finds Debian's current cloud kernel of that series and its headers, downloads them into the
# cache, unpacks them there without installing anything; or builds the debug kernel, where the
# cache does not hold it. Prints shell assignments:
#
#   KRELEASE=  the kernel's release
#   VMLINUZ=   its image
#   KDIR=      its headers, for make -C $KDIR M=...
#   MODDIR=    its modules, lib/modules/$KRELEASE; empty where there are none
#   TAINT=     what the module taints it with
#   FACTOR=    how many times longer than elsewhere things may take
#
# The meta packages say which kernel is current. When the archive cannot be reached, the newest
# kernel in the cache does, with a word on stderr. Nothing is fetched when the current one is there.

set -euo pipefail
. "$(dirname "$0")/../lib/apt.sh"

# The name of the 6.1 meta packages holds no version: they are those of Debian 12 itself.
meta_image()
{
	case $1 in
	6.1)	echo linux-image-cloud-amd64 ;;
	6.12)	echo linux-image-6.12-cloud-amd64 ;;
	*)	die "no kernel series '$1'; there are 6.1, 6.12 and debug" ;;
	esac
}

depends_of()
{
	apt-cache depends --important "$1" 2>/dev/null | sed -n 's/^ [ |]*Depends: *//p'
}

# The release that a series' meta package names today, as far as the package lists here know.
# A cloud kernel's image package is called linux-image-RELEASE.
current_release()
{
	depends_of "$(meta_image "$1")" | sed -n "s/^linux-image-\($1\..*\)$/\1/p" | head -n 1
}

# The headers come in several packages; those of the image are not among them.
packages_of()
{
	local headers=linux-headers-$1

	printf '%s\n' "linux-image-$1" "$headers"
	depends_of "$headers" | grep -E '^linux-(headers|kbuild)-' || true
}

# The headers' Makefile includes another by its installed path, /usr/src/...
relocate()
{
	local makefile=$1/usr/src/linux-headers-$2/Makefile

	# shellcheck disable=SC2016 # the text is make's
	sed -i 's|^include /usr/src/|include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../|' \
		"$makefile"
	if grep -q '/usr/src' "$makefile"; then
		die "cannot relocate $makefile: Debian changed it"
	fi
}

is_kernel()
{
	[ -f "$1/boot/vmlinuz-$2" ] && [ -f "$1/usr/src/linux-headers-$2/Module.symvers" ]
}

unpack()
{
	local deb

	for deb in "$1"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$2" --exclude './usr/share/*' || return
	done
}

# fetch RELEASE TARGET: unpacked under another name and renamed, so that a folder of the right
# name is complete. A subshell, for its trap; callers test it, so -e does not hold in here.
fetch()
(
	release=$1
	target=$2
	temp=$(mktemp -d "$target.XXXXXX") || exit
	trap 'rm -rf "$temp"' EXIT
	mkdir "$temp/debs" "$temp/tree"

	mapfile -t packages < <(packages_of "$release")
	say "downloading the kernel $release (50 MB; this is done once)"
	apt_download "$temp/debs" "${packages[@]}" || exit
	unpack "$temp/debs" "$temp/tree" || die "$release: cannot unpack the packages"
	is_kernel "$temp/tree" "$release" || die "$release: the packages hold no image or no headers"
	relocate "$temp/tree" "$release" || exit
	mv -T "$temp/tree" "$target"
)

# The newest release of a series in the cache.
cached_release()
{
	local dir

	for dir in "$cache/kernel-$1".*; do
		dir=${dir#"$cache/kernel-"}
		[[ $dir == *-cloud-amd64 ]] && printf '%s\n' "$dir"
	done | sort -V | tail -n 1
}

# Prints the release to use; it is in the cache then. Old package lists name a kernel that the
# archive may have dropped: so once more with new ones before giving up.
provide()
{
	local series=$1 release

	for attempt in 'as the lists are' 'with new lists'; do
		[ "$attempt" = 'as the lists are' ] || apt_update || break
		release=$(current_release "$series")
		[ -n "$release" ] || continue
		if [ -d "$cache/kernel-$release" ] || fetch "$release" "$cache/kernel-$release"; then
			printf '%s\n' "$release"
			return
		fi
	done

	release=$(cached_release "$series")
	[ -n "$release" ] || die "no kernel $series: the Debian archive cannot be reached" \
		"(or its package lists lack $(meta_image "$series")), and the cache $cache has none"
	say "the Debian archive cannot be reached; using the cached kernel $release"
	printf '%s\n' "$release"
}

assign()
{
	local name

	for name in KRELEASE VMLINUZ KDIR MODDIR TAINT FACTOR; do
		printf '%s=%q\n' "$name" "${!name}"
	done
}

# It knows no signatures, so the module taints it by being built out of tree alone. What finds
# faults there makes it several times slower, and even more so what waits for others to run.
debug_kernel()
{
	local tree

	tree=$("$(dirname "$0")/debugkernel.sh")
	KRELEASE=$(<"$tree/build/include/config/kernel.release")
	VMLINUZ=$tree/build/arch/x86/boot/bzImage
	KDIR=$tree/build
	MODDIR=
	TAINT=4096
	FACTOR=10
}

# The taints are O and E, an out-of-tree module without signature.
cloud_kernel()
{
	local tree

	cache=$(cache_dir)
	exec 9>"$cache/kernels.lock"
	flock 9
	KRELEASE=$(provide "$1")
	tree=$cache/kernel-$KRELEASE
	VMLINUZ=$tree/boot/vmlinuz-$KRELEASE
	KDIR=$tree/usr/src/linux-headers-$KRELEASE
	MODDIR=$tree/lib/modules/$KRELEASE
	TAINT=12288
	FACTOR=1
}

main()
{
	local series=${1:-} KRELEASE VMLINUZ KDIR MODDIR TAINT FACTOR

	[ $# = 1 ] || die "usage: kernels.sh 6.1|6.12|debug"
	if [ "$series" = debug ]; then
		debug_kernel
		assign
		return
	fi
	meta_image "$series" >/dev/null
	need_apt "The kernels of the tests come from its archive."
	cloud_kernel "$series"
	assign
}

main "$@"
