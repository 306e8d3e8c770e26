#include "tenond/documents.h"

#include "tenond/metrics.h"
#include "tenond/options.h"
#include "tenond/routes.h"

#include <string.h>

static const struct {
    const char *kind;
    void (*write)(FILE *out);
} documents[] = {
    { "options", tn_tenond_options_markdown },
    { "man", tn_tenond_options_man },
    { "bash", tn_tenond_options_bash },
    { "metrics", tn_metrics_markdown },
};

int tn_tenond_document(FILE *out, const char *kind)
{
    static const char routes[] = "routes-";

    if (strncmp(kind, routes, strlen(routes)) == 0) {
        tn_routes_markdown(out, kind + strlen(routes));
        return fflush(out) == 0 ? 0 : tn_error_exit_status(TN_E_IO);
    }
    for (size_t i = 0; i < TN_COUNT(documents); i++)
        if (strcmp(documents[i].kind, kind) == 0) {
            documents[i].write(out);
            return fflush(out) == 0 ? 0 : tn_error_exit_status(TN_E_IO);
        }
    return tn_error_exit_status(TN_E_USAGE);
}
