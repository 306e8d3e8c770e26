#include "cli/prom.h"

void tn_prom_head(struct tn_buf *text, const struct tn_metric *metric)
{
    tn_buf_addf(text, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
                metric->type);
}

/* In a label's value a backslash, a quote and a line feed are escaped. */
void tn_prom_label(struct tn_buf *text, const char *before, const char *name, const char *value)
{
    tn_buf_addf(text, "%s%s=\"", before, name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            tn_buf_addf(text, "\\%c", *value);
        else if (*value == '\n')
            tn_buf_adds(text, "\\n");
        else
            tn_buf_add(text, value, 1);
    }
    tn_buf_adds(text, "\"");
}
