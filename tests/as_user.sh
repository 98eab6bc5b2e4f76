#!/usr/bin/env bash
# Runs `make test` as an ordinary user, from root: with this checkout and cargo's home as the user's own, in a mount
# namespace, so that what is built here need not be built again and nothing here changes. The user's tests make user
# namespaces; what needs more is reported as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || { echo "as_user.sh: run by root; an ordinary user runs make test" >&2; exit 2; }
user=weir-test
scratch=/var/tmp/weir-test
checkout=$PWD
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}

# The mounts are seen in there only, so that cleaning up out here reaches nothing through them.
if [ -z "${WEIR_AS_USER:-}" ]; then
    id "$user" >/dev/null 2>&1 || useradd --system --no-create-home --shell /bin/bash "$user"
    rm -rf "$scratch"
    trap 'rm -rf "$scratch"' EXIT
    WEIR_AS_USER=1 unshare --mount --propagation private tests/as_user.sh
    exit
fi

# lend DIRECTORY NAME: from here on the directory is the user's. An overlay that copies no content when the owner changes,
# or a copy where the kernel has no such thing.
lend() {
    mkdir -p "$scratch/$2/upper" "$scratch/$2/work" "$scratch/$2/lent"
    if mount -t overlay -o "metacopy=on,lowerdir=$1,upperdir=$scratch/$2/upper,workdir=$scratch/$2/work" overlay \
        "$scratch/$2/lent" 2>/dev/null; then
        how=overlay
    else
        how=copy
        cp -a "$1/." "$scratch/$2/lent"
    fi
    chown -R "$user": "$scratch/$2/lent"
    echo "as_user.sh: $1 lent to $user ($how, $SECONDS s)"
}
lend "$checkout" checkout
lend "$cargo_home" cargo
# Only read.
mkdir -p "$scratch/rustup" "$scratch/home"
mount --bind "$rustup_home" "$scratch/rustup"
chown "$user": "$scratch" "$scratch/home"

as_user() { setpriv --reuid "$user" --regid "$user" --init-groups "$@"; }
# Homes that only their owner may enter would hide the toolchain.
for home in "$(dirname "$cargo_home")" "$(dirname "$rustup_home")"; do
    as_user test -x "$home" || mount -t tmpfs -o mode=0755 tmpfs "$home"
done
mkdir -p "$cargo_home" "$rustup_home" "$checkout"
mount --bind "$scratch/rustup" "$rustup_home"
mount --bind "$scratch/cargo/lent" "$cargo_home"
mount --bind "$scratch/checkout/lent" "$checkout"
cd "$checkout"
as_user env -i HOME="$scratch/home" USER="$user" CARGO_HOME="$cargo_home" RUSTUP_HOME="$rustup_home" PATH="$PATH" make test
