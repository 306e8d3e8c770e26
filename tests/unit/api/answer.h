/* Answers of the library as JSON. */
#ifndef TN_TEST_API_ANSWER_H
#define TN_TEST_API_ANSWER_H

#include "tn_test.h"

#include "base/json.h"

#include <string.h>

/* Parses and frees the text of an answer. */
static inline json_t *parsed(char *text)
{
    json_t *json = NULL;

    assert_non_null(text);
    assert_int_equal(tn_json_parse(text, strlen(text), "answer", &json, NULL), TN_OK);
    tn_free(text);
    return json;
}

static inline const char *text_of(const json_t *json, const char *name)
{
    return tn_json_str(json, name, "");
}

#endif
