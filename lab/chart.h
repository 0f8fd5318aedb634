/* A chart that a scenario draws of what it swept: curves, or a grid of shares. */
#ifndef LAB_CHART_H
#define LAB_CHART_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { LAB_CHART_SERIES = 6, LAB_CHART_POINTS = 200, LAB_CHART_CELLS = 12 };

typedef struct lab_series {
    char *name;
    uint32_t count;
    double x[LAB_CHART_POINTS], y[LAB_CHART_POINTS];
} lab_series;

typedef struct lab_chart {
    char *title, *x, *y; /* what the axes say */
    bool log;            /* curves: powers of ten on the y axis */
    uint32_t series_count;
    lab_series series[LAB_CHART_SERIES];
    /* A grid, if there are columns: shares in percent, columns along x and rows along y. */
    uint32_t columns, rows;
    double column[LAB_CHART_CELLS], row[LAB_CHART_CELLS];
    double cell[LAB_CHART_CELLS][LAB_CHART_CELLS];
} lab_chart;

/* The same chart gives the same bytes. False if it could not be written. */
bool lab_show_svg(const lab_chart *chart, FILE *to);
void lab_chart_free(lab_chart *chart); /* NULL is fine */

#endif
