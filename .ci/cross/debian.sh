# What the scripts of this folder share: a recent compiler from Debian's packages (rustc-web), beside the system's own.
# Sourced by bash, in a script with `set -euo pipefail`, after `cd` to the root of the repository.

skip() {
    echo "skipped: $*"
    exit 0
}

# Whether these are the packages that this knows.
is_debian() {
    [ "$(dpkg --print-architecture)" = amd64 ] && grep -q '^ID=debian$' /etc/os-release
}

# need TOOL...: skips without any of these.
need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" > /dev/null || skip "there is no $tool"
    done
}

# apt_get ARGUMENT...: as the system's, but it neither asks nor waits long for a network that is down.
apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::http::Timeout=20 -o Acquire::Retries=1 "$@"
}

# update: learns which packages there are. For root only.
update() {
    apt_get update > "$cache/update.log" 2>&1
}

# install_packages PACKAGE...: installs packages, if that is allowed.
install_packages() {
    [ "$(id -u)" = 0 ] || skip "it needs sudo apt-get install $*"
    update || true
    apt_get install -y --no-install-recommends "$@" > "$cache/install.log" 2>&1 \
        || skip "$* were not installed: $(tail -n 1 "$cache/install.log")"
}

# unpack FOLDER PACKAGE...: the compiler and these packages in a folder, once; sets RUSTC.
unpack() {
    local root=$1 libraries package version least minor
    shift
    if [ ! -e "$root/unpacked" ]; then
        # What is there otherwise was left by a run that was interrupted, or is not ours.
        [ ! -e "$root" ] || [ -e "$root/ours" ] || skip "$root is there already; name another folder"
        rm -rf "$root" && mkdir -p "$root/packages" && touch "$root/ours"
        # Its own libraries have names with versions.
        libraries=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
            --no-replaces --no-enhances rustc-web 2> /dev/null | grep -E '^lib(std-rust-web|llvm)[^:]*$' || true)
        [ -n "$libraries" ] || skip "there is no package rustc-web"
        # shellcheck disable=SC2086
        (cd "$root/packages" && apt_get download rustc-web $libraries "$@" > ../download.log 2>&1) \
            || skip "rustc-web cannot be downloaded: $(tail -n 1 "$root/download.log")"
        for package in "$root"/packages/*.deb; do
            dpkg-deb -x "$package" "$root"
        done
        rm -rf "$root/packages"
        printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' \
            "$root/usr/lib/x86_64-linux-gnu" "$root/usr/bin/rustc" > "$root/rustc"
        chmod +x "$root/rustc"
        touch "$root/unpacked"
    fi
    version=$("$root/rustc" --version 2>&1) || skip "rustc-web does not start: $version"
    least=$(sed -n 's/^rust-version = "1\.\([0-9]*\)"$/\1/p' Cargo.toml)
    minor=$(sed 's/^rustc 1\.\([0-9]*\).*/\1/' <<< "$version")
    [ "$minor" -ge "$least" ] || skip "$version is older than 1.$least"
    export RUSTC=$root/rustc
}
