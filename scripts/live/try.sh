#!/usr/bin/env bash
# Live capture tried for real, in network namespaces of its own: captures replayed while `live` and tcpdump listen,
# then real traffic with a key log that grows. Rows must equal those of `analyze` on the file that `live` wrote and on
# tcpdump's. Needs root, iproute2, tcpreplay, tcpdump, python3, openssl, dnsmasq.
#   scripts/live/try.sh [BINARY [CAPTURE...]]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
binary="$(realpath "${1:-$root/target/debug/lynccap}")"
shift || true
for tool in ip tcpreplay tcpdump python3 openssl dnsmasq; do
    command -v "$tool" >/dev/null || { echo "skipped: needs $tool" >&2; exit 0; }
done
ip netns add lc-try-probe 2>/dev/null || { echo "skipped: needs root" >&2; exit 0; }
ip netns del lc-try-probe

work="$(mktemp -d)"
client="lc-client-$$" server="lc-server-$$"
clean() {
    for net in "$client" "$server"; do
        ip netns pids "$net" 2>/dev/null | xargs -r kill 2>/dev/null || true
        ip netns del "$net" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap clean EXIT
for net in "$client" "$server"; do
    ip netns add "$net"
    ip netns exec "$net" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
    ip -n "$net" link set lo up
done
ip link add "lcv$$" mtu 9000 netns "$client" type veth peer name v1 mtu 9000 netns "$server"
ip -n "$client" link set "lcv$$" name v0
ip -n "$client" addr add 10.99.0.1/24 dev v0
ip -n "$server" addr add 10.99.0.2/24 dev v1
ip -n "$client" link set v0 up
ip -n "$server" link set v1 up
chmod 777 "$work"

inside() { local net=$1; shift; timeout 120 ip netns exec "$net" "$@"; }
wait_for() { # TEXT FILE
    for _ in $(seq 100); do grep -q "$1" "$2" 2>/dev/null && return; sleep 0.1; done
    echo "no '$1' in $2:" >&2; cat "$2" >&2; exit 1
}
listen() { # options of live
    rm -f "$work"/live.* "$work"/dump.*
    inside "$server" "$binary" live -i v1 -f '' -w "$work/live.pcapng" --jsonl "$work/live.rows" --user root "$@" \
        >"$work/live.out" 2>"$work/live.err" &
    inside "$server" tcpdump -i v1 -B 32768 --time-stamp-precision=nano -U -w "$work/dump.pcap" 2>"$work/dump.err" &
    wait_for ": capturing " "$work/live.err"
    wait_for "listening on" "$work/dump.err"
    sleep 0.3
}
stop() {
    sleep 1.5
    ip netns pids "$server" | while read -r pid; do
        case "$(cat "/proc/$pid/comm" 2>/dev/null)" in lynccap | tcpdump) kill -INT "$pid" ;; esac
    done
    for job in $(jobs -p); do
        [ "$job" = "${keep:-}" ] || [ "$job" = "${keep_dns:-}" ] || wait "$job" || { echo "failed:"; cat "$work/live.err"; exit 1; }
    done
}
failed=0
compare() { # NAME, options of analyze
    local name=$1; shift
    "$binary" analyze "$work/live.pcapng" "$@" -q --jsonl "$work/file.rows" 2>/dev/null
    "$binary" analyze "$work/dump.pcap" "$@" -q --jsonl "$work/dump.rows" 2>/dev/null
    local result="same"
    python3 "$here/same-rows.py" "$work/live.rows" "$work/file.rows" || result="DIFFERS from its own file"
    python3 "$here/same-rows.py" "$work/live.rows" "$work/dump.rows" --untimed || result="DIFFERS from tcpdump's file"
    [ "$result" = same ] || failed=1
    echo "$name: $(wc -l <"$work/live.rows") rows, $result"
}

captures=("$@")
if [ ${#captures[@]} = 0 ]; then captures=("$root"/captures/*.pcapng); fi
for capture in "${captures[@]}"; do
    case "$capture" in *sll2* | *two-sections*) continue ;; esac # tcpreplay sends Ethernet, from one section
    keys="${capture%.pcapng}.keys"
    options=()
    [ -f "$keys" ] && options=(-k "$keys")
    listen "${options[@]}"
    inside "$client" tcpreplay -q -x 20 -i v0 "$capture" >"$work/replay" 2>&1 || { cat "$work/replay"; exit 1; }
    stop
    compare "$(basename "$capture")" "${options[@]}"
done

# Real traffic: look-ups at dnsmasq, SIP over TLS by OpenSSL; the key log is not there when capturing begins.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=pool.lab.test -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
ip netns exec "$server" dnsmasq -k --no-resolv --no-hosts --user=root --pid-file= \
    --srv-host=_sipinternaltls._tcp.lab.test,pool.lab.test,5061 --address=/pool.lab.test/10.99.0.2 &
keep_dns=$!
ip netns exec "$server" python3 "$here/sign-in.py" server "$work/cert.pem" "$work/key.pem" &
keep=$!
sleep 1
listen -k "$work/growing.keys"
inside "$client" python3 "$here/sign-in.py" client 10.99.0.2 "$work/growing.keys"
sleep 1.5 # rows and sentences come by themselves
grep -q "registered after" "$work/live.out" || { echo "no step while it ran"; cat "$work/live.out" "$work/live.err"; failed=1; }
stop
compare "real traffic" -k "$work/growing.keys"
grep -c '"kind":"sip"' "$work/live.rows" | sed 's/^/real traffic: SIP messages read with a key log that grew: /'
exit $failed
