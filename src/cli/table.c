#include "cli/table.h"

#include "base/text.h"

#include <assert.h>
#include <string.h>

/* Characters, not bytes. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void add(struct tn_table *table, const char *text)
{
    size_t start = table->text.size;
    size_t column = table->cell_count % table->column_count;
    size_t width;

    tn_text_add_safe(&table->text, text, strlen(text));
    tn_buf_add(&table->text, "", 1);
    if (table->text.failed)
        return;
    width = width_of(table->text.data + start);
    if (width > table->width[column])
        table->width[column] = width;
    table->cell_count++;
}

void tn_table_column(struct tn_table *table, const char *title, bool right)
{
    assert(table->column_count == table->cell_count);
    assert(table->column_count < TN_TABLE_COLUMNS_MAX);
    table->right[table->column_count++] = right;
    add(table, title);
}

void tn_table_cell(struct tn_table *table, const char *text)
{
    assert(table->column_count > 0);
    add(table, text && *text ? text : "-");
}

static void print_cell(const struct tn_table *table, FILE *out, const char *text, size_t column)
{
    size_t blanks = table->width[column] - width_of(text);
    bool last = column + 1 == table->column_count;

    if (table->right[column])
        (void)fprintf(out, "%*s%s", (int)blanks, "", text);
    else
        (void)fprintf(out, "%s%*s", text, last ? 0 : (int)blanks, "");
    (void)fputs(last ? "\n" : "  ", out);
}

int tn_table_print(const struct tn_table *table, FILE *out, struct tn_error *err)
{
    const char *text = tn_buf_text(&table->text);
    int rc = tn_buf_check(&table->text, "a table", err);

    if (rc < 0 || table->cell_count <= table->column_count)
        return rc;
    for (size_t i = 0; i < table->cell_count; i++) {
        print_cell(table, out, text, i % table->column_count);
        text += strlen(text) + 1;
    }
    return TN_OK;
}

void tn_table_done(struct tn_table *table)
{
    tn_buf_done(&table->text);
}
