#!/bin/sh
# Runs test programs in a virtual machine whose kernel has what this machine's may lack (VLAN filtering, dummy, vrf).
#
# usage: run.sh [TEST-PROGRAM-FILE...] [-- ARGUMENT...]
#
# The arguments go to each program: a part of the names of the tests to run, say. One may name a target of the tests
# instead of a file: run.sh plugins -- vrf
#
# Without files: all of the programs of weir-native, the tests that `make test` has skipped on this machine (its record
# tells), and a sample of the others. Then every command of every plugin must be proved here or there. VM_TESTS names
# targets of the tests to run as a whole instead.
#
# The kernel is Debian's, unpacked into a cache directory and not installed. The machine sees this one's root file
# system read-only over 9p, with an overlay in its memory on top. A skipped test counts as failed here: the machine
# exists so that nothing is skipped.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
workspace=$(cd "$here/../.." && pwd)
limit=${VM_TIMEOUT:-2400}
records=${WEIR_TESTS_RECORDS:-${CARGO_TARGET_DIR:-$workspace/target}/tests}
cache=${VM_CACHE:-${CARGO_TARGET_DIR:-$workspace/target}/vm}
export WEIR_DIST="${WEIR_DIST:-$workspace/dist}"

fail() {
    echo "test-vm: $*" >&2
    exit 1
}

for program in qemu-system-x86_64 busybox cpio dpkg-deb; do
    command -v "$program" >/dev/null || fail "$program is missing: apt-get install qemu-system-x86 busybox-static cpio dpkg"
done
[ "$(uname -m)" = x86_64 ] || fail "only x86-64 machines run this kernel package"

# 1. The kernel, once.
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
if ! [ -e "$cache/kernel/ready" ]; then
    echo "test-vm: fetching a kernel"
    rm -rf "$cache/kernel" "$cache/deb"
    mkdir -p "$cache/deb" "$cache/kernel"
    newest_kernel() {
        apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
    }
    package=$(newest_kernel)
    if [ -z "$package" ] && [ "$(id -u)" -eq 0 ]; then
        apt-get update >/dev/null
        package=$(newest_kernel)
    fi
    [ -n "$package" ] || fail "apt knows no linux-image-amd64: run apt-get update"
    (cd "$cache/deb" && apt-get download "$package" >/dev/null) || fail "cannot download $package"
    dpkg-deb --fsys-tarfile "$cache"/deb/*.deb | tar -x -C "$cache/kernel" --exclude './usr/share' --exclude './lib/modules/*/kernel/sound' \
        --exclude './lib/modules/*/kernel/drivers/gpu' --exclude './lib/modules/*/kernel/drivers/media'
    # Old packages have /lib, new ones /usr/lib.
    [ -d "$cache/kernel/lib/modules" ] || ln -s usr/lib "$cache/kernel/lib"
    release=$(ls "$cache/kernel/lib/modules")
    # Newer packages compress modules, which busybox does not read.
    find "$cache/kernel/lib/modules" -name '*.ko.xz' -exec xz -d {} +
    find "$cache/kernel/lib/modules" -name '*.ko.zst' -exec zstd -q -d --rm {} +
    (cd "$cache/kernel/lib/modules/$release" && busybox depmod -b "$cache/kernel" "$release")
    rm -rf "$cache/deb"
    touch "$cache/kernel/ready"
fi
release=$(ls "$cache/kernel/lib/modules")
modules="$cache/kernel/lib/modules/$release"

# 2. The programs to run.
work=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf "$work"' EXIT
files=""
targets=${VM_TESTS:-}
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    case $1 in
        */*) files="$files $1" ;;
        *) targets="$targets $1" ;;
    esac
    shift
done
[ $# -eq 0 ] || shift
arguments="$*"

# Paths of the test programs of a package; what comes after its name goes to cargo.
build() {
    (cd "$workspace" && cargo test --locked --no-run --message-format json --package "$@") |
        sed -n '/"kind":\["test"\]/s/.*"executable":"\([^"]*\)".*/\1/p'
}
whole=""
if [ -z "$files$targets" ]; then
    whole=yes
    [ -s "$records/native.jsonl" ] || fail "no record of make test in $records: run that first, or name programs"
    evidence=$(cd "$workspace" && cargo build --quiet --locked --package weir-tests --bin evidence --message-format json |
        sed -n '/"name":"evidence"/s/.*"executable":"\([^"]*\)".*/\1/p')
    "$evidence" select "$records/native.jsonl" >"$work/only"
    targets=$(cut -d ' ' -f 1 "$work/only" | sort -u)
    files=$(build weir-native --test network --test firewall)
fi
if [ -n "$targets" ]; then
    echo "test-vm: building" $targets
    options=""
    for target in $targets; do options="$options --test $target"; done
    # shellcheck disable=SC2086 # words
    built=$(build weir-tests $options)
    [ -n "$built" ] || fail "cargo built no test program"
    files="$files $built"
fi
# shellcheck disable=SC2086 # words
set -- $files
for program in "$@"; do
    [ -x "$program" ] || fail "$program is not an executable file"
done

# 3. The plugins, and a file system to start from: busybox, and what is needed to reach the real one.
# Compiling takes its time without a real processor; code is compiled for the baseline of the architecture.
"$WEIR_DIST/bin/weir" install --bin-dir "$work/bin" --grant-requested "$WEIR_DIST"/plugins/*.wasm >"$work/install" ||
    fail "weir install: $(cat "$work/install")"
root="$work/root"
mkdir -p "$root/bin" "$root/sbin" "$root/proc" "$root/sys" "$root/dev" "$root/host" "$root/upper" "$root/new" "$root/lib/modules/$release"
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s ../bin/busybox "$root/sbin/modprobe"
ln -s busybox "$root/bin/sh"
wanted=""
for module in virtio_pci 9pnet_virtio 9p overlay; do
    file=$(sed -n "s|^\(kernel/.*/$module\.ko[^:]*\):.*|\1|p" "$modules/modules.dep" | head -n 1)
    if [ -n "$file" ]; then
        wanted="$wanted $file $(sed -n "s|^$file:||p" "$modules/modules.dep")"
    fi
done
for file in $wanted; do
    mkdir -p "$root/lib/modules/$release/$(dirname "$file")"
    cp "$modules/$file" "$root/lib/modules/$release/$file"
done
cp "$modules"/modules.* "$root/lib/modules/$release/"
sed -e "s|@MODULES@|$modules|g" -e "s|@WEIR_DIST@|$WEIR_DIST|g" -e "s|@BIN@|$work/bin|g" -e "s|@DIRECTORY@|$workspace|g" "$here/init" >"$root/init"
chmod 755 "$root/init"
printf '%s\n' "$@" >"$root/programs"
printf '%s\n' "$arguments" >"$root/arguments"
[ -z "$whole" ] || cp "$work/only" "$root/only"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"

# 4. Run.
echo "test-vm: starting Linux $release"
# Software emulation by default: /dev/kvm is often there and does not work (nested machines).
if [ "${VM_ACCEL:-tcg}" = kvm ]; then
    accel=kvm
    cpu=host
else
    accel=tcg,thread=multi
    cpu=max
fi
set +e
timeout --foreground "$limit" qemu-system-x86_64 -accel "$accel" -cpu "$cpu" -smp 2 -m "${VM_MEMORY:-2048}" -nodefaults \
    -netdev hubport,id=lan,hubid=0 -device virtio-net-pci,netdev=lan \
    -no-reboot -display none -serial stdio -monitor none \
    -kernel "$cache/kernel/boot/vmlinuz-$release" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off" \
    -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
    </dev/null 2>"$work/stderr" | sed -u 's|\r||g' | tee "$work/output" | grep --line-buffered -v '^test-vm-record: '
set -e

# 5. Judge.
grep -qx 'test-vm: all programs ended' "$work/output" || {
    tail -n 5 "$work/stderr" >&2
    fail "the machine died or ran longer than $limit s"
}
if [ -n "$whole" ]; then
    sed -n 's/^test-vm-record: //p' "$work/output" >"$records/vm.jsonl"
fi
bad=$(sed -n 's/^test-vm: failed: //p' "$work/output")
[ -z "$bad" ] || fail "failed: $bad"
if grep 'skipped: ' "$work/output" >&2; then
    fail "tests were skipped, and this machine is there to run them"
fi
passed=$(grep -c '^test result: ok' "$work/output")
[ "$passed" -eq $# ] || fail "$passed of $# programs told their result"
echo "test-vm: $# programs passed, $(grep -c '^test .* ok$' "$work/output") tests"
if [ -n "$whole" ]; then
    "$evidence" judge "$records/native.jsonl" "$records/vm.jsonl"
fi
