/* rows(file): a table of data that lies beside the scenario, as text with tabs.
 *
 * The first line names the columns; each other line is a row. An empty field is left out of its
 * row, and lines that begin with # are comments. The file is a part of the scenario: it lies in the
 * scenario's folder or below it, so that a run is repeated wherever the folder is. */
#include "lab/lua_lab.h"
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 4096, COLUMNS = 16 };

static FILE *open_beside(lua_State *lua, const char *name) {
    const char *const file = lab_scenario_of(lua)->options.file;
    const char *const slash = strrchr(file, '/');
    const int folder = slash ? (int)(slash - file) + 1 : 0;
    if (name[0] == '/' || strstr(name, ".."))
        luaL_error(lua, "rows: \"%s\" is not in the folder of the scenario or below it", name);
    char path[1024];
    const int length = snprintf(path, sizeof path, "%.*s%s", folder, file, name);
    FILE *const from = length < (int)sizeof path ? fopen(path, "r") : NULL;
    if (!from) luaL_error(lua, "rows: \"%s\" cannot be read", name);
    return from;
}

/* Cuts a line at its tabs, in place. */
static int cut_fields(char *line, char *ret_fields[COLUMNS]) {
    int count = 0;
    line[strcspn(line, "\r\n")] = 0;
    for (char *at = line; at && count < COLUMNS;) {
        ret_fields[count++] = at;
        at = strchr(at, '\t');
        if (at) *at++ = 0;
    }
    return count;
}

/* Pushes one row, a table of texts by the names of the columns. */
static void push_row(lua_State *lua, char *names[COLUMNS], int columns, char *line) {
    char *fields[COLUMNS];
    const int count = cut_fields(line, fields);
    lua_newtable(lua);
    for (int i = 0; i < count && i < columns; i++)
        if (fields[i][0]) lab_set_text(lua, names[i], fields[i]);
}

static int rows(lua_State *lua) {
    char head[LINE_BYTES], line[LINE_BYTES], *names[COLUMNS];
    int columns = 0;
    lua_Integer count = 0;
    FILE *const from = open_beside(lua, luaL_checkstring(lua, 1));
    lua_newtable(lua);
    while (fgets(line, sizeof line, from)) {
        if (line[0] == '#') continue;
        if (columns > 0) {
            push_row(lua, names, columns, line);
            lua_seti(lua, -2, ++count);
            continue;
        }
        memcpy(head, line, sizeof head);
        columns = cut_fields(head, names);
    }
    fclose(from);
    return 1;
}

void lab_open_rows(lua_State *lua) { lua_register(lua, "rows", rows); }
