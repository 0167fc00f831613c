#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Debian's source of the kernel. Sourced, after apt.sh, not run.

# shellcheck disable=SC2034 # for those who source this
source_package=linux-source-6.12
source_archive=/usr/src/$source_package.tar.xz

# The version of the package that source_text would take; nothing when there is none to be had.
source_version()
{
	if [ -f "$source_archive" ]; then
		dpkg-query -W -f '${Version}\n' "$source_package"
	else
		apt-cache show --no-all-versions "$source_package" 2>/dev/null |
			sed -n 's/^Version: //p'
	fi
}

# source_text DIR: the archive that the package holds, on stdout: the installed one, else one that
# is downloaded to DIR.
source_text()
{
	local dir=$1

	if [ -f "$source_archive" ]; then
		cat "$source_archive"
		return
	fi
	say "downloading $source_package (150 MB)"
	apt_download "$dir" "$source_package" ||
		{ apt_update && apt_download "$dir" "$source_package"; } ||
		die "cannot download $source_package"
	dpkg-deb --fsys-tarfile "$dir"/"$source_package"_*.deb |
		tar -xO "./usr/src/$source_package.tar.xz"
}
