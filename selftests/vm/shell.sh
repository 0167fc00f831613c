#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shell.sh [options of run.sh]
#
# A shell in a virtual machine: the module is loaded, libgrt, its examples and all tests are
# installed.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

"$top/selftests/lib/stage.sh"
exec "$here/run.sh" --root "$top/build/stage" "$@" --shell
