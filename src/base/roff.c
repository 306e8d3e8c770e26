#include "base/roff.h"

#include <stdbool.h>
#include <stddef.h>

/* One character of UTF-8 as roff spells it, so that the page needs no preconv. @return its bytes */
static size_t add_character(FILE *out, const char *text)
{
    unsigned lead = (unsigned char)text[0];
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    unsigned code = lead & (0xffu >> (length + 1));

    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3fu);
    if (code == 0x2026)
        (void)fputs("...", out);
    else
        (void)fprintf(out, "\\[u%04X]", code);
    return length;
}

/* A leading '.' or ''' is a request and '\' an escape; '-' in options must stay a hyphen-minus. */
void tn_roff_text(FILE *out, const char *text)
{
    bool line_start = true;

    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            (void)fputs("\\&", out);
        if (text[0] == '\n' && text[1] == '\n') {
            (void)fputs("\n.PP", out);
            line_start = true;
            continue;
        }
        if (*text == '\\')
            (void)fputs("\\e", out);
        else if (*text == '-')
            (void)fputs("\\-", out);
        else if ((unsigned char)*text >= 0x80)
            text += add_character(out, text) - 1;
        else
            (void)fputc(*text, out);
        line_start = *text == '\n';
    }
}
