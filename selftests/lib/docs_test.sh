#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# docs_test.sh: the documentation against the code it is about. Writes TAP.
#
# Description: the device's reference agrees with the header, the comments of the module are
# complete kernel-doc, the pages are well-formed and name only what exists, the version is one.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/tap.sh"

# The kernel's own checker; it lies beside the framework that the tests use.
kernel_doc()
{
	local ksft

	ksft=$("$here/ksft.sh") &&
		perl "$ksft/../../../scripts/kernel-doc" -none -Wall -Werror "$@"
}

cd "$top"
plan 7

check "uapi.rst and the header name the same" "$here/docs_check.py" uapi
check "kernel-doc of the header" kernel_doc uapi/linux/gsched.h
check "kernel-doc of the module" kernel_doc kmod/*.c
check "kernel-doc of the library's headers" kernel_doc libgrt/include/*.h libgrt/include/grt/*.h
check "the pages are well-formed" "$here/docs_check.py" rst
check "what the pages name exists" "$here/docs_check.py" names
check "the version is the same everywhere" "$here/docs_check.py" version

finish
