# What the measurements share: the tree that is laid over the virtual machine's root.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

die() { echo "${0##*/}: $*" >&2; exit 2; }

# prepare_tree: what the release preset installs, with the measuring programs, built by the same compiler. Sets work and tree;
# the caller's EXIT trap may take work away.
prepare_tree() {
    local build=$TOP/build/release compiler program
    [[ -f $build/cmake_install.cmake ]] || die "no build in build/release: build the release preset"
    cmake --build "$build" >"$build/bench.log" 2>&1 || { cat "$build/bench.log" >&2; die "it does not build"; }
    work=$(mktemp -d "${TMPDIR:-/tmp}/cowherd-bench.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    tree=$work/tree
    DESTDIR=$tree cmake --install "$build" >"$work/install.log" 2>&1 || { cat "$work/install.log" >&2; die "cmake --install failed"; }
    mkdir -p "$tree/tests/bench"
    compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
    for program in fill meter sweep; do
        "$compiler" -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Werror -O2 -g \
            -o "$tree/tests/bench/$program" "$TOP/tests/bench/$program.c" -pthread || die "$program does not compile"
    done
}

# said_in NAME: what the machine's part has said, also of a machine that has failed: it comes on the console too.
said_in() {
    local log=$work/vm/$1/log
    [[ -s $log ]] || log=$work/vm/console.log
    [[ ! -e $log ]] || tr -d '\r' <"$log"
}
