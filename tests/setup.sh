#!/usr/bin/env bash
# Installs the Debian packages that a target needs: setup.sh demo|test|vm|bench. Without root it names what is missing;
# tests that need it are then skipped with their reason.
set -euo pipefail

base="iproute2 iptables nftables iputils-ping"
case "${1:?demo, test, vm or bench}" in
    demo) packages="$base util-linux curl jq python3-minimal" ;;
    test) packages="$base util-linux busybox-static conntrack containernetworking-plugins containerd runc podman conmon python3-grpcio uidmap dbus firewalld dnsmasq-base" ;;
    vm) packages="$base busybox-static qemu-system-x86 cpio xz-utils zstd" ;;
    bench) packages="$base containernetworking-plugins" ;;
    *) echo "setup.sh: unknown target $1" >&2; exit 2 ;;
esac

missing=()
for package in $packages; do
    [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "setup: not root, so these packages stay missing: ${missing[*]}" >&2
    exit 0
fi
echo "setup: installing ${missing[*]}"
# firewalld is only started by tests, in namespaces of their own: on this machine it must not become the firewall.
case " ${missing[*]} " in *" firewalld "*) mkdir -p /etc/systemd/system && ln -sfn /dev/null /etc/systemd/system/firewalld.service ;; esac
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    exit 1
fi
