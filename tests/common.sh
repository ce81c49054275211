# What tests/run and tests/demo share: the packages they need, and building.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
JOBS=$(nproc)

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# The package of "PACKAGE|PACKAGE" that this distribution has; the last one where it has none, for apt-get to complain of.
available() {
    local package
    for package in ${1//|/ }; do
        [[ -z $(apt-cache --quiet=2 madison "$package" 2>/dev/null) ]] || break
    done
    echo "$package"
}

# The entries of tests/packages that the parts need and that are not installed.
missing_packages() {
    local part package one
    while read -r part package; do
        [[ " $* " == *" $part "* ]] || continue
        for one in ${package//|/ }; do
            ! installed "$one" || continue 2
        done
        echo "$package"
    done < <(grep -v '^#' "$TOP/tests/packages")
}

# Nobody is asked anything; what is said is shown only if it fails.
apt() {
    local said
    said=$(DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 "$@" 2>&1 </dev/null) ||
        { printf '%s\n' "$said" "apt-get $1 failed" >&2; return 1; }
}

# install_packages PART...: fails, and says why, where something is missing and cannot be had.
install_packages() {
    local missing package packages=()
    if ! command -v dpkg-query >/dev/null; then
        echo "not a Debian: whether the packages of tests/packages are there is not checked" >&2
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    [[ ${#missing[@]} -gt 0 ]] || return 0
    if [[ $EUID -ne 0 ]]; then
        echo "not root, and these packages are missing: ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${missing[*]}" >&2
    apt update || return
    for package in "${missing[@]}"; do
        packages+=("$(available "$package")")
    done
    apt install --no-install-recommends "${packages[@]}"
}

# Prometheus' promtool, in build/tools where it is not installed: unpacked, because the package would start a service.
provide_promtool() {
    local tools=$TOP/build/tools work
    PATH=$tools:$PATH
    ! command -v promtool >/dev/null || return 0
    echo "fetching promtool" >&2
    work=$(mktemp -d "${TMPDIR:-/tmp}/cowherd-promtool.XXXXXX") || return
    (
        cd "$work" || exit
        apt download -o APT::Sandbox::User=root prometheus 2>/dev/null ||
            { apt update && apt download -o APT::Sandbox::User=root prometheus; }
    ) && dpkg-deb -x "$work"/prometheus_*.deb "$work" && install -D "$work/usr/bin/promtool" "$tools/promtool"
    rm -rf "${work:?}"
    command -v promtool >/dev/null
}

# build PRESET: into build/PRESET.
build() { (cd "$TOP" && cmake --preset "$1" && cmake --build --preset "$1" --parallel "$JOBS"); }
