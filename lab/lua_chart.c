/* chart{}: what a scenario swept, for --svg. */
#include "lab/chart.h"
#include "lab/lua_lab.h"

static const lab_option chart_options[] = {
    {"log", LAB_OPTION_BOOL, offsetof(lab_chart, log)},
    {"title", LAB_OPTION_OTHER, 0},
    {"x", LAB_OPTION_OTHER, 0},
    {"y", LAB_OPTION_OTHER, 0},
    {"series", LAB_OPTION_OTHER, 0},
    {"columns", LAB_OPTION_OTHER, 0},
    {"rows", LAB_OPTION_OTHER, 0},
    {"cells", LAB_OPTION_OTHER, 0},
};

static char *text_field(lua_State *lua, int index, const char *name) {
    if (!lab_field(lua, index, name)) luaL_error(lua, "chart: %s is missing; give a text", name);
    char *const text = lab_copy_text(luaL_checkstring(lua, -1));
    lua_pop(lua, 1);
    return text;
}

/* The numbers of the table on the top of the stack, which is popped. */
static uint32_t numbers_pop(lua_State *lua, const char *name, double *to, uint32_t most) {
    luaL_checktype(lua, -1, LUA_TTABLE);
    const lua_Integer count = luaL_len(lua, -1);
    if (count < 1 || count > most)
        luaL_error(lua, "chart: %s has %d numbers; give 1 to %d", name, (int)count, (int)most);
    for (lua_Integer i = 1; i <= count; i++, lua_pop(lua, 1)) {
        lua_geti(lua, -1, i);
        to[i - 1] = luaL_checknumber(lua, -1);
    }
    lua_pop(lua, 1);
    return (uint32_t)count;
}

/* { name =, points = { { x, y }, ... } } on the top of the stack. */
static void read_series(lua_State *lua, bool log, lab_series *series) {
    luaL_checktype(lua, -1, LUA_TTABLE);
    const int top = lua_gettop(lua);
    series->name = text_field(lua, top, "name");
    if (!lab_field(lua, top, "points")) luaL_error(lua, "chart: a series has no points");
    const lua_Integer count = luaL_len(lua, -1);
    if (count < 2 || count > LAB_CHART_POINTS)
        luaL_error(lua, "chart: a series has %d points; give 2 to %d", (int)count,
                   LAB_CHART_POINTS);
    for (lua_Integer i = 1; i <= count; i++) {
        double point[2] = {0, 0};
        lua_geti(lua, -1, i);
        if (numbers_pop(lua, "a point", point, 2) != 2 || (log && point[1] < 1))
            luaL_error(lua, "chart: a point is { x, y }, with y from 1 on if log is true");
        series->x[i - 1] = point[0];
        series->y[i - 1] = point[1];
    }
    series->count = (uint32_t)count;
    lua_pop(lua, 1);
}

static void read_curves(lua_State *lua, lab_chart *chart) {
    const lua_Integer count = luaL_len(lua, -1);
    if (count < 1 || count > LAB_CHART_SERIES)
        luaL_error(lua, "chart: %d series; give 1 to %d", (int)count, LAB_CHART_SERIES);
    for (lua_Integer i = 1; i <= count; i++, lua_pop(lua, 1)) {
        lua_geti(lua, -1, i);
        chart->series_count = (uint32_t)i;
        read_series(lua, chart->log, &chart->series[i - 1]);
    }
    lua_pop(lua, 1);
}

static uint32_t numbers_field(lua_State *lua, const char *name, double *to) {
    if (!lab_field(lua, 1, name)) luaL_error(lua, "chart: %s is missing", name);
    return numbers_pop(lua, name, to, LAB_CHART_CELLS);
}

static void read_grid(lua_State *lua, lab_chart *chart) {
    chart->columns = numbers_field(lua, "columns", chart->column);
    chart->rows = numbers_field(lua, "rows", chart->row);
    if (!lab_field(lua, 1, "cells")) luaL_error(lua, "chart: cells is missing");
    for (uint32_t row = 0; row < chart->rows; row++) {
        lua_geti(lua, -1, row + 1);
        if (numbers_pop(lua, "a row of cells", chart->cell[row], LAB_CHART_CELLS) != chart->columns)
            luaL_error(lua, "chart: row %d of cells has not %d shares", (int)row + 1,
                       (int)chart->columns);
    }
    lua_pop(lua, 1);
}

/* chart{ title, x, y, series = { { name, points }, ... } } or { ..., columns, rows, cells }. */
static int new_chart(lua_State *lua) {
    lab_scenario *const scenario = lab_scenario_of(lua);
    lab_chart_free(scenario->chart);
    lab_chart *const chart = scenario->chart = lab_alloc(sizeof *chart);
    luaL_checktype(lua, 1, LUA_TTABLE);
    lab_options_read(lua, 1, "chart", chart_options, sizeof chart_options / sizeof chart_options[0],
                     chart);
    chart->title = text_field(lua, 1, "title");
    chart->x = text_field(lua, 1, "x");
    chart->y = text_field(lua, 1, "y");
    if (lab_field(lua, 1, "series"))
        read_curves(lua, chart);
    else
        read_grid(lua, chart);
    return 0;
}

void lab_open_charts(lua_State *lua) { lua_register(lua, "chart", new_chart); }
