/*
 * Texts cut from the command table: help, man page, bash completion, Markdown.
 */
#ifndef TN_CLI_HELP_H
#define TN_CLI_HELP_H

#include "cli/command.h"

/** The options that every verb has. */
extern const struct tn_option tn_common_options[];

void tn_help_overview(FILE *out);
void tn_help_command(FILE *out, const struct tn_command *command);

/** "man", "markdown", "errors", "bash", "model-yaml", "toolchains" or "config"; whole documents.
 * @return 0, or 2 for another word */
int tn_help_document(FILE *out, const char *kind);

#endif
