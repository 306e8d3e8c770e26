/*
 * The rows of the verbs that talk to a server. `tenon` has them for help, completion and the man
 * page and to refuse a bad line at once; tenon-net runs them (net_main.c says which function).
 */
#include "cli/commands.h"
#include "cli/net.h"

#define HELPER "tenon-net"
#define EXITS                                                                                      \
    "0 done; 2 usage; 66 no such thing; 69 the server cannot do it; 75 the server cannot be "      \
    "reached, try later; 77 the token is "                                                         \
    "missing, unknown or not enough; others as in docs/errors.md."

/* ---- login, logout ---- */

static const struct tn_option login_options[] = {
    TN_NET_OPTIONS,
    { 0 },
};
static const char *const login_examples[] = {
    "tenon login http://127.0.0.1:8600 --token-file data/admin.token",
    "Use the tenond of this machine from now on.",
    "tenon login https://fleet.example --ca fleet-ca.pem --token-file - < token",
    "Another machine, its own certificates, the token from standard input.",
    NULL,
};
const struct tn_command tn_cmd_login = {
    .name = "login",
    .args = "URL",
    .min_args = 1,
    .max_args = 1,
    .summary = "Remember a server and the token for it.",
    .details =
        "Asks the server whether it knows the token, then keeps both in "
        "~/.config/tenon/credentials, which only you can read. The server is then the one "
        "that the other commands talk to, until the next login, --server or $TENON_SERVER.\n\n"
        "A token comes from a file or standard input, never from the command line, and goes "
        "over plain http only to this machine.\n\n"
        "Servers may also be listed in ~/.config/tenon/config.yaml and "
        "/etc/tenon/config.yaml; see docs/config.md.",
    .options = login_options,
    .examples = login_examples,
    .exits = EXITS,
    .helper = HELPER,
};

static const struct tn_option logout_options[] = {
    { "server", 0, TN_ARG_TEXT, "URL", NULL, false,
      "The server (default: the one that was logged in to last)." },
    { 0 },
};
static const char *const logout_examples[] = {
    "tenon logout",
    "Forget the token of the server that was logged in to last.",
    NULL,
};
const struct tn_command tn_cmd_logout = {
    .name = "logout",
    .args = "",
    .summary = "Forget the token of a server.",
    .details =
        "The token stays good: 'tenon token revoke' ends it. The server that was logged in to "
        "before, if there is one, is then the one that commands talk to.",
    .options = logout_options,
    .examples = logout_examples,
    .exits = "0 done, also when there was none; others as in docs/errors.md.",
    .helper = HELPER,
};

/* ---- push ---- */

static const struct tn_option push_options[] = {
    { "release", 'r', TN_ARG_TEXT, "VERSION", NULL, false, "Version to publish, as 1.2.0." },
    { "model", 'm', TN_ARG_TEXT, "NAME", NULL, false, "Name of the model (default: the spec's)." },
    { "shapes", 's', TN_ARG_TEXT, "SHAPES", NULL, false,
      "Ranges of dynamic inputs as for tenon get (default: the spec's)." },
    { "store", 0, TN_ARG_FOLDER, "LIST", NULL, false,
      "Stores to take engines from, colon-separated (default: $TENON_STORE)." },
    { "no-engines", 0, TN_ARG_NONE, NULL, NULL, false, "Publish the model alone." },
    { "sign", 0, TN_ARG_FILE, "KEYFILE", NULL, false,
      "Sign the release and every engine with this private key ('tenon key new' makes one)." },
    { "dry-run", 'n', TN_ARG_NONE, NULL, NULL, false,
      "Say what would be sent and what is there; send nothing." },
    TN_NET_OPTIONS,
    { 0 },
};
static const char *const push_examples[] = {
    "tenon push yolo.yaml --release 1.2.0",
    "Publish the model's variants and all of its engines that the stores hold.",
    "tenon push yolo.yaml --release 1.2.0",
    "Again, after more engines were built: only what is missing is sent.",
    "tenon push yolo.yaml --release 1.2.0 --dry-run",
    "What would be sent.",
    "tenon push yolo.yaml --release 1.2.0 --sign release",
    "Publish signed; what is there already gets the signature, too.",
    NULL,
};
const struct tn_command tn_cmd_push = {
    .name = "push",
    .args = "MODEL --release VERSION",
    .min_args = 1,
    .max_args = 1,
    .summary = "Publish a release of a model with its engines.",
    .details =
        "MODEL is a model.yaml or an ONNX file. Its variants with their external data go first, "
        "then the release, then every engine of the stores that was built from these very files "
        "for these shapes, plugins and flags; others of the same model are named with the "
        "reason.\n\n"
        "What the server has is not sent again, and what broke off goes on where it stopped. Every "
        "byte is verified on arrival. A release never changes: other content under its version is "
        "refused, further engines and signatures are welcome. Signatures that "
        "'tenon key sign' made of the engines go along.",
    .options = push_options,
    .examples = push_examples,
    .exits = EXITS,
    .helper = HELPER,
};

/* ---- releases, channel, engine ---- */

static const struct tn_option net_options[] = {
    TN_NET_OPTIONS,
    { 0 },
};
static const char *const releases_examples[] = {
    "tenon releases yolo",
    "Its releases, the newest first, with the channels that point to them.",
    "tenon releases rm yolo@1.0.0",
    "Remove one that no channel and no deployment means.",
    NULL,
};
const struct tn_command tn_cmd_releases = {
    .name = "releases",
    .args = "[MODEL] | rm MODEL@VERSION",
    .max_args = 2,
    .summary = "List the releases of a model, or of all; remove one.",
    .details = "rm MODEL@VERSION: nobody gets the release any more, and its version is never used "
               "again. Refused while a channel or a deployment means it. Devices that run it keep "
               "it; files that nothing else refers to are collected within the hour once they are "
               "a day old.",
    .options = net_options,
    .examples = releases_examples,
    .exits = EXITS,
    .helper = HELPER,
};

static const char *const channel_examples[] = {
    "tenon channel set yolo@stable 1.2.0",
    "Deployments of yolo@stable go to 1.2.0 from now on.",
    NULL,
};
const struct tn_command tn_cmd_channel = {
    .name = "channel",
    .args = "set MODEL@CHANNEL VERSION",
    .min_args = 1,
    .max_args = 3,
    .verbs = "set",
    .summary = "Point a channel to a release.",
    .details = "Devices that a deployment of the channel covers move at once.",
    .options = net_options,
    .examples = channel_examples,
    .exits = EXITS,
    .helper = HELPER,
};

static const struct tn_option engine_options[] = {
    { "why", 0, TN_ARG_TEXT, "TEXT", NULL, false, "With revoke: the reason, for those who ask." },
    { "kind", 0, TN_ARG_CHOICE, NULL, "swupdate|rauc", false,
      "With attach: whose container it is (default: by its name, .swu or .raucb)." },
    { "class", 0, TN_ARG_TEXT, "CLASS", NULL, false,
      "With allow and stop: the device class, as map --why prints it." },
    TN_NET_OPTIONS,
    { 0 },
};
static const char *const engine_examples[] = {
    "tenon engine list yolo@1.2.0",
    "The engines of a release.",
    "tenon engine revoke 3f9a12 --why 'wrong calibration'",
    "Nobody gets it any more; who runs it keeps it.",
    "tenon engine attach 3f9a12 yolo-t4.swu",
    "Devices with SWUpdate get this file when they are to have that engine.",
    NULL,
};
const struct tn_command tn_cmd_engine = {
    .name = "engine",
    .args = "VERB ARGUMENT…",
    .min_args = 1,
    .max_args = 3,
    .verbs = "list|revoke|attach|pin|unpin|allow|stop",
    .summary = "List, revoke, attach to and pin the engines of a release.",
    .details =
        "ENGINE is a digest or a unique prefix of at least six hex digits.\n\n"
        "list MODEL@VERSION, or MODEL@CHANNEL: its engines.\n\n"
        "revoke ENGINE: no device is given it any more, and 'tenon get' passes it over once it "
        "has heard of it; those that run it keep it. For good: another build takes its "
        "place.\n\n"
        "attach ENGINE FILE: a foreign client's own container (.swu, .raucb) that holds the "
        "engine; offered to devices whose attribute or label `delivery` is swupdate or "
        "rauc.\n\n"
        "pin ENGINE, unpin ENGINE: the server keeps its file, whatever refers to it.\n\n"
        "allow ENGINE, stop ENGINE --class CLASS: an operator's word that overrules what "
        "the devices of a class reported.",
    .options = engine_options,
    .examples = engine_examples,
    .exits = EXITS,
    .helper = HELPER,
};

/* ---- devices ---- */

static const struct tn_option devices_options[] = {
    { "where", 'w', TN_ARG_TEXT, "EXPR", NULL, false,
      "With list: only devices that EXPR holds for, in the grammar of tenon device --require." },
    { "device", 'd', TN_ARG_DEVICE, "NAME|FILE", NULL, false,
      "With add: what it is, as a board (t4+trt8.4.1.5) or a fingerprint file." },
    { "output", 'o', TN_ARG_FILE, "FILE", NULL, false,
      "With token new: write the token to FILE, mode 0600, and do not print it." },
    TN_NET_OPTIONS_WITH(
        "With add: the device's own token (default: none; 'devices token new' makes one). Else "
        "yours, - = standard input (default: $TENON_TOKEN_FILE, else what login kept)."),
    { 0 },
};
static const char *const devices_examples[] = {
    "tenon devices --where 'gpu.compute_capability=8.7 and trt<10'",
    "The devices that a filter matches.",
    "tenon devices show edge-17",
    "One device: what it is, what it runs, what it is to do.",
    "tenon devices label edge-17 site=north rack=",
    "Set one label, remove another.",
    "tenon devices poll edge-17 30s",
    "It asks every 30 seconds from its next poll on.",
    "tenon devices add edge-18 --device t4+trt8.4.1.5",
    "Register a device before it comes.",
    "tenon devices add edge-19 --token-file edge-19.token",
    "One that has a token already.",
    "tenon devices token new edge-18 --output edge-18.token",
    "A new token for it; the old one ends.",
    NULL,
};
const struct tn_command tn_cmd_devices = {
    .name = "devices",
    .args = "[VERB] [ARGUMENT…]",
    .max_args = 65,
    .verbs = "list|show|label|poll|add|token|remove",
    .summary = "List, label and register the devices of the fleet.",
    .details =
        "Without a verb: list.\n\n"
        "list: the devices, with what they are and run, what they are to do, and the releases "
        "that they wait for in a hole: no engine of those loads on them, and 'tenon map "
        "MODEL --why' says why.\n\n"
        "show ID: all that is known of one.\n\n"
        "label ID NAME=VALUE…: the operator's own words about a device; an empty value "
        "removes the label.\n\n"
        "poll ID TIME, poll ID default: how often the device is to ask, from its next poll "
        "on; without an ID that of all devices that have no time of their own.\n\n"
        "add ID: registers a device before its first contact.\n\n"
        "token new ID, token revoke ID: the token by which it is known. A new one is shown "
        "once.\n\n"
        "remove ID: forgets it; it may register again.",
    .options = devices_options,
    .examples = devices_examples,
    .exits = EXITS,
    .helper = HELPER,
};

/* ---- map, deploy, deployments, actions ---- */

static const struct tn_option map_options[] = {
    { "why", 'y', TN_ARG_NONE, NULL, NULL, false,
      "Also every candidate of each row, and why it is or is not the one." },
    TN_NET_OPTIONS,
    { 0 },
};
static const char *const map_examples[] = {
    "tenon map yolo",
    "Which engine each kind of device gets, and where one is missing.",
    "tenon map yolo@1.2.0 --why",
    "And why each other engine is not the one.",
    NULL,
};
const struct tn_command tn_cmd_map = {
    .name = "map",
    .args = "MODEL[@VERSION|CHANNEL]",
    .min_args = 1,
    .max_args = 1,
    .summary = "Show which engine each kind of device gets, and the holes.",
    .details = "One row for each platform, TensorRT version and device class in the fleet: the "
               "engine that its devices get, or a hole with the number of devices that wait in "
               "it. A hole closes by itself when an engine for it is pushed.",
    .options = map_options,
    .examples = map_examples,
    .exits = "0 no holes; 1 there are holes; others as in docs/errors.md.",
    .helper = HELPER,
};

static const struct tn_option deploy_options[] = {
    { "to", 't', TN_ARG_TEXT, "EXPR", NULL, false,
      "Only devices that EXPR holds for (default: all)." },
    { "first", 'f', TN_ARG_TEXT, "N", NULL, false, "Stop after N devices (default: all)." },
    { "type", 0, TN_ARG_CHOICE, NULL, "forced|soft|download-only", false,
      "How it is meant: soft lets a device wait, download-only has it fetch the engine and "
      "install nothing (default: forced)." },
    { "confirm", 0, TN_ARG_NONE, NULL, NULL, false,
      "Each device is asked first. SWUpdate, rauc-hawkbit-updater and Zephyr cannot answer: they "
      "wait until the deployment is stopped." },
    { "accept", 0, TN_ARG_CHOICE, NULL, "loads|may-load", false,
      "Also engines that may load, where none is sure to (default: loads)." },
    TN_NET_OPTIONS,
    { 0 },
};
static const char *const deploy_examples[] = {
    "tenon deploy yolo@stable --to 'site=north'",
    "Every device of site north gets what the channel points to, now and later.",
    "tenon deploy yolo@1.2.0 --first 5",
    "Five devices, then stop.",
    "tenon deploy yolo@1.3.0 --type download-only",
    "Devices fetch it tonight; a forced deployment installs it tomorrow.",
    NULL,
};
const struct tn_command tn_cmd_deploy = {
    .name = "deploy",
    .args = "MODEL[@CHANNEL|VERSION]",
    .min_args = 1,
    .max_args = 1,
    .summary = "Say which devices run which release of a model.",
    .details = "Each device is offered the engine that loads on it when it next asks. A channel "
               "(default: stable) is followed when it moves, a version stays. Devices that "
               "register later are covered too. A deployment pauses itself when at least five "
               "devices have finished and a fifth of them failed.",
    .options = deploy_options,
    .examples = deploy_examples,
    .exits = EXITS,
    .helper = HELPER,
};

static const struct tn_option deployments_options[] = {
    { "why", 0, TN_ARG_TEXT, "TEXT", NULL, false, "With pause, resume and stop: the reason." },
    TN_NET_OPTIONS,
    { 0 },
};
static const char *const deployments_examples[] = {
    "tenon deployments",
    "What is to run where, how far it is, and what paused itself.",
    "tenon deployments pause 3 --why 'holiday'",
    "Start nothing new.",
    NULL,
};
const struct tn_command tn_cmd_deployments = {
    .name = "deployments",
    .args = "[VERB] [N]",
    .max_args = 2,
    .verbs = "list|show|pause|resume|stop|force",
    .summary = "List, pause, resume and stop deployments.",
    .details = "Without a verb: list. A paused deployment starts nothing new; what a device has "
               "begun goes on. force: a soft deployment becomes a forced one.",
    .options = deployments_options,
    .examples = deployments_examples,
    .exits = EXITS,
    .helper = HELPER,
};

static const struct tn_option actions_options[] = {
    { "failed", 'f', TN_ARG_NONE, NULL, NULL, false, "With list: only those that failed." },
    { "limit", 'n', TN_ARG_TEXT, "N", NULL, false,
      "With list: only the newest N (default: 0 = all)." },
    TN_NET_OPTIONS,
    { 0 },
};
static const char *const actions_examples[] = {
    "tenon actions --failed",
    "What failed, with the telling line.",
    "tenon actions show 17",
    "One action with its history.",
    "tenon actions cancel 17",
    "Ask the device to stop it.",
    NULL,
};
const struct tn_command tn_cmd_actions = {
    .name = "actions",
    .args = "[VERB] [N]",
    .max_args = 2,
    .verbs = "list|show|cancel",
    .summary = "List, show and cancel what devices are to do.",
    .details = "Without a verb: list.",
    .options = actions_options,
    .examples = actions_examples,
    .exits = EXITS,
    .helper = HELPER,
};

/* ---- token, backup ---- */

static const struct tn_option token_options[] = {
    { "name", 0, TN_ARG_TEXT, "TEXT", NULL, false,
      "With new: who or what it is for (default: its role)." },
    { "output", 'o', TN_ARG_FILE, "FILE", NULL, false,
      "With new: write the token to FILE, mode 0600, and do not print it." },
    TN_NET_OPTIONS,
    { 0 },
};
static const char *const token_examples[] = {
    "tenon token new publisher --name ci --output ci.token",
    "A token for a build machine that pushes releases.",
    "tenon token new gateway --output gateway.token",
    "A token by which new devices register themselves.",
    NULL,
};
const struct tn_command tn_cmd_token = {
    .name = "token",
    .args = "VERB [ARGUMENT]",
    .min_args = 1,
    .max_args = 2,
    .verbs = "list|new|revoke",
    .summary = "List, make and revoke tokens of people and programs.",
    .details = "list: the tokens, without their secrets.\n\n"
               "new ROLE: admin, publisher, viewer, or gateway (devices register with it). The "
               "token is shown once.\n\n"
               "revoke ID: it ends at once.",
    .options = token_options,
    .examples = token_examples,
    .exits = EXITS,
    .helper = HELPER,
};

static const char *const backup_examples[] = {
    "tenon backup nightly",
    "Writes DATA/backups/nightly on the server while it runs.",
    NULL,
};
const struct tn_command tn_cmd_backup = {
    .name = "backup",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "Have the server back up its database.",
    .details = "The copy lies below DATA/backups on the server. Models and engines are files that "
               "never change: copy DATA/blobs with any tool. docs/operating.md tells how to "
               "restore.",
    .options = net_options,
    .examples = backup_examples,
    .exits = EXITS,
    .helper = HELPER,
};

static const struct tn_option audit_options[] = {
    { "limit", 'n', TN_ARG_TEXT, "N", NULL, false, "Show the newest N (default: 100), 0 = all." },
    TN_NET_OPTIONS,
    { 0 },
};
static const char *const audit_examples[] = {
    "tenon audit --limit 20",
    "The newest twenty changes.",
    NULL,
};
const struct tn_command tn_cmd_audit = {
    .name = "audit",
    .args = "",
    .summary = "Who changed what on the server, newest first.",
    .options = audit_options,
    .examples = audit_examples,
    .exits = EXITS,
    .helper = HELPER,
};
