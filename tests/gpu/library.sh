#!/bin/bash
# Acceptance of the library on a real GPU: services that load their engine themselves; see README.md.
set -u
folder=$1 python=$2 libraries=$3 model=$4
work=$(mktemp -d "${TMPDIR:-/tmp}/tenon-gpu-XXXXXX")
export TENON_STORE=$work/store TENON_TOOLCHAINS=$work/toolchains.yaml LD_LIBRARY_PATH=$folder/lib:$libraries
export TENON_LIBEXEC=$folder/libexec/tenon
printf 'toolchains:\n  - { kind: python, python: %s, library: %s }\n' "$python" "$libraries" > "$TENON_TOOLCHAINS"
. "$(dirname "$0")/expect.sh"
tenon=$folder/bin/tenon library=$libraries/libnvinfer.so.10
printf 'name: gpu\nvariants: { fp32: %s }\noptions: { optimization-level: 0 }\npolicy: { precision: [fp16, fp32] }\n' \
    "$model" > "$work/model.yaml"
c_service() { "$folder/bin/load_engine" "$work/model.yaml" "$library"; }
python_service() { PYTHONPATH=$folder/python "$python" "$folder/examples/load_engine.py" "$work/model.yaml"; }

expect 0 '^layers *[1-9]' "C: the first start builds, proves and loads an engine" c_service
expect 0 '"level": *"loaded".*"source": *"store"' "C: the next start loads it from the store" c_service
expect 0 'store, level loaded' "Python: a start with a good engine" python_service
"$tenon" cache stats --prom "$work/tenon.prom" > /dev/null
expect 0 'load_success{.*by="application".*} 1' "the loads are in the metrics" cat "$work/tenon.prom"
grep -h 'load_seconds\|load_success' "$work/tenon.prom" | sed 's/^/        /'

# A start with an engine that will not load: refused in a child, set aside, the next rung is loaded.
"$tenon" cache unpin gpu > /dev/null 2>&1
damage_engine "$("$tenon" get -q "$work/model.yaml")"
expect 0 '"precision": *"fp32"' "C: a start with a refused engine loads the next rung" c_service
expect 0 '"result": *"refused".*"source": *"store"' "C: and is not tried again" c_service
expect 0 'fp16\|gpu' "the refused engine is aside, with its reason" "$tenon" cache aside

# A start without a driver: the engine is kept for the next one.
hidden=(env CUDA_VISIBLE_DEVICES=)
driver=$(ldconfig -p | sed -n 's/.*libcuda\.so\.1 .*=> //p' | head -n 1)
if [ -n "$driver" ] && unshare -m true 2> /dev/null; then
    hidden=(unshare -m bash -c 'mount --bind /dev/null "$0" && exec "$@"' "$(readlink -f "$driver")")
fi
echo "        the driver is hidden by: ${hidden[0]} ${hidden[1]}"
expect 75 'kept' "C: a start without a driver keeps the engine and says so" "${hidden[@]}" "$folder/bin/load_engine" "$work/model.yaml" "$library"
expect 0 '' "it is still there" "$tenon" cache verify
expect 0 '^layers' "C: with the driver back it loads" c_service

# Verification off, and bytes that hang the GPU: then only the deadline of the trial protects.
export TENON_STORE=$work/blind
engine=$("$tenon" get -q --level header --precision fp32 "$work/model.yaml")
cp "$engine" "$work/whole.engine"
tries=0 hung=
while [ -f "$work/whole.engine" ] && [ "$tries" -lt 70 ] && [ -z "$hung" ]; do
    tries=$((tries + 1))
    python3 - "$work/whole.engine" "$work/flip.engine" "$tries" <<'PY'
import random, sys
data = bytearray(open(sys.argv[1], "rb").read())
random.seed(int(sys.argv[3]))
at = random.randrange(2048, min(len(data), 200000))
data[at] ^= 1 << random.randrange(8)
open(sys.argv[2], "wb").write(data)
PY
    "$tenon" check --trial --time-limit 6s "$work/flip.engine" > "$work/flip.log" 2>&1
    rc=$?
    echo "$rc" >> "$work/flip.rc"
    grep -q 'no end after' "$work/flip.log" && hung=$tries
done
echo "        single flipped bits in the head of the engine, by exit status: $(sort "$work/flip.rc" 2> /dev/null | uniq -c | tr '\n' ';')"
if [ -n "$hung" ]; then
    chmod u+w "$engine" && cat "$work/flip.engine" > "$engine"
    start=$(date +%s)
    expect 0 'built' "a flipped bit that hangs: caught by the deadline when verification is off, and built anew" \
        env PYTHONPATH="$folder/python" "$python" -c '
import sys, tenon
engine = tenon.get(sys.argv[1], precision="fp32", no_verify=True)
print(engine.report["source"], engine.report["level"], engine.report["warnings"])' "$work/model.yaml"
    echo "        after $(($(date +%s) - start)) s"
else
    echo "        none of $tries flipped bits hung the GPU; the deadline itself:"
fi
expect 75 'no end after' "a trial that outlasts its deadline is the device's trouble" \
    "$tenon" check --trial --time-limit 100ms "$work/whole.engine"

# In process, warm: only what has been at rest for two seconds is remembered.
if [ -x "$folder/bin/bench_get" ]; then
    runtime=$("$tenon" get --json -q "$work/model.yaml" --store "$work/store" | sed -n 's/.*"runtime":"\([^"]*\)".*/\1/p')
    sleep 3
    for store in store blind; do
        set -- $("$folder/bin/bench_get" "$work/$store" "$work/model.yaml" "$runtime")
        echo "        warm tn_engine_get() in $store: $1 ns; open, map and close of the plan: $2 ns"
    done
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
