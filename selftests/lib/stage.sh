#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# stage.sh
#
# Builds libgrt, the examples and the tests, and puts them where a guest or the tests of this
# machine take them from: build/stage is a root folder with libgrt and the examples under /usr/local
# and the tests under /kselftest, in the layout that the kernel's own tests are installed in.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
stage=$top/build/stage

KSFTDIR=$("$here/ksft.sh")
export KSFTDIR

make -s -C "$top" -j"$(nproc)" libgrt
make -s -C "$top" -j"$(nproc)" examples
rm -rf "$stage.new"
make -s -C "$top" install-libgrt DESTDIR="$stage.new" PREFIX=/usr/local
install -D -t "$stage.new/usr/local/bin" "$top"/libgrt/examples/build/{hello,grt-sha256sum,grt-stall}
make -s -C "$top/selftests" -j"$(nproc)" install INSTALL_PATH="$stage.new/kselftest"
rm -rf "$stage"
mv "$stage.new" "$stage"
