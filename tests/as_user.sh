#!/usr/bin/env bash
# Runs `make test` as an ordinary user, from root: in copies of this checkout and of cargo's registry that belong to the
# user, mounted over the originals in a mount namespace, so that what is built here need not be built again. The user's
# tests make user namespaces; what needs more is reported as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || { echo "as_user.sh: run by root; an ordinary user runs make test" >&2; exit 2; }
user=weir-test
copies=/var/tmp/weir-test
export checkout=$PWD cargo_home=${CARGO_HOME:-$HOME/.cargo} rustup_home=${RUSTUP_HOME:-$HOME/.rustup} user copies
id "$user" >/dev/null 2>&1 || useradd --system --no-create-home --shell /bin/bash "$user"

rm -rf "$copies"
trap 'rm -rf "$copies"' EXIT
mkdir -p "$copies"/{home,cargo,rustup}
cp -a "$checkout" "$copies/checkout"
for item in bin registry config.toml env; do [ ! -e "$cargo_home/$item" ] || cp -a "$cargo_home/$item" "$copies/cargo/"; done
chown -R "$user": "$copies"

# shellcheck disable=SC2016 # expanded inside
unshare --mount --propagation private bash -euo pipefail -c '
    mount --bind "$rustup_home" "$copies/rustup"
    # Homes that only their owner may enter would hide the toolchain.
    for home in "$(dirname "$cargo_home")" "$(dirname "$rustup_home")"; do
        setpriv --reuid "$user" --regid "$user" --init-groups test -x "$home" || mount -t tmpfs -o mode=0755 tmpfs "$home"
    done
    mkdir -p "$cargo_home" "$rustup_home"
    mount --bind "$copies/rustup" "$rustup_home"
    mount --bind "$copies/cargo" "$cargo_home"
    mount --bind "$copies/checkout" "$checkout"
    cd "$checkout"
    exec setpriv --reuid "$user" --regid "$user" --init-groups env -i HOME="$copies/home" USER="$user" \
        CARGO_HOME="$cargo_home" RUSTUP_HOME="$rustup_home" PATH="$PATH" make test
'
