#include "tn_test.h"

#include "base/json.h"
#include "tenond/ddi_json.h"

#include <string.h>

static bool read_text(const char *text, json_t **ret_json, struct tn_ddi_feedback *ret_feedback)
{
    assert_int_equal(tn_json_parse(text, strlen(text), "test", ret_json, NULL), TN_OK);
    return tn_ddi_feedback_read(*ret_json, ret_feedback);
}

TEST(feedback__of_swupdate_is_read_with_its_details)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_ddi_feedback feedback;

    assert_true(
        read_text("{ \"id\": 5, \"time\": \"20261122T230944\", \"status\": { \"result\": { "
                  "\"progress\": { \"cnt\" : 0, \"of\" : 0 }, \"finished\": \"none\" }, "
                  "\"execution\": \"proceeding\", \"details\" : [ \"Installing\", \"two\" ] } }",
                  &json, &feedback));
    assert_string_equal(feedback.feedback.execution, "proceeding");
    assert_string_equal(feedback.feedback.finished, "none");
    assert_int_equal(feedback.feedback.detail_count, 2);
    assert_string_equal(feedback.feedback.details[1], "two");
    assert_true(feedback.feedback.code == INT64_MIN);
    assert_null(feedback.feedback.engine);
}

TEST(feedback__without_what_it_must_say_is_no_feedback)
{
    static const char *const broken[] = {
        "{}",
        "[]",
        "{\"status\":3}",
        "{\"status\":{\"execution\":\"closed\"}}",
        "{\"status\":{\"result\":{\"finished\":\"none\"}}}",
        "{\"status\":{\"execution\":1,\"result\":{\"finished\":\"none\"}}}",
        "{\"status\":{\"execution\":\"closed\",\"result\":[\"finished\"]}}",
    };

    for (size_t i = 0; i < TN_COUNT(broken); i++) {
        tn_auto(tn_json_done) json_t *json = NULL;
        struct tn_ddi_feedback feedback;

        assert_false(read_text(broken[i], &json, &feedback));
    }
}

TEST(feedback__keeps_a_bounded_number_of_details_and_skips_what_is_no_text)
{
    tn_auto(tn_json_done) json_t *json =
        json_pack("{s:{s:s, s:{s:s}, s:i, s:o}}", "status", "execution", "closed", "result",
                  "finished", "success", "code", 7, "details", json_array());
    json_t *details = json_object_get(json_object_get(json, "status"), "details");
    struct tn_ddi_feedback feedback;

    for (int i = 0; i < 500; i++) {
        (void)json_array_append_new(details, json_integer(i));
        (void)json_array_append_new(details, json_string("line"));
    }
    assert_true(tn_ddi_feedback_read(json, &feedback));
    assert_int_equal(feedback.feedback.detail_count, TN_DDI_DETAILS);
    assert_int_equal(feedback.feedback.code, 7);
}

#define BASE "http://HOST/DEFAULT/controller/v1/dev-1"

static void expect_poll(struct tn_ddi_poll poll, const char *wanted)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *json = NULL;

    poll.base = BASE;
    tn_ddi_poll_write(&text, &poll);
    assert_string_equal(tn_buf_text(&text), wanted);
    assert_int_equal(tn_json_parse(text.data, text.size, "poll", &json, NULL), TN_OK);
}

TEST(poll__is_what_hawkbit_writes)
{
    expect_poll((struct tn_ddi_poll) { .sleep_s = 30 },
                "{\"config\":{\"polling\":{\"sleep\":\"00:00:30\"}}}");
    expect_poll((struct tn_ddi_poll) { .sleep_s = 30, .attributes = true },
                "{\"config\":{\"polling\":{\"sleep\":\"00:00:30\"}},\"_links\":{\"configData\":{"
                "\"href\":\"" BASE "/configData\"}}}");
    expect_poll((struct tn_ddi_poll) { .sleep_s = 30, .deployment_id = 1, .deployment_mark = 7 },
                "{\"config\":{\"polling\":{\"sleep\":\"00:00:30\"}},\"_links\":{\"deploymentBase\":"
                "{\"href\":\"" BASE "/deploymentBase/1?c=7\"}}}");
    expect_poll((struct tn_ddi_poll) { .sleep_s = 30, .confirmation_id = 4, .deployment_mark = 7 },
                "{\"config\":{\"polling\":{\"sleep\":\"00:00:30\"}},\"_links\":{"
                "\"confirmationBase\":{\"href\":\"" BASE "/confirmationBase/4?c=7\"}}}");
    expect_poll((struct tn_ddi_poll) { .sleep_s = 3723, .installed_id = 1, .attributes = true },
                "{\"config\":{\"polling\":{\"sleep\":\"01:02:03\"}},\"_links\":{\"installedBase\":{"
                "\"href\":\"" BASE "/installedBase/1\"},\"configData\":{\"href\":\"" BASE
                "/configData\"}}}");
}

TEST(poll__never_offers_a_deployment_beside_its_cancel)
{
    expect_poll((struct tn_ddi_poll) { .sleep_s = 1000000, .cancel_id = 2, .deployment_id = 2 },
                "{\"config\":{\"polling\":{\"sleep\":\"23:59:59\"}},\"_links\":{\"cancelAction\":{"
                "\"href\":\"" BASE "/cancelAction/02\"}}}");
}

TEST(url__of_foreign_bytes_stays_json_and_a_url)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(256);

    tn_ddi_add_url(&text, "/a\"b\\c d\xc3\xa9\n%41");
    assert_string_equal(tn_buf_text(&text), "/a%22b%5Cc%20d%C3%A9%0A%41");
}

TEST(sleep__is_spread_by_a_tenth_and_stays_the_same_for_a_device)
{
    int64_t least = INT64_MAX, most = 0;

    for (int i = 0; i < 1000; i++) {
        char id[16];
        int64_t s;

        (void)snprintf(id, sizeof(id), "dev-%d", i);
        s = tn_ddi_sleep_s(300, id);
        assert_int_equal(s, tn_ddi_sleep_s(300, id));
        least = s < least ? s : least;
        most = s > most ? s : most;
    }
    assert_true(least >= 270 && least < 275);
    assert_true(most <= 330 && most > 325);
    assert_int_equal(tn_ddi_sleep_s(1, "dev"), 1);
}

TEST(action_id__is_a_number_of_31_bits)
{
    assert_int_equal(tn_ddi_id("7"), 7);
    assert_int_equal(tn_ddi_id("07"), 7);
    assert_int_equal(tn_ddi_id("2147483647"), 2147483647);
    assert_int_equal(tn_ddi_id("2147483648"), 0);
    assert_int_equal(tn_ddi_id("-1"), 0);
    assert_int_equal(tn_ddi_id("1x"), 0);
    assert_int_equal(tn_ddi_id(""), 0);
    assert_int_equal(tn_ddi_id("99999999999999999999999"), 0);
}

static struct tn_fleet_action some_action(void)
{
    return (struct tn_fleet_action) {
        .id = 9,
        .state = "running",
        .model = "yolo",
        .version = "1.0",
        .digest = "abcd",
        .name = "y.engine",
        .file_name = "y 1#.swu",
        .file_bytes = 50,
    };
}

static json_t *parsed(const struct tn_buf *text)
{
    json_t *json = NULL;

    assert_int_equal(tn_json_parse(tn_buf_text(text), text->size, "written", &json, NULL), TN_OK);
    return json;
}

static json_t *artifact(bool tls, const struct tn_blob_hashes *hashes)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(65536);
    struct tn_ddi_place place = { BASE, tls };
    struct tn_fleet_action action = some_action();

    tn_ddi_artifact_write(&text, &place, &action, hashes);
    return parsed(&text);
}

TEST(artifact__has_the_links_of_its_scheme)
{
    static const struct tn_blob_hashes hashes = { .md5 = "m", .sha1 = "s", .sha256 = "l" };
    tn_auto(tn_json_done) json_t *plain = artifact(false, &hashes);
    tn_auto(tn_json_done) json_t *tls = artifact(true, &hashes);
    const json_t *links = json_object_get(plain, "_links");

    assert_int_equal(json_object_size(links), 2);
    assert_string_equal(tn_json_str(json_object_get(links, "download-http"), "href", ""),
                        BASE "/softwaremodules/9/artifacts/y%201%23.swu");
    assert_string_equal(tn_json_str(json_object_get(links, "md5sum-http"), "href", ""),
                        BASE "/softwaremodules/9/artifacts/y%201%23.swu.MD5SUM");
    assert_int_equal(json_object_size(json_object_get(tls, "_links")), 4);
    assert_int_equal(tn_json_int(plain, "size", 0), 50);
}

TEST(deployment__is_one_chunk_with_one_file)
{
    static const struct tn_blob_hashes hashes = { .md5 = "m", .sha1 = "s", .sha256 = "l" };
    struct tn_fleet_action action = some_action();
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(65536);
    tn_auto(tn_json_done) json_t *json = NULL;
    const json_t *inner;
    const json_t *chunk;

    tn_ddi_deployment_write(&text, &(struct tn_ddi_place) { BASE, false }, &action, &hashes);
    tn_buf_adds(&text, "}");
    json = parsed(&text);
    inner = json_object_get(json, "deployment");
    chunk = json_array_get(json_object_get(inner, "chunks"), 0);
    assert_string_equal(tn_json_str(json, "id", ""), "9");
    assert_string_equal(tn_json_str(inner, "download", ""), "forced");
    assert_string_equal(tn_json_str(inner, "update", ""), "forced");
    assert_int_equal(json_array_size(json_object_get(inner, "chunks")), 1);
    assert_string_equal(tn_json_str(chunk, "part", ""), "bApp");
    assert_string_equal(tn_json_str(chunk, "name", ""), "yolo");
    assert_int_equal(json_array_size(json_object_get(chunk, "artifacts")), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feedback__of_swupdate_is_read_with_its_details),
        cmocka_unit_test(feedback__without_what_it_must_say_is_no_feedback),
        cmocka_unit_test(feedback__keeps_a_bounded_number_of_details_and_skips_what_is_no_text),
        cmocka_unit_test(poll__is_what_hawkbit_writes),
        cmocka_unit_test(poll__never_offers_a_deployment_beside_its_cancel),
        cmocka_unit_test(url__of_foreign_bytes_stays_json_and_a_url),
        cmocka_unit_test(sleep__is_spread_by_a_tenth_and_stays_the_same_for_a_device),
        cmocka_unit_test(action_id__is_a_number_of_31_bits),
        cmocka_unit_test(artifact__has_the_links_of_its_scheme),
        cmocka_unit_test(deployment__is_one_chunk_with_one_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
