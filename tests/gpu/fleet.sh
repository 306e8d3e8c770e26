#!/bin/bash
# A fleet with a real GPU in it: published, matched, delivered, loaded; see README.md.
set -u
folder=$1 python=$2 libraries=$3 model=$4
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/tenon-gpu-XXXXXX")
export HOME=$work TENON_STORE=$work/store TENON_TOOLCHAINS=$work/toolchains.yaml LD_LIBRARY_PATH=$folder/lib:$libraries
printf 'toolchains:\n  - { kind: python, python: %s, library: %s }\n' "$python" "$libraries" > "$TENON_TOOLCHAINS"
. "$here/expect.sh"
tenon=$folder/bin/tenon

"$folder/bin/tenond" --data "$work/data" --listen 127.0.0.1:0 2> "$work/tenond.log" &
server=$!
trap 'kill $server 2> /dev/null' EXIT
for _ in $(seq 200); do
    url=http://$(grep -o '127\.0\.0\.1:[1-9][0-9]*' "$work/tenond.log" | head -n 1)
    [ "$url" != http:// ] && break
    sleep 0.1
done
expect 0 "" "login" "$tenon" login "$url" --token-file "$work/data/admin.token"
expect 0 "" "a gateway token" "$tenon" token new gateway --name devices --output "$work/gateway.token"
printf 'name: gpu\nvariants: { fp32: %s }\noptions: { optimization-level: 0 }\npolicy: { precision: [fp16, fp32] }\n' \
    "$model" > "$work/model.yaml"

expect 0 "" "push of the model alone" "$tenon" push "$work/model.yaml" --release 1.0.0
expect 0 "" "channel" "$tenon" channel set gpu@stable 1.0.0
expect 0 "" "deploy" "$tenon" deploy gpu@stable
expect 1 "nothing was offered" "no engine: the device is offered nothing" \
    python3 "$here/device.py" "$tenon" "$url" gpu-1 "$work/gateway.token" "$work"
expect 0 "" "a T4 is registered beforehand" "$tenon" devices add t4-1 --device t4+trt10.6.0.26
expect 1 "hole" "both are holes" "$tenon" map gpu
expect 0 '"source":"built"' "an engine is built" "$tenon" get --json "$work/model.yaml"
expect 0 "" "push of the engine" "$tenon" push "$work/model.yaml" --release 1.0.0
expect 0 '"verdict": "loads", "by": "trial"' "the device takes it, it loads" \
    python3 "$here/device.py" "$tenon" "$url" gpu-1 "$work/gateway.token" "$work"
expect 1 '"state":"engine"' "the hole has closed" "$tenon" map --json gpu
expect 1 '"state":"hole"' "the T4 waits" "$tenon" map --json gpu
expect 0 '"state":"finished"' "the action ended well" "$tenon" actions --json
expect 0 '"level":"loaded".*"source":"remote"' "get from the channel, proved by a load here" \
    env TENON_STORE="$work/empty" "$tenon" get --json gpu@stable --remote "$url"
expect 0 '"source":"store"' "and again, from the store" \
    env TENON_STORE="$work/empty" "$tenon" get --json gpu@stable --remote "$url"
expect 0 'engine_loads_total{.*by="trial".*result="ok".*} 1$' "the metrics show the load" \
    "$python" -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1] + "/metrics").read().decode())' "$url"
expect 0 '"counted":0,"known":[1-9]' "the loads of this host are told, and count once" \
    python3 "$here/outcomes.py" "$url" gpu-1 "$work/gateway.token" "$work/empty"
expect 0 'engine_deserialize_seconds_count{.*by="trial".*} [1-9]' "with the seconds that they took" \
    "$python" -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1] + "/metrics").read().decode())' "$url"
expect 0 "last load" "devices show has the last one" "$tenon" devices show gpu-1
kill $server
wait $server
expect 0 "" "SIGTERM ends the server" test $? -eq 0
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
