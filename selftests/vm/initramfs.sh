#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# initramfs.sh MODDIR|'' FOLDER
#
# Packs what every guest has in common, busybox, bash, GNU timeout, perl, the guest's own scripts
# and the modules the harness itself needs, into an archive in FOLDER and prints its path. It is
# packed once, and again when something in it changed. What a single run adds is another archive
# behind it: the kernel unpacks one after the other.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/apt.sh"
. "$here/pack.sh"

# GNU timeout, because the kselftest runner calls it with options that busybox does not know;
# perl, because the runner passes a test's lines on at once only with it.
programs=(/bin/bash /usr/bin/timeout /usr/bin/perl /sbin/ldconfig)
busybox=/bin/busybox
perl_base=/usr/lib/x86_64-linux-gnu/perl-base

# What a cloud kernel may have as modules and the harness needs, in the order of their
# dependencies; fuse is there for tests that want a file system that takes its time, zram, and what
# it compresses with, for one that swaps.
modules=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci
	 virtio_console fuse
	 lz4_compress lz4hc_compress lzo-rle zsmalloc zram)

# A merged /usr, as on Debian, so that a binary finds its libraries where it found them here.
make_skeleton()
{
	local root=$1 dir

	mkdir -p "$root"/{dev,proc,sys,tmp,run,root,mnt,out,etc} \
		"$root"/usr/{bin,sbin,lib,lib64,local/bin,local/lib} "$root"/var/tmp
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$root/$dir"
	done
	chmod 1777 "$root/tmp" "$root/var/tmp"
	chmod 700 "$root/root"

	cp "$here"/guest/etc/* "$root/etc/"
	install -m 755 "$here/guest/init" "$root/init"
}

install_busybox()
{
	local root=$1 applet

	cp "$busybox" "$root/bin/busybox"
	for applet in $("$busybox" --list); do
		[ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] ||
			ln -s /bin/busybox "$root/usr/bin/$applet"
	done
}

# Uncompressed: busybox' insmod knows no xz.
install_modules()
{
	local root=$1 moddir=$2 name file

	mkdir -p "$root/lib/vm"
	: >"$root/lib/vm/order"
	[ -n "$moddir" ] || return 0
	for name in "${modules[@]}"; do
		file=$(find "$moddir/kernel" -name "$name.ko*" -print -quit)
		case $file in
		'')	continue ;;
		*.xz)	xz -dc "$file" >"$root/lib/vm/$name.ko" ;;
		*)	cp "$file" "$root/lib/vm/$name.ko" ;;
		esac
		echo "/lib/vm/$name.ko" >>"$root/lib/vm/order"
	done
}

# Changes with whatever goes into the archive.
fingerprint()
{
	local moddir=$1

	{
		echo "$moddir"
		stat -Lc '%n %s %Y' "${programs[@]}" "$busybox" "$perl_base"
		cat "$0" "$here/pack.sh" "$here"/guest/init "$here"/guest/etc/*
	} | sha256sum | cut -c 1-16
}

pack()
(
	moddir=$1
	target=$2
	temp=$(mktemp -d "$target.XXXXXX")
	trap 'rm -rf "$temp"' EXIT

	make_skeleton "$temp/root"
	for program in "${programs[@]}"; do
		copy_to "$temp/root" "$program"
	done
	copy_libraries "$temp/root" "${programs[@]}"
	# glibc loads it by name, when a thread calls pthread_exit() or is cancelled
	copy_to "$temp/root" "$(gcc -print-file-name=libgcc_s.so.1)"
	cp -r "$perl_base" "$temp/root$perl_base"
	install_busybox "$temp/root"
	install_modules "$temp/root" "$moddir"
	archive "$temp/root" >"$temp/cpio"
	mv "$temp/cpio" "$target"
)

main()
{
	local moddir=$1 folder=$2 name target

	name=${moddir:-builtin}
	name=base-${name##*/}
	target=$folder/$name.$(fingerprint "$moddir").cpio
	if [ ! -f "$target" ]; then
		mkdir -p "$folder"
		rm -f "$folder/$name".*.cpio
		pack "$moddir" "$target"
	fi
	printf '%s\n' "$target"
}

main "$@"
