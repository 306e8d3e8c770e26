#include "tenond/documents.h"

#include "tenond/metrics.h"
#include "tenond/options.h"
#include "tenond/routes.h"

#include <string.h>

int tn_tenond_document(FILE *out, const char *kind)
{
    static const char routes[] = "routes-";

    if (strcmp(kind, "options") == 0)
        tn_tenond_options_markdown(out);
    else if (strcmp(kind, "metrics") == 0)
        tn_metrics_markdown(out);
    else if (strncmp(kind, routes, strlen(routes)) == 0)
        tn_routes_markdown(out, kind + strlen(routes));
    else
        return tn_error_exit_status(TN_E_USAGE);
    return fflush(out) == 0 ? 0 : tn_error_exit_status(TN_E_IO);
}
