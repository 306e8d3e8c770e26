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

# damage_engine PLAN: another engine under the same recipe, whose record and digest are right, that does not load
damage_engine() {
    python3 - "$1" <<'PY'
import glob, hashlib, json, os, sys
plan = sys.argv[1]
folder = os.path.dirname(plan)
data = bytearray(open(plan, "rb").read())
data[len(data) // 4:len(data) // 4 + 4096] = b"\xff" * 4096
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
