#include "base/yaml.h"

#include "tn_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct tn_yaml_row rows[] = {
    { "name", TN_YAML_STRING, NULL, NULL, "What it is called." },
    { "workspace", TN_YAML_SIZE, NULL, "2GiB", "Memory." },
    { "wait", TN_YAML_DURATION, NULL, "30s", "Patience." },
    { "count", TN_YAML_INT, NULL, "1", "How many." },
    { "ratio", TN_YAML_NUMBER, NULL, "0.5", "How much." },
    { "policy.build", TN_YAML_CHOICE, "allowed|forbidden", "allowed", "May build." },
    { "policy.strict", TN_YAML_BOOL, NULL, "false", "Strict." },
    { "shapes.*.min", TN_YAML_STRING, NULL, NULL, "Smallest." },
    { "shapes.*.max", TN_YAML_STRING, NULL, "", "Largest." },
    { "plugins[].library", TN_YAML_STRING, NULL, NULL, "A file." },
    { "plugins[].weight", TN_YAML_INT, NULL, "0", "A number." },
    { "ccs", TN_YAML_LIST_OR_CHOICE, "default|all", "default", "Which." },
    { "ccs[]", TN_YAML_INT, NULL, "", "One." },
    { "environment", TN_YAML_MAP, NULL, "", "Texts by name." },
    { "flags", TN_YAML_LIST, NULL, "", "Texts." },
    { 0 },
};

static struct tn_error err;

static struct tn_yaml *read_text(const char *text)
{
    struct tn_yaml *yaml = NULL;

    memset(&err, 0, sizeof(err));
    if (tn_yaml_parse(text, strlen(text), "m.yaml", rows, &yaml, &err) != TN_OK)
        return NULL;
    return yaml;
}

static void refused(const char *text, int code, const char *message)
{
    struct tn_yaml *yaml = read_text(text);

    assert_null(yaml);
    assert_string_equal(err.text, message);
    assert_int_equal(err.code, code);
}

TEST(yaml__gives_values_by_path_and_type)
{
    struct tn_yaml *yaml = read_text("name: yolo\n"
                                     "workspace: 64MiB\n"
                                     "wait: 90s\n"
                                     "count: -7\n"
                                     "ratio: 1.5e-2\n"
                                     "policy: { build: forbidden, strict: true }\n"
                                     "plugins:\n"
                                     "  - library: a.so\n"
                                     "  - { library: b.so, weight: 3 }\n");
    const struct tn_yaml_node *plugins;

    assert_non_null(yaml);
    assert_string_equal(tn_yaml_text(tn_yaml_find(yaml, "name"), ""), "yolo");
    assert_int_equal(tn_yaml_size(tn_yaml_find(yaml, "workspace"), 0), 64 << 20);
    assert_int_equal(tn_yaml_duration(tn_yaml_find(yaml, "wait"), 0), INT64_C(90000000000));
    assert_int_equal(tn_yaml_int(tn_yaml_find(yaml, "count"), 0), -7);
    assert_true(tn_yaml_number(tn_yaml_find(yaml, "ratio"), 0) == 1.5e-2);
    assert_true(tn_yaml_bool(tn_yaml_find(yaml, "policy.strict"), false));
    assert_string_equal(tn_yaml_text(tn_yaml_find(yaml, "policy.build"), ""), "forbidden");
    plugins = tn_yaml_find(yaml, "plugins");
    assert_int_equal(plugins->count, 2);
    assert_string_equal(tn_yaml_text(tn_yaml_child(plugins->item[1], "library"), ""), "b.so");
    assert_int_equal(tn_yaml_int(tn_yaml_child(plugins->item[1], "weight"), 0), 3);
    assert_int_equal(plugins->item[1]->line, 9);
    assert_int_equal(plugins->item[1]->column, 5);
    tn_yaml_free(yaml);
}

TEST(yaml__absent_keys_give_the_default)
{
    struct tn_yaml *yaml = read_text("name: x");

    assert_null(tn_yaml_find(yaml, "policy.build"));
    assert_null(tn_yaml_find(yaml, "name.more"));
    assert_int_equal(tn_yaml_size(tn_yaml_find(yaml, "workspace"), 5), 5);
    assert_true(tn_yaml_bool(NULL, true));
    assert_string_equal(tn_yaml_text(NULL, "d"), "d");
    assert_true(tn_yaml_number(NULL, 2.5) == 2.5);
    assert_int_equal(tn_yaml_duration(NULL, 9), 9);
    assert_int_equal(tn_yaml_find(yaml, "")->count, 1);
    tn_yaml_free(yaml);
}

TEST(yaml__takes_any_key_where_a_row_has_a_star_even_with_dots)
{
    struct tn_yaml *yaml = read_text("name: x\nshapes: { 'a.b[0]': { min: 1x3 }, c: { min: 2 } }");
    const struct tn_yaml_node *shapes = tn_yaml_find(yaml, "shapes");

    assert_string_equal(shapes->key[0], "a.b[0]");
    assert_string_equal(tn_yaml_text(tn_yaml_child(shapes->item[0], "min"), ""), "1x3");
    assert_string_equal(tn_yaml_text(tn_yaml_find(yaml, "shapes.c.min"), ""), "2");
    tn_yaml_free(yaml);
}

TEST(yaml__takes_a_list_or_a_word)
{
    struct tn_yaml *yaml = read_text("name: x\nccs: all");

    assert_string_equal(tn_yaml_text(tn_yaml_find(yaml, "ccs"), ""), "all");
    tn_yaml_free(yaml);
    yaml = read_text("name: x\nccs: [75, 80]");
    assert_int_equal(tn_yaml_find(yaml, "ccs")->count, 2);
    tn_yaml_free(yaml);
    refused("name: x\nccs: [75, eighty]", TN_E_INVALID,
            "m.yaml:2:11: ccs[1] must be a whole number, not 'eighty'");
    refused("name: x\nccs: most", TN_E_INVALID,
            "m.yaml:2:6: ccs must be a list, or default or all, not 'most'");
}

TEST(yaml__maps_and_lists_without_rows_below_hold_texts)
{
    struct tn_yaml *yaml = read_text("name: x\nenvironment: { PATH: /bin, N: 1 }\nflags: [A, b]");

    assert_string_equal(tn_yaml_text(tn_yaml_find(yaml, "environment.N"), ""), "1");
    assert_string_equal(tn_yaml_text(tn_yaml_find(yaml, "flags")->item[1], ""), "b");
    tn_yaml_free(yaml);
    refused("name: x\nflags: [[A]]", TN_E_INVALID, "m.yaml:2:9: flags[0] must be text, not a list");
}

TEST(yaml__names_an_unknown_key_where_it_stands_and_the_nearest)
{
    refused("name: x\n\nworckspace: 2GiB\n", TN_E_INVALID,
            "m.yaml:3:1: unknown key 'worckspace'; did you mean 'workspace'?");
    refused("name: x\npolicy:\n  build: allowed\n  stirct: true\n", TN_E_INVALID,
            "m.yaml:4:3: unknown key 'stirct'; did you mean 'strict'?");
    refused("name: x\nzzzzzzzzzzzz: 1", TN_E_INVALID, "m.yaml:2:1: unknown key 'zzzzzzzzzzzz'");
    refused("name: x\nshapes: { x: { mni: 1 } }", TN_E_INVALID,
            "m.yaml:2:16: unknown key 'mni'; did you mean 'min'?");
}

TEST(yaml__names_a_missing_key)
{
    refused("count: 1", TN_E_INVALID, "m.yaml:1:1: key 'name' is missing");
    refused("name: x\nplugins:\n  - weight: 1\n", TN_E_INVALID,
            "m.yaml:3:5: key 'library' is missing");
    refused("name: x\nshapes: { x: { max: 1 } }", TN_E_INVALID,
            "m.yaml:2:14: key 'min' is missing");
    refused("", TN_E_INVALID, "m.yaml:1:1: key 'name' is missing");
    refused("# nothing\n", TN_E_INVALID, "m.yaml:1:1: key 'name' is missing");
    refused("---\n", TN_E_INVALID, "m.yaml:1:1: key 'name' is missing");
}

TEST(yaml__names_wrong_types)
{
    refused("name: x\npolicy: { strict: maybe }", TN_E_INVALID,
            "m.yaml:2:19: policy.strict must be true or false, not 'maybe'");
    refused("name: x\npolicy: { strict: 'true' }", TN_E_INVALID,
            "m.yaml:2:19: policy.strict must be true or false, not 'true'");
    refused("name: x\npolicy: { strict: yes }", TN_E_INVALID,
            "m.yaml:2:19: policy.strict must be true or false, not 'yes'");
    refused("name: x\npolicy: { build: allow }", TN_E_INVALID,
            "m.yaml:2:18: policy.build must be allowed or forbidden, not 'allow'");
    refused("name: x\nworkspace: 2 apples", TN_E_INVALID,
            "m.yaml:2:12: workspace must be a size in bytes such as 64MiB, not '2 apples'");
    refused("name: x\nwait: soon", TN_E_INVALID,
            "m.yaml:2:7: wait must be a time such as 90s or 30m, not 'soon'");
    refused("name: x\ncount: 1.5", TN_E_INVALID,
            "m.yaml:2:8: count must be a whole number, not '1.5'");
    refused("name: x\nratio: .inf", TN_E_INVALID, "m.yaml:2:8: ratio must be a number, not '.inf'");
    refused("name: x\nratio: 1e999", TN_E_INVALID,
            "m.yaml:2:8: ratio must be a number, not '1e999'");
    refused("name: [x]", TN_E_INVALID, "m.yaml:1:7: name must be text, not a list");
    refused("name: x\npolicy: 3", TN_E_INVALID, "m.yaml:2:9: policy must be a map, not '3'");
    refused("name: x\nplugins: { a: b }", TN_E_INVALID,
            "m.yaml:2:10: plugins must be a list, not a map");
    refused("[a]", TN_E_INVALID, "m.yaml:1:1: the document must be a map, not a list");
    refused("name:\ncount: 1", TN_E_INVALID,
            "m.yaml:1:6: name has no value: give one, or leave the key out");
    refused("name: ~", TN_E_INVALID,
            "m.yaml:1:7: name has no value: give one, or leave the key out");
}

TEST(yaml__refuses_what_only_yaml_has)
{
    refused("name: &a x\n", TN_E_INVALID,
            "m.yaml:1:7: anchors and aliases ('a') are not read: write the value out");
    refused("name: *a\n", TN_E_INVALID,
            "m.yaml:1:7: anchors and aliases ('a') are not read: write the value out");
    refused("name: !!str x\n", TN_E_INVALID,
            "m.yaml:1:7: tags ('tag:yaml.org,2002:str') are not read");
    refused("!!str name: x\n", TN_E_INVALID,
            "m.yaml:1:1: tags ('tag:yaml.org,2002:str') are not read");
    refused("policy: !x {}\n", TN_E_INVALID, "m.yaml:1:9: tags ('!x') are not read");
    refused("name: x\n---\nname: y\n", TN_E_INVALID, "m.yaml:2:1: a second document begins here");
    refused("name: x\nname: y\n", TN_E_INVALID, "m.yaml:2:1: key 'name' stands twice");
    refused("{ [a]: b }", TN_E_INVALID, "m.yaml:1:3: a key must be plain text");
    refused("name: \"a\\0b\"", TN_E_INVALID, "m.yaml:1:7: name holds a NUL character");
    refused("\"na\\0me\": b", TN_E_INVALID,
            "m.yaml:1:1: a key must be text without NUL characters");
}

TEST(yaml__tells_line_and_column_of_broken_text)
{
    struct tn_yaml *yaml = NULL;
    static const char broken[] = "name: x\nwait: \xff\n";

    assert_null(read_text("flags: [x\n"));
    assert_string_equal(
        err.text, "m.yaml:2:1: did not find expected ',' or ']', while parsing a flow sequence");
    assert_int_equal(tn_yaml_parse(broken, sizeof(broken) - 1, "m.yaml", rows, &yaml, &err),
                     TN_E_INVALID);
    assert_int_equal(strncmp(err.text, "m.yaml:2:7: not text in UTF-8", 28), 0);
    assert_int_equal(tn_yaml_parse("name: a\0b", 9, "m.yaml", rows, &yaml, &err), TN_E_INVALID);
    /* UTF-16 with its mark: libyaml would read it, a person would not see what it says */
    assert_int_equal(tn_yaml_parse("\xff\xfe{\0}\0", 6, "m.yaml", rows, &yaml, &err), TN_E_INVALID);
    assert_null(yaml);
}

TEST(yaml__holds_its_limits)
{
    static const struct tn_yaml_row any[] = { { "*", TN_YAML_STRING, NULL, "", "" }, { 0 } };
    static const struct tn_yaml_row deep[] = {
        { "[][][][][][][][][][][][][][][][][][]", TN_YAML_LIST, NULL, "", "" }, { 0 }
    };
    static const struct tn_yaml_row wide[] = { { "[]", TN_YAML_STRING, NULL, "", "" }, { 0 } };
    struct tn_buf text = TN_BUF(2 << 20);
    struct tn_yaml *yaml = NULL;

    for (int i = 0; i <= TN_YAML_KEYS_MAX; i++) {
        if (i == TN_YAML_KEYS_MAX) {
            assert_int_equal(tn_yaml_parse(text.data, text.size, "m", any, &yaml, &err), TN_OK);
            tn_yaml_free(yaml);
        }
        tn_buf_addf(&text, "k%d: v\n", i);
    }
    assert_int_equal(tn_yaml_parse(text.data, text.size, "m", any, &yaml, &err), TN_E_TOOBIG);
    assert_string_equal(err.text, "m:513:1: more than 512 keys in one map");

    tn_buf_clear(&text);
    for (int i = 0; i < TN_YAML_NODES_MAX - 1; i++)
        tn_buf_adds(&text, "- v\n");
    assert_int_equal(tn_yaml_parse(text.data, text.size, "m", wide, &yaml, &err), TN_OK);
    assert_int_equal(tn_yaml_find(yaml, "")->count, TN_YAML_NODES_MAX - 1);
    assert_string_equal(tn_yaml_find(yaml, "")->item[12345]->text, "v");
    assert_int_equal(tn_yaml_find(yaml, "")->item[12345]->line, 12346);
    tn_yaml_free(yaml);
    tn_buf_adds(&text, "- v\n");
    assert_int_equal(tn_yaml_parse(text.data, text.size, "m", wide, &yaml, &err), TN_E_TOOBIG);

    assert_int_equal(tn_yaml_parse("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", 32, "m", deep, &yaml, &err),
                     TN_OK);
    tn_yaml_free(yaml);
    assert_int_equal(
        tn_yaml_parse("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", 34, "m", deep, &yaml, &err),
        TN_E_TOOBIG);
    assert_string_equal(err.text, "m:1:17: more than 16 maps and lists in one another");

    tn_buf_clear(&text);
    while (text.size <= TN_YAML_BYTES_MAX)
        tn_buf_adds(&text, "# comment\n");
    assert_int_equal(tn_yaml_parse(text.data, text.size, "m", any, &yaml, &err), TN_E_TOOBIG);
    tn_buf_done(&text);
}

TEST(yaml__every_way_to_cut_a_document_ends_in_an_answer)
{
    static const char whole[] = "name: x\nworkspace: 64MiB\npolicy: { build: forbidden, strict: "
                                "true }\nplugins:\n  - library: \"a\\x41.so\"\nccs: [75, 80]\n";

    for (size_t cut = 0; cut < sizeof(whole); cut++) {
        char *text = malloc(cut + 1);
        struct tn_yaml *yaml = NULL;

        memcpy(text, whole, cut);
        memset(&err, 0, sizeof(err));
        if (tn_yaml_parse(text, cut, "m", rows, &yaml, &err) == TN_OK)
            tn_yaml_free(yaml);
        else
            assert_true(err.text[0] != '\0');
        free(text);
    }
}

TEST(yaml__reads_a_file_and_names_it)
{
    char path[] = "/tmp/tn-yaml-XXXXXX";
    int fd = mkstemp(path);
    struct tn_yaml *yaml = NULL;
    char wanted[80];

    assert_true(write(fd, "name: x\n", 8) == 8);
    assert_int_equal(tn_yaml_read(path, rows, &yaml, &err), TN_OK);
    assert_int_equal(tn_yaml_fail(yaml, tn_yaml_find(yaml, "name"), TN_E_INVALID, &err, "no %d", 7),
                     TN_E_INVALID);
    (void)snprintf(wanted, sizeof(wanted), "%s:1:7: no 7", path);
    assert_string_equal(err.text, wanted);
    (void)tn_yaml_fail_key(yaml, tn_yaml_find(yaml, "name"), TN_E_INVALID, &err, "no");
    (void)snprintf(wanted, sizeof(wanted), "%s:1:1: no", path);
    assert_string_equal(err.text, wanted);
    tn_yaml_free(yaml);
    (void)close(fd);
    (void)unlink(path);
    assert_int_equal(tn_yaml_read(path, rows, &yaml, &err), TN_E_NOTFOUND);
}

TEST(yaml__documents_every_row)
{
    struct tn_buf text = TN_BUF(1 << 16);

    tn_yaml_document(&text, rows);
    assert_non_null(
        strstr(tn_buf_text(&text), "| `name` | text | required | What it is called. |\n"));
    assert_non_null(strstr(tn_buf_text(&text), "| `policy.build` | `allowed` or `forbidden` | "
                                               "`allowed` | May build. |\n"));
    for (const struct tn_yaml_row *row = rows; row->path; row++)
        assert_non_null(strstr(tn_buf_text(&text), row->path));
    tn_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml__gives_values_by_path_and_type),
        cmocka_unit_test(yaml__absent_keys_give_the_default),
        cmocka_unit_test(yaml__takes_any_key_where_a_row_has_a_star_even_with_dots),
        cmocka_unit_test(yaml__takes_a_list_or_a_word),
        cmocka_unit_test(yaml__maps_and_lists_without_rows_below_hold_texts),
        cmocka_unit_test(yaml__names_an_unknown_key_where_it_stands_and_the_nearest),
        cmocka_unit_test(yaml__names_a_missing_key),
        cmocka_unit_test(yaml__names_wrong_types),
        cmocka_unit_test(yaml__refuses_what_only_yaml_has),
        cmocka_unit_test(yaml__tells_line_and_column_of_broken_text),
        cmocka_unit_test(yaml__holds_its_limits),
        cmocka_unit_test(yaml__every_way_to_cut_a_document_ends_in_an_answer),
        cmocka_unit_test(yaml__reads_a_file_and_names_it),
        cmocka_unit_test(yaml__documents_every_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
