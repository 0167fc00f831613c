#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts that fetch Debian packages have in common. Sourced, not run.
# Messages go to stderr: the stdout of these scripts is read by others.

say()
{
	printf '%s\n' "${0##*/}: $*" >&2
}

die()
{
	say "$*"
	exit 1
}

# Everything downloaded, and everything unpacked from it, lives here.
cache_dir()
{
	local dir=${XDG_CACHE_HOME:-${HOME:?needed for the cache folder}/.cache}/gsched

	mkdir -p "$dir"
	printf '%s\n' "$dir"
}

need_apt()
{
	command -v apt-get >/dev/null || die "no apt-get here; this needs Debian 12. $*"
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "'$*' needs root, and there is no sudo"
	fi
}

# The environment is given by env(1), which sudo lets pass.
apt_get()
{
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" >&2
}

# Once a run is enough.
apt_update()
{
	[ -z "${apt_updated:-}" ] || return 0
	say "refreshing the package lists (apt-get update)"
	apt_get update && apt_updated=1
}

# apt_download DIR PACKAGE...: the packages' files into DIR; no root needed.
apt_download()
{
	local dir=$1

	shift
	(cd "$dir" && apt-get -q -o APT::Sandbox::User=root download "$@" >&2)
}
