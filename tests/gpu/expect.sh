# For the scripts beside it: counts what went as expected.
passed=0 failed=0

# expect STATUS WORD WHAT COMMAND…: the exit status, and a word in what it prints
expect() {
    local status=$1 word=$2 what=$3
    shift 3
    local output rc
    output=$("$@" 2>&1); rc=$?
    if [ "$rc" -eq "$status" ] && grep -q -e "$word" <<<"$output"; then
        passed=$((passed + 1)); echo "ok      $what"
    else
        failed=$((failed + 1)); echo "FAILED  $what: exit $rc (wanted $status), no '$word' in:"; sed 's/^/    /' <<<"$output"
    fi
}

# damage_engine PLAN: another engine under the same recipe, whose record and digest are right, that does not load.
# Bytes of weights may be anything, so it looks for a place that the runtime minds.
damage_engine() {
    local part
    for part in 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        cp "$1" "$work/damaged.engine" && chmod u+w "$work/damaged.engine"
        head -c 4096 /dev/zero | tr '\0' '\377' |
            dd of="$work/damaged.engine" bs=1 seek=$(($(stat -c %s "$1") / 16 * part)) conv=notrunc status=none
        "$tenon" check --trial "$work/damaged.engine" > /dev/null 2>&1
        [ $? -eq 1 ] && break
    done
    python3 - "$1" "$work/damaged.engine" <<'PY'
import glob, hashlib, json, os, sys
plan, damaged = sys.argv[1:]
folder = os.path.dirname(plan)
data = open(damaged, "rb").read()
digest = hashlib.sha256(data).hexdigest()
record = json.load(open(folder + "/record.json"))
old = record["digest"]
record["digest"] = digest
root = folder.split("/objects/")[0]
new = "%s/objects/sha256/%s/%s" % (root, digest[:2], digest[2:])
os.makedirs(os.path.dirname(new), 0o755, exist_ok=True)
os.chmod(plan, 0o644); open(plan, "wb").write(data); os.chmod(plan, 0o444)
os.chmod(folder + "/record.json", 0o644); json.dump(record, open(folder + "/record.json", "w")); os.chmod(folder + "/record.json", 0o444)
os.rename(folder, new)
for index in glob.glob(root + "/records/*.json"):
    text = open(index).read()
    open(index, "w").write(text.replace(old, digest))
PY
}
