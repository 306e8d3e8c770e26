#include "cli/command.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

const char *tn_given_at(const struct tn_invocation *call, const char *name, size_t at)
{
    for (size_t i = 0; i < call->given_count; i++)
        if (strcmp(call->given[i].option->name, name) == 0 && at-- == 0)
            return call->given[i].value;
    return NULL;
}

const char *tn_given(const struct tn_invocation *call, const char *name)
{
    const char *last = NULL;

    for (size_t i = 0; i < call->given_count; i++)
        if (strcmp(call->given[i].option->name, name) == 0)
            last = call->given[i].value;
    return last;
}

int tn_cli_error(const struct tn_invocation *call, const struct tn_error *err)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "tenon %s: %s\n", call->command->name, err->text);
    return tn_error_exit_status(err->code);
}

int tn_cli_usage(const struct tn_invocation *call, const char *format, ...)
{
    va_list args;

    (void)fprintf(stderr, "tenon %s: ", call->command->name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\nTry 'tenon %s --help'.\n", call->command->name);
    return tn_error_exit_status(TN_E_USAGE);
}

void tn_cli_warn(const struct tn_invocation *call, const char *format, ...)
{
    va_list args;

    if (call->quiet)
        return;
    (void)fprintf(stderr, "tenon %s: warning: ", call->command->name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

int tn_cli_finish(const struct tn_invocation *call, int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    (void)fprintf(stderr, "tenon%s%s: write to standard output: %s\n", call ? " " : "",
                  call ? call->command->name : "", strerror(errno));
    return tn_error_exit_status(TN_E_IO);
}
