/* Any bytes as the body of a device: what is read of it stays within its bounds. */
#include "base/json.h"
#include "tenond/ddi_json.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_ddi_feedback feedback;
    const char *word;

    if (tn_json_parse((const char *)data, size, "fuzz", &json, NULL) < 0)
        return 0;
    if (tn_ddi_feedback_read(json, &feedback) &&
        (!feedback.feedback.execution || !feedback.feedback.finished))
        abort();
    if (feedback.feedback.detail_count > TN_DDI_DETAILS)
        abort();
    for (size_t i = 0; i < feedback.feedback.detail_count; i++)
        if (strlen(feedback.details[i]) > size)
            abort();
    word = tn_ddi_confirmation_read(json, &feedback);
    if ((word && strlen(word) > size) || feedback.feedback.detail_count > TN_DDI_DETAILS)
        abort();
    return 0;
}
