#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# docs_test.sh: the documentation against the code it is about. Writes TAP.
#
# Description: the device's reference agrees with the header, the pages are well-formed and name
# only what exists, the version is one.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/tap.sh"

cd "$top"
plan 4

check "uapi.rst and the header name the same" "$here/docs_check.py" uapi
check "the pages are well-formed" "$here/docs_check.py" rst
check "what the pages name exists" "$here/docs_check.py" names
check "the version is the same everywhere" "$here/docs_check.py" version

finish
