#!/usr/bin/env bash
# How many packets a second live capture takes without drops, beside tcpdump: a mix with about 5 % of DNS and SIP is
# replayed through a pair of interfaces at growing rates, once with `live` and once with tcpdump listening, each on one
# core (the replay has the other), each writing a file. Needs root, iproute2, tcpreplay, tcpdump, python3.
#   [SECONDS_EACH=10] scripts/live/load.sh [BINARY [RATE...]]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
binary="$(realpath "${1:-$root/target/release/lynccap}")"
shift || true
rates=("$@")
[ ${#rates[@]} -gt 0 ] || rates=(50000 100000 150000 200000 0) # 0: as fast as it goes
seconds="${SECONDS_EACH:-10}"
for tool in ip tcpreplay tcpdump python3 taskset; do
    command -v "$tool" >/dev/null || { echo "skipped: needs $tool" >&2; exit 0; }
done
net="lc-load-$$"
ip netns add "$net" 2>/dev/null || { echo "skipped: needs root" >&2; exit 0; }
work="$(mktemp -d)"
chmod 777 "$work"
clean() {
    ip netns pids "$net" 2>/dev/null | xargs -r kill 2>/dev/null || true
    ip netns del "$net" 2>/dev/null || true
    rm -rf "$work"
}
trap clean EXIT
ip netns exec "$net" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip -n "$net" link add v0 mtu 9000 type veth peer name v1 mtu 9000
ip -n "$net" link set v0 up
ip -n "$net" link set v1 up

# The mix: one packet in twenty belongs to sign-ins, the others are media and HTTPS.
python3 "$root/scripts/bench/generate.py" mixed 48 "$work/mixed.pcap" >/dev/null
python3 "$root/scripts/bench/generate.py" sip 8 "$work/sip.pcap" >/dev/null
python3 "$here/mix.py" "$work/mixed.pcap" "$work/sip.pcap" "$work/mix.pcap"

replay() { # RATE; prints packets a second as sent, and packets
    local rate=(--pps="$1")
    [ "$1" = 0 ] && rate=(--topspeed)
    # Packets already in memory; the same again and again until the time is over.
    timeout 120 taskset -c 1 ip netns exec "$net" tcpreplay -q -K --loop=100000 --duration="$seconds" "${rate[@]}" -i v0 \
        "$work/mix.pcap" >"$work/replay" 2>&1 || { cat "$work/replay" >&2; exit 1; }
    awk '/^Actual:/ { sent = $2 } /^Rated:/ { rate = $6 } END { printf "%d %d", rate, sent }' "$work/replay"
}
begin() { # WORD FILE COMMAND...: in the background, on the first core
    local word=$1 file=$2
    shift 2
    timeout 180 taskset -c 0 ip netns exec "$net" "$@" >"$work/out" 2>"$file" &
    for _ in $(seq 50); do grep -q "$word" "$file" && break; sleep 0.1; done
    sleep 0.5
}
end() { # COMM; prints its CPU time in hundredths of a second, and the most memory it had in MiB
    sleep 2
    local pid
    pid="$(ip netns pids "$net" | while read -r pid; do [ "$(cat "/proc/$pid/comm")" = "$1" ] && echo "$pid"; done | head -1)"
    awk '{ printf "%d ", $14 + $15 }' "/proc/$pid/stat"
    awk '/^VmHWM:/ { printf "%d", $2 / 1024 }' "/proc/$pid/status"
    kill -INT "$pid"
}

printf '%-10s %-9s %12s %10s %10s %10s %8s %6s\n' asked program "packets/s" sent got dropped "CPU s" MiB
for rate in "${rates[@]}"; do
    for filter in everything default; do
        options=(-f '')
        [ $filter = default ] && options=()
        begin ": capturing " "$work/err" "$binary" live -i v1 -B 64 "${options[@]}" -w "$work/live.pcapng" --user root --no-progress
        sent="$(replay "$rate")"
        read -r cpu memory <<<"$(end lynccap)"
        wait
        got="$(sed -n 's/^Capture .*: \([0-9]*\) packets, .*/\1/p' "$work/out")"
        drops="$(grep -oE '[0-9]+ packets (dropped by|captured but not decoded)[^·]*' "$work/out" | paste -sd'; ' || true)"
        printf '%-10s %-9s %12s %10s %10s %10s %8s %6s\n' "$rate" "live/${filter:0:4}" $sent "$got" "${drops:-0}" "$((cpu / 100)).$((cpu % 100 / 10))" "$memory"
        rm -f "$work/live.pcapng"
    done
    begin "listening on" "$work/err" tcpdump -i v1 -B 65536 -n -w "$work/dump.pcap" --time-stamp-precision=nano
    sent="$(replay "$rate")"
    read -r cpu memory <<<"$(end tcpdump)"
    wait
    got="$(awk '/packets captured/ { print $1 }' "$work/err")"
    drops="$(awk '/dropped by kernel/ { print $1 }' "$work/err")"
    printf '%-10s %-9s %12s %10s %10s %10s %8s %6s\n' "$rate" tcpdump $sent "$got" "$drops" "$((cpu / 100)).$((cpu % 100 / 10))" "$memory"
    rm -f "$work/dump.pcap"
done
