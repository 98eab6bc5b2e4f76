#!/usr/bin/env bash
# Shows Weir's main job from one end to the other: two containers on a bridge network, packets, a published port, and
# nothing left. Everything happens in namespaces that this script makes; the machine's own network is not touched.
set -euo pipefail

dist=$(realpath "${DIST:-dist}")
if [ "${WEIR_DEMO_INSIDE:-}" != 1 ]; then
    user=()
    [ "$(id -u)" -eq 0 ] || user=(--user --map-root-user)
    export WEIR_DEMO_INSIDE=1 DIST="$dist"
    exec unshare "${user[@]}" --mount --net --pid --fork --kill-child --propagation private -- "$0" "$@"
fi

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() { printf '\nFAILED: %s\n' "$*" >&2; exit 1; }

# A node of our own: its network namespace came with unshare, its state lives in memory.
mount -t proc proc /proc
for directory in /run /var/lib; do mount -t tmpfs tmpfs "$directory"; done
mkdir -p /run/netns
mount -t sysfs sysfs /sys 2>/dev/null || true
ip link set lo up
work=/run/weir-demo
mkdir -p $work

say "weir install: a directory that any runtime can have as CNI_PATH"
"$dist/bin/weir" install --bin-dir $work/bin --grant-requested "$dist"/plugins/*.wasm
ls -l $work/bin

cat > $work/demo.conflist <<'JSON'
{
  "cniVersion": "1.0.0", "name": "demo",
  "plugins": [
    { "type": "bridge", "bridge": "demo0", "isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "nftables", "hairpinMode": true,
      "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.99.0.0/24" }], [{ "subnet": "fd99::/64" }]] } },
    { "type": "tuning", "sysctl": { "net.core.somaxconn": "500" } },
    { "type": "portmap", "backend": "nftables", "capabilities": { "portMappings": true } }
  ]
}
JSON
say "The network: bridge with host-local, then tuning, then portmap"
cat $work/demo.conflist

# What a runtime does: call each plugin of the list with the configuration on standard input.
call() { # COMMAND CONTAINER PLUGIN CONFIG
    CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_NETNS=/run/netns/$2 CNI_IFNAME=eth0 CNI_PATH=$work/bin "$work/bin/$3" <<<"$4"
}
config() { # INDEX PREVIOUS-RESULT PORT-MAPPINGS
    jq -c --argjson index "$1" --argjson previous "$2" --argjson ports "$3" '
        . as $list | .plugins[$index] + {name: $list.name, cniVersion: $list.cniVersion}
        | if .capabilities.portMappings then .runtimeConfig = {portMappings: $ports} else . end | del(.capabilities)
        | if $previous == null then . else .prevResult = $previous end' $work/demo.conflist
}
types=(bridge tuning portmap)
add() { # CONTAINER PORT-MAPPINGS
    ip netns add "$1"
    local result=null index
    for index in 0 1 2; do
        result=$(call ADD "$1" "${types[$index]}" "$(config $index "$result" "$2")") || fail "ADD ${types[$index]}: $result"
    done
    echo "$result" > "$work/$1.result"
    say "ADD $1"
    cat "$work/$1.result"
}
address() { jq -r --argjson index "$2" '.ips[$index].address | split("/")[0]' "$work/$1.result"; }
reach() { # CONTAINER ADDRESS
    echo "$1 -> $2"
    ip netns exec "$1" ping -n -c 1 -W 5 "$2" || fail "$1 does not reach $2"
}

ports='[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]'
add web "$ports"
add client '[]'

say "Packets, both ways, IPv4 and IPv6"
reach client "$(address web 0)"
reach web "$(address client 0)"
reach client "$(address web 1)"
reach web "$(address client 1)"

say "A page through the published port of the host: 127.0.0.1:8080 -> web:80, and from the other container"
page="Hello through a weir"
ip netns exec web python3 -c "
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'$page\n')
    def log_message(self, *a): pass
http.server.HTTPServer(('0.0.0.0', 80), Page).serve_forever()" &
server=$!
for _ in $(seq 50); do ip netns exec web ss -Hltn 'sport = :80' | grep -q . && break; sleep 0.1; done
from_host=$(curl -sS --max-time 10 http://127.0.0.1:8080/) || fail "the published port does not answer on the host"
echo "host:   $from_host"
gateway=$(jq -r '.ips[0].gateway' $work/web.result)
from_client=$(ip netns exec client curl -sS --max-time 10 "http://$gateway:8080/") || fail "the published port does not answer to the other container"
echo "client: $from_client"
[ "$from_host" = "$page" ] && [ "$from_client" = "$page" ] || fail "the page is not the one that was served"
kill $server; wait $server 2>/dev/null || true

say "CHECK"
for container in web client; do
    wanted='[]'; [ $container = web ] && wanted=$ports
    for index in 0 1 2; do
        answer=$(call CHECK $container "${types[$index]}" "$(config $index "$(cat $work/$container.result)" "$wanted")") ||
            fail "CHECK ${types[$index]} of $container: $answer"
        echo "$container: ${types[$index]} is as it should be"
    done
done

say "DEL, in reverse order"
for container in web client; do
    wanted='[]'; [ $container = web ] && wanted=$ports
    for index in 2 1 0; do
        answer=$(call DEL $container "${types[$index]}" "$(config $index "$(cat $work/$container.result)" "$wanted")") ||
            fail "DEL ${types[$index]} of $container: $answer"
    done
    left=$(ip -n $container -o link show | grep -v ': lo:' || true)
    [ -z "$left" ] || fail "$container still has $left"
    ip netns delete $container
    echo "$container: gone"
done

say "What is left"
links=$(ip -o link show | awk -F': ' '{print $2}' | grep -Evx 'lo|demo0' || true)
echo "links besides lo and the bridge: ${links:-none}"
leases=$(find /var/lib/cni/networks/demo -type f ! -name lock ! -name 'last_reserved_ip.*' 2>/dev/null || true)
echo "addresses given out: ${leases:-none}"
rules=$(nft list ruleset | grep -E '10\.99\.0\.|fd99:|dport 8080' || true)
echo "rules that name the containers: ${rules:-none}"
state=$(find /run/cni -type f 2>/dev/null || true)
echo "state files: ${state:-none}"
[ -z "$links$leases$rules$state" ] || fail "something is left"
printf '\nThe demo succeeded.\n'
