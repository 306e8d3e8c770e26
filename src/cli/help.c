#include "cli/help.h"

#include "base/roff.h"
#include "cli/commands.h"
#include "device/toolchains.h"
#include "recipe/config.h"
#include "recipe/spec.h"

#include <string.h>

enum { COLUMNS = 80, OPTION_COLUMN = 34 };

const struct tn_option tn_common_options[] = {
    { "help", 'h', TN_ARG_NONE, NULL, NULL, false, "Show this help and exit." },
    { "json", 0, TN_ARG_NONE, NULL, NULL, false,
      "Answer in JSON: one object, or one per line; keys sorted." },
    { "quiet", 'q', TN_ARG_NONE, NULL, NULL, false,
      "No progress and no warnings on standard error." },
    { "verbose", 'v', TN_ARG_NONE, NULL, NULL, false, "Say more." },
    { 0 },
};

void tn_help_overview(FILE *out)
{
    (void)fputs("Tenon makes sure that every GPU runs an engine that loads.\n\nUsage: tenon "
                "COMMAND [OPTION…] [ARGUMENT…]\n\nCommands:\n",
                out);
    for (size_t i = 0; tn_commands[i]; i++) {
        if (tn_commands[i]->helper && (i == 0 || !tn_commands[i - 1]->helper))
            (void)fputs("\nWith a server:\n", out);
        (void)fprintf(out, "  %-12s %s\n", tn_commands[i]->name, tn_commands[i]->summary);
    }
    (void)fputs(
        "\n'tenon COMMAND --help' says more about one; 'tenon --version' prints the version.\n",
        out);
}

/* Characters, not bytes: "…" is three bytes wide for printf. */
static size_t width_of(const char *text, size_t length)
{
    size_t width = 0;

    for (size_t i = 0; i < length; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    return width;
}

/* Fills lines from column `at` on, further ones from `indent`; an empty line ends a paragraph. */
static void print_filled(FILE *out, const char *text, size_t at, size_t indent)
{
    bool first = true;

    while (*text) {
        size_t blanks = strspn(text, " \n");
        size_t length = strcspn(text + blanks, " \n");
        size_t width = width_of(text + blanks, length);
        bool paragraph = !first && blanks > 1 && text[0] == '\n' && text[1] == '\n';

        text += blanks;
        if (paragraph || (!first && at + 1 + width > COLUMNS)) {
            (void)fprintf(out, "%s\n%*s", paragraph ? "\n" : "", (int)indent, "");
            at = indent;
        } else if (!first && length > 0) {
            (void)fputc(' ', out);
            at++;
        }
        (void)fwrite(text, 1, length, out);
        at += width;
        text += length;
        first = false;
    }
    (void)fputc('\n', out);
}

static void print_option(FILE *out, const struct tn_option *option)
{
    char left[96];

    (void)snprintf(left, sizeof(left), "  %s%c%s--%s%s%s", option->letter ? "-" : " ",
                   option->letter ? option->letter : ' ', option->letter ? ", " : "  ",
                   option->name, option->arg != TN_ARG_NONE ? " " : "",
                   option->value                  ? option->value
                   : option->arg == TN_ARG_CHOICE ? option->choices
                                                  : "");
    if (strlen(left) + 2 > OPTION_COLUMN)
        (void)fprintf(out, "%s\n%*s", left, OPTION_COLUMN, "");
    else
        (void)fprintf(out, "%-*s", OPTION_COLUMN, left);
    print_filled(out, option->help, OPTION_COLUMN, OPTION_COLUMN);
}

void tn_help_command(FILE *out, const struct tn_command *command)
{
    static const char exits[] = "Exit status: ";

    (void)fprintf(out, "Usage: tenon %s [OPTION…]%s%s\n\n", command->name,
                  *command->args ? " " : "", command->args);
    print_filled(out, command->summary, 0, 0);
    if (command->details) {
        (void)fputc('\n', out);
        print_filled(out, command->details, 0, 0);
    }
    (void)fputs("\nOptions:\n", out);
    for (const struct tn_option *option = command->options; option && option->name; option++)
        print_option(out, option);
    for (const struct tn_option *option = tn_common_options; option->name; option++)
        print_option(out, option);
    if (command->examples)
        (void)fputs("\nExamples:\n", out);
    for (const char *const *example = command->examples; example && *example; example += 2) {
        (void)fprintf(out, "  %s\n      ", example[0]);
        print_filled(out, example[1], 6, 6);
    }
    if (command->exits) {
        (void)fprintf(out, "\n%s", exits);
        print_filled(out, command->exits, sizeof(exits) - 1, 0);
    }
}

static void document_man(FILE *out);
static void document_markdown(FILE *out);
static void document_errors(FILE *out);
static void document_bash(FILE *out);
static void document_model_yaml(FILE *out);
static void document_toolchains(FILE *out);
static void document_config(FILE *out);

static const struct {
    const char *kind;
    void (*write)(FILE *out);
} documents[] = {
    { "man", document_man },
    { "markdown", document_markdown },
    { "errors", document_errors },
    { "bash", document_bash },
    { "model-yaml", document_model_yaml },
    { "toolchains", document_toolchains },
    { "config", document_config },
};

int tn_help_document(FILE *out, const char *kind)
{
    for (size_t i = 0; i < TN_COUNT(documents); i++)
        if (strcmp(documents[i].kind, kind) == 0) {
            documents[i].write(out);
            return 0;
        }
    return tn_error_exit_status(TN_E_USAGE);
}

static void man_option(FILE *out, const struct tn_option *option)
{
    (void)fputs(".TP\n\\fB", out);
    if (option->letter)
        (void)fprintf(out, "\\-%c\\fR, \\fB", option->letter);
    (void)fputs("\\-\\-", out);
    tn_roff_text(out, option->name);
    (void)fputs("\\fR", out);
    if (option->arg != TN_ARG_NONE) {
        (void)fputs(" \\fI", out);
        tn_roff_text(out, option->value ? option->value : option->choices);
        (void)fputs("\\fR", out);
    }
    (void)fputc('\n', out);
    tn_roff_text(out, option->help);
    (void)fputc('\n', out);
}

static void document_man(FILE *out)
{
    (void)fprintf(out,
                  ".TH TENON 1 \"\" \"tenon %s\" \"User Commands\"\n.SH NAME\ntenon \\- make sure "
                  "that every GPU runs an engine that loads\n"
                  ".SH SYNOPSIS\n.B tenon\n.I COMMAND\n[\\fIOPTION\\fR...] "
                  "[\\fIARGUMENT\\fR...]\n.SH COMMON OPTIONS\n",
                  TN_VERSION);
    for (const struct tn_option *option = tn_common_options; option->name; option++)
        man_option(out, option);
    for (size_t i = 0; tn_commands[i]; i++) {
        const struct tn_command *command = tn_commands[i];

        (void)fprintf(out, ".SH TENON %s\n\\fBtenon %s\\fR [\\fIOPTION\\fR...] \\fI", command->name,
                      command->name);
        tn_roff_text(out, command->args);
        (void)fputs("\\fR\n.PP\n", out);
        tn_roff_text(out, command->summary);
        (void)fputs("\n", out);
        if (command->details) {
            (void)fputs(".PP\n", out);
            tn_roff_text(out, command->details);
            (void)fputs("\n", out);
        }
        for (const struct tn_option *option = command->options; option && option->name; option++)
            man_option(out, option);
        for (const char *const *example = command->examples; example && *example; example += 2) {
            (void)fputs(".TP\n", out);
            tn_roff_text(out, example[0]);
            (void)fputs("\n", out);
            tn_roff_text(out, example[1]);
            (void)fputs("\n", out);
        }
        if (command->exits) {
            (void)fputs(".PP\nExit status: ", out);
            tn_roff_text(out, command->exits);
            (void)fputs("\n", out);
        }
    }
}

static void markdown_options(FILE *out, const struct tn_option *options)
{
    for (; options && options->name; options++) {
        (void)fputs("| `", out);
        if (options->letter)
            (void)fprintf(out, "-%c`, `", options->letter);
        (void)fprintf(out, "--%s%s", options->name, options->value ? " " : "");
        (void)fputs(options->value ? options->value : "", out);
        if (!options->value && options->choices) {
            (void)fputc(' ', out);
            for (const char *c = options->choices; *c; c++)
                (void)fputs(*c == '|' ? "\\|" : (char[]) { *c, '\0' }, out);
        }
        (void)fprintf(out, "` | %s |\n", options->help);
    }
}

static void document_markdown(FILE *out)
{
    (void)fputs(
        "# Commands\n\nCut from the command table by `tenon --document markdown`; do not edit.\n\n"
        "Every command takes these:\n\n| option | meaning |\n| --- | --- |\n",
        out);
    markdown_options(out, tn_common_options);
    for (size_t i = 0; tn_commands[i]; i++) {
        const struct tn_command *command = tn_commands[i];

        (void)fprintf(out, "\n## tenon %s\n\n    tenon %s [OPTION…] %s\n\n%s\n", command->name,
                      command->name, command->args, command->summary);
        if (command->details)
            (void)fprintf(out, "\n%s\n", command->details);
        if (command->options && command->options->name)
            (void)fputs("\n| option | meaning |\n| --- | --- |\n", out);
        markdown_options(out, command->options);
        for (const char *const *example = command->examples; example && *example; example += 2)
            (void)fprintf(out, "\n`%s`  \n%s\n", example[0], example[1]);
        if (command->exits)
            (void)fprintf(out, "\nExit status: %s\n", command->exits);
    }
}

static void document_errors(FILE *out)
{
    (void)fputs("# Errors\n\nCut from the error table (`src/base/error.h`) by `tenon --document "
                "errors`; do not edit.\n\n"
                "An error's text names what was tried, on what, and why it failed. The exit status "
                "of a command follows\n"
                "from the error's code; 0, 1, 2 and 3 are answers of the commands themselves "
                "(`docs/cli.md`).\n\n"
                "| error | code | exit status | meaning |\n| --- | --- | --- | --- |\n",
                out);
#define X(name, code, status, meaning)                                                             \
    (void)fprintf(out, "| `%s` | %d | %d | %s |\n", #name, code, status, meaning);
    TN_ERRORS(X)
#undef X
}

static void document_model_yaml(FILE *out)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1 << 16);

    tn_buf_adds(
        &text,
        "# model.yaml\n\nCut from the table of its keys (`src/recipe/spec.c`) by `tenon --document "
        "model-yaml`; do not edit.\n\n"
        "A spec says which ONNX files a model has, for which shapes and options its engines are "
        "built, and what policy\n"
        "holds. `tenon get model.yaml` reads it. A plain ONNX file is a spec of one variant.\n\n"
        "```yaml\n"
        "name: yolov5s\n"
        "variants:\n  fp32: yolov5s.onnx\n  int8: yolov5s-qdq.onnx\n"
        "shapes:\n  images: { min: 1x3x640x640, opt: 4x3x640x640, max: 8x3x640x640 }\n"
        "options:\n  workspace: 2GiB\n"
        "policy:\n  precision: [int8, fp16, fp32]\n"
        "```\n\n"
        "An unknown key, a value of another type, a key that stands twice, an anchor, an alias, a "
        "tag and a second document\n"
        "are refused with line and column. `*` stands for any key, `[]` for each item of a list. A "
        "required key must be\nthere when the map around it is.\n\n");
    tn_yaml_document(&text, tn_spec_rows);
    (void)fputs(tn_buf_text(&text), out);
}

static void document_toolchains(FILE *out)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1 << 16);

    tn_buf_adds(
        &text,
        "# toolchains.yaml\n\nCut from the table of its keys (`src/device/toolchains.c`) by `tenon "
        "--document toolchains`; do not edit.\n\n"
        "A toolchain is an installed TensorRT that can build engines. `tenon device` lists those "
        "found. Tenon looks, in this\norder, at `$TENON_TOOLCHAINS` (a path), `toolchains.yaml` "
        "beside the program, `/etc/tenon/toolchains.yaml`, the\nenvironments of `$VIRTUAL_ENV` and "
        "`$CONDA_PREFIX`, the `python3` and `trtexec` on `PATH`, and `/usr/src/tensorrt/bin`.\n"
        "`make run` writes `build/toolchains.yaml`.\n\n"
        "```yaml\n"
        "toolchains:\n"
        "  - { id: rtx1.7, kind: python, python: /opt/rtx1.7/bin/python }\n"
        "  - { kind: trtexec, trtexec: /opt/TensorRT-8.6.1.6/bin/trtexec, library: "
        "/opt/TensorRT-8.6.1.6/lib }\n"
        "```\n\n"
        "A file, an interpreter, a program or a package folder that neither root nor you own, or "
        "that others may write, is\nnot used, and a note says so: building runs its code. Versions "
        "come from package records (pip, dpkg) and file names;\nnothing is started to ask it.\n\n");
    tn_yaml_document(&text, tn_toolchain_rows);
    (void)fputs(tn_buf_text(&text), out);
}

static void document_config(FILE *out)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1 << 16);

    tn_buf_adds(
        &text,
        "# config.yaml and credentials\n\nCut from the table of its keys (`src/recipe/config.c`) "
        "by "
        "`tenon --document config`; do not edit.\n\n"
        "`config.yaml` lists servers that are known without a login, and says whose signatures "
        "count "
        "(`docs/signing.md`). It is read from "
        "`$XDG_CONFIG_HOME/tenon`, else\n`~/.config/tenon`, then from `/etc/tenon`. A file that "
        "others may change is refused.\n\n"
        "```yaml\n"
        "servers:\n"
        "  - url: https://fleet.example\n"
        "    ca: /etc/tenon/fleet-ca.pem\n"
        "trusted-keys: /etc/tenon/keys\n"
        "```\n\n"
        "`credentials`, beside it, is what `tenon login` keeps: JSON, mode 0600, refused when "
        "others may read it.\nThe server of a command is `--server`, else `$TENON_SERVER`, else "
        "the one that was logged in to last, else the first\nof `config.yaml`. Its token is "
        "`--token-file`, else `$TENON_TOKEN_FILE`, else what login kept. Proxies of the "
        "environment\n(`https_proxy`, `http_proxy`, `no_proxy`) are used, but never for this "
        "machine.\n\n");
    tn_yaml_document(&text, tn_config_rows);
    (void)fputs(tn_buf_text(&text), out);
}

static void bash_options(FILE *out, const struct tn_option *options)
{
    for (; options && options->name; options++) {
        if (options->letter)
            (void)fprintf(out, "-%c ", options->letter);
        (void)fprintf(out, "--%s ", options->name);
    }
}

/* "a|b" as words */
static void bash_words(FILE *out, const char *choices)
{
    for (; *choices; choices++)
        (void)fputc(*choices == '|' ? ' ' : *choices, out);
}

static void bash_values(FILE *out, const struct tn_option *options)
{
    for (; options && options->name; options++) {
        if (options->arg == TN_ARG_NONE)
            continue;
        (void)fputs("        ", out);
        if (options->letter)
            (void)fprintf(out, "-%c|", options->letter);
        (void)fprintf(out, "--%s) ", options->name);
        if (options->arg == TN_ARG_CHOICE) {
            (void)fputs("_tenon_words '", out);
            bash_words(out, options->choices);
            (void)fputs("'; ", out);
        } else if (options->arg == TN_ARG_FOLDER) {
            (void)fputs("_tenon_add -d; ", out);
        } else if (options->arg == TN_ARG_DEVICE) {
            (void)fputs("_tenon_words \"$(\"${COMP_WORDS[0]}\" device --boards 2>/dev/null)\"; "
                        "_tenon_add -f; ",
                        out);
        } else if (options->arg == TN_ARG_FILE) {
            (void)fputs("_tenon_add -f; ", out);
        }
        (void)fputs("return ;;\n", out);
    }
}

static void bash_command(FILE *out, const struct tn_command *command)
{
    (void)fprintf(out, "    %s)\n        case $prev in\n", command->name);
    bash_values(out, command->options);
    (void)fputs("        esac\n        case $cur in -*) _tenon_words '", out);
    bash_options(out, command->options);
    bash_options(out, tn_common_options);
    (void)fputs("'; return ;; esac\n", out);
    if (command->verbs) {
        (void)fputs("        [ \"$COMP_CWORD\" -ne 2 ] || { _tenon_words '", out);
        bash_words(out, command->verbs);
        (void)fputs("'; return; }\n", out);
    }
    (void)fputs("        ;;\n", out);
}

/* bash splits words at '=', too: --level=header are three of them. */
static const char bash_start[] =
    "# bash completion of tenon, cut from its command table\n"
    "_tenon_add()\n{\n    local line\n"
    "    while IFS= read -r line; do COMPREPLY+=(\"$line\"); done "
    "< <(compgen \"$@\" -- \"$cur\")\n}\n"
    "_tenon_words() { _tenon_add -W \"$1\"; }\n"
    "_tenon()\n{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    COMPREPLY=()\n"
    "    if [ \"$cur\" = = ]; then\n        cur=\n"
    "    elif [ \"$prev\" = = ]; then\n        prev=${COMP_WORDS[COMP_CWORD-2]}\n    fi\n";

static void document_bash(FILE *out)
{
    (void)fputs(bash_start, out);
    (void)fputs("    local commands='", out);
    for (size_t i = 0; tn_commands[i]; i++)
        (void)fprintf(out, "%s ", tn_commands[i]->name);
    (void)fputs("'\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                "        _tenon_words \"$commands help --help --version\"\n        return\n    fi\n"
                "    case ${COMP_WORDS[1]} in\n    help) _tenon_words \"$commands\"; return ;;\n",
                out);
    for (size_t i = 0; tn_commands[i]; i++)
        bash_command(out, tn_commands[i]);
    (void)fputs("    esac\n    _tenon_add -f\n}\ncomplete -o filenames -F _tenon tenon\n", out);
}
