#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct error_row {
    int code;
    int exit_status;
    const char *name;
    const char *meaning;
};

static const struct error_row error_rows[] = {
#define X(name, code, exit_status, meaning) { code, exit_status, #name, meaning },
    TN_ERRORS(X)
#undef X
};

static const struct error_row *find_row(int code)
{
    for (size_t i = 0; i < TN_COUNT(error_rows); i++)
        if (error_rows[i].code == code)
            return &error_rows[i];
    return NULL;
}

/* Error texts quote names from foreign files: nothing in them may steer a terminal or a log. */
static void hide_control_bytes(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

TN_PRINTF(2, 0)
static void put_text(struct tn_error *err, const char *format, va_list args)
{
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
    hide_control_bytes(err->text);
}

int tn_fail(struct tn_error *err, int code, const char *format, ...)
{
    va_list args;

    if (!err)
        return code;
    err->code = code;
    err->os = 0;
    va_start(args, format);
    put_text(err, format, args);
    va_end(args);
    return code;
}

static int code_of_errno(int os, int otherwise)
{
    switch (os) {
    case ENOMEM:
        return TN_E_NOMEM;
    case ENOSPC:
    case EDQUOT:
        return TN_E_NOSPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return TN_E_ACCESS;
    case ENOENT:
        return TN_E_NOTFOUND;
    default:
        return otherwise;
    }
}

int tn_fail_os(struct tn_error *err, int code, const char *format, ...)
{
    int os = errno;
    va_list args;
    size_t length;

    code = code_of_errno(os, code);
    if (!err)
        return code;
    err->code = code;
    err->os = os;
    va_start(args, format);
    put_text(err, format, args);
    va_end(args);
    length = strlen(err->text);
    (void)snprintf(err->text + length, sizeof(err->text) - length, ": %s", strerror(os));
    return code;
}

int tn_while(struct tn_error *err, int code, const char *format, ...)
{
    char inner[sizeof(err->text)];
    va_list args;
    size_t length;

    if (!err)
        return code;
    memcpy(inner, err->text, sizeof(inner));
    err->code = code;
    va_start(args, format);
    put_text(err, format, args);
    va_end(args);
    length = strlen(err->text);
    (void)snprintf(err->text + length, sizeof(err->text) - length, ": %s", inner);
    return code;
}

const char *tn_error_name(int code)
{
    const struct error_row *row = find_row(code);

    if (code == TN_OK)
        return "OK";
    return row ? row->name : "UNKNOWN";
}

const char *tn_error_meaning(int code)
{
    const struct error_row *row = find_row(code);

    if (code == TN_OK)
        return "nothing failed";
    return row ? row->meaning : "a code that this version does not know";
}

int tn_error_exit_status(int code)
{
    const struct error_row *row = find_row(code);

    if (code == TN_OK)
        return 0;
    return row ? row->exit_status : 70;
}
