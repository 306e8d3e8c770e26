/* Any bytes as a fingerprint file; what is accepted must survive another round. */
#include "base/json.h"
#include "device/filter.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = NULL, *again = NULL, *third = NULL;
    struct tn_device device, second;
    struct tn_error err = { 0 };
    const struct tn_runtime *runtime;
    const struct tn_gpu *gpu;

    if (tn_json_parse((const char *)data, size, "fuzz", &json, &err) == TN_OK &&
        tn_device_from_json(json, &device, &err) == TN_OK) {
        again = tn_device_to_json(&device);
        if (tn_device_from_json(again, &second, &err) != TN_OK)
            abort();
        third = tn_device_to_json(&second);
        if (!json_equal(again, third))
            abort();
        (void)tn_device_runtime(&device, NULL, &runtime, &err);
        (void)tn_device_gpu(&device, NULL, &gpu, &err);
        json_decref(tn_device_attributes(&device));
    }
    json_decref(json);
    json_decref(again);
    json_decref(third);
    return 0;
}
