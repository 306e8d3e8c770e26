/*
 * The verbs; one cmd_NAME.c each, and those of tenon-net in net_commands.c.
 */
#ifndef TN_CLI_COMMANDS_H
#define TN_CLI_COMMANDS_H

#include "cli/command.h"

#define TN_COMMAND(name)     extern const struct tn_command tn_cmd_##name;
#define TN_NET_COMMAND(name) extern const struct tn_command tn_cmd_##name;
#include "cli/commands.def"
#undef TN_COMMAND
#undef TN_NET_COMMAND

#endif
