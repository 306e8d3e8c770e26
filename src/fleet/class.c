#include "fleet/fleet_priv.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only these two are known; any other text means the plan itself. */
static const char *delivery_of(struct tn_fleet_device *device)
{
    const char *delivery = device_word("delivery", device);

    if (delivery && strcmp(delivery, "swupdate") == 0)
        return "swupdate";
    return delivery && strcmp(delivery, "rauc") == 0 ? "rauc" : "";
}

static void add_runtimes(const struct tn_device_facts *facts, struct tn_buf *key)
{
    for (int i = 0; i < facts->runtime_count; i++) {
        char text[TN_RUNTIME_TEXT];

        tn_runtime_id_print(&facts->runtime[i], text);
        tn_buf_addf(key, " %s", text);
    }
}

/* Everything that a verdict or a delivery depends on, and nothing else. */
static void add_key(const struct tn_device_facts *facts, const char *delivery, struct tn_buf *key)
{
    tn_buf_addf(key, "%s ", facts->platform[0] ? facts->platform : "?");
    (void)tn_gpu_class_add(key, &facts->gpu);
    add_runtimes(facts, key);
    tn_buf_addf(key, " cuda%lld", (long long)facts->cuda);
    if (delivery[0])
        tn_buf_addf(key, " %s", delivery);
}

bool class_has_proof_key(const struct class *class, const char *key)
{
    for (size_t i = 0; i < TN_COUNT(class->proof_key) && class->proof_key[i]; i++)
        if (strcmp(class->proof_key[i], key) == 0)
            return true;
    return false;
}

void class_runtime_text(const struct class *class, int runtime, char ret_text[TN_RUNTIME_TEXT])
{
    ret_text[0] = '\0';
    if (runtime < class->facts.runtime_count)
        tn_runtime_id_print(&class->facts.runtime[runtime], ret_text);
}

/* Evidence counts for a GPU class under one runtime, whatever driver and delivery. */
static char *proof_key(const struct class *class, int runtime)
{
    char text[TN_RUNTIME_TEXT];
    char *key = NULL;

    class_runtime_text(class, runtime, text);
    return asprintf(&key, "%s %s %s", class->facts.platform[0] ? class->facts.platform : "?",
                    class->gpu_class, text[0] ? text : "?") < 0
               ? NULL
               : key;
}

void class_free(struct class *class)
{
    if (!class)
        return;
    for (size_t i = 0; i < class->matched_count; i++)
        match_free(class->matched[i].match);
    free(class->matched);
    for (size_t i = 0; i < TN_COUNT(class->proof_key); i++)
        free(class->proof_key[i]);
    list_done(&class->devices);
    free(class->fit);
    free(class->gpu_class);
    free(class->key);
    free(class);
}

static struct class *class_new(const char *key, const struct tn_device_facts *facts,
                               const char *delivery)
{
    tn_auto(tn_buf_done) struct tn_buf gpu_class = TN_BUF(CLASS_KEY_MAX);
    struct class *class = calloc(1, sizeof(*class));

    if (!class)
        return NULL;
    class->facts = *facts;
    class->gpu_class_known = tn_gpu_class_add(&gpu_class, &facts->gpu);
    class->gpu_class = tn_buf_steal(&gpu_class);
    class->key = strdup(key);
    (void)tn_text_copy(class->delivery, sizeof(class->delivery), delivery);
    for (int i = 0; class->gpu_class && i <= facts->runtime_count; i++)
        class->proof_key[i] = proof_key(class, i);
    if (class->key && class->gpu_class && class->proof_key[facts->runtime_count])
        return class;
    class_free(class);
    return NULL;
}

static struct class *class_get(struct tn_fleet *fleet, struct tn_fleet_device *device,
                               struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf key = TN_BUF(CLASS_KEY_MAX);
    struct tn_device_facts facts;
    struct class *class;
    const char *delivery = delivery_of(device);

    tn_device_facts(device_attribute, device, &facts);
    add_key(&facts, delivery, &key);
    if (tn_buf_check(&key, "device class", err) < 0)
        return NULL;
    class = tn_map_get(&fleet->classes, tn_buf_text(&key));
    if (class)
        return class;
    class = class_new(tn_buf_text(&key), &facts, delivery);
    if (!class || tn_map_put(&fleet->classes, class->key, class, err) < 0) {
        class_free(class);
        (void)tn_fail(err, TN_E_NOMEM, "device class");
        return NULL;
    }
    return class;
}

void class_leave(struct tn_fleet *fleet, struct tn_fleet_device *device)
{
    struct class *class = device->class;
    struct tn_fleet_device *last;

    if (!class)
        return;
    last = class->devices.item[--class->devices.count];
    class->devices.item[device->class_at] = last;
    last->class_at = device->class_at;
    device->class = NULL;
    if (class->devices.count > 0)
        return;
    (void)tn_map_remove(&fleet->classes, class->key);
    class_free(class);
}

int class_join(struct tn_fleet *fleet, struct tn_fleet_device *device, struct tn_error *err)
{
    struct class *class;
    int rc;

    if (device->attributes.count == 0) {
        class_leave(fleet, device);
        return TN_OK;
    }
    class = class_get(fleet, device, err);
    if (!class)
        return TN_E_NOMEM;
    if (class == device->class)
        return TN_OK;
    rc = list_add(&class->devices, device, err);
    if (rc < 0)
        return rc;
    class_leave(fleet, device);
    device->class = class;
    device->class_at = class->devices.count - 1;
    return TN_OK;
}

struct tn_compat_target class_target(const struct class *class, int runtime)
{
    const struct tn_device_facts *facts = &class->facts;

    return (struct tn_compat_target) {
        .gpu = &facts->gpu,
        .runtime =
            runtime < facts->runtime_count ? facts->runtime[runtime] : (struct tn_runtime_id) { 0 },
        .platform = facts->platform,
        .cuda_driver = facts->cuda,
        .gpu_free_bytes = TN_UNKNOWN,
    };
}
