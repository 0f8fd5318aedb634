/* A chart as SVG: plain shapes and text, so that it is small and a diff of it can be read. Colours
 * are those of Okabe and Ito, which differ for colour-blind readers, too; curves also differ by
 * their marks. */
#include "lab/chart.h"
#include <math.h>
#include <stdlib.h>

enum { WIDTH = 720, HEIGHT = 400, LEFT = 70, RIGHT = 20, TOP = 44, BOTTOM = 50, LEGEND = 20 };

static const char *const colours[LAB_CHART_SERIES] = {"#d55e00", "#0072b2", "#009e73",
                                                      "#cc79a7", "#e69f00", "#000000"};

typedef struct frame_t {
    double x_least, x_most, y_least, y_most; /* of the axes; y as its logarithm if the chart says */
    bool log;
    int top;
} frame_t;

static double scaled(const frame_t *frame, double y) { return frame->log ? log10(y) : y; }

static double place_x(const frame_t *frame, double x) {
    return LEFT + (x - frame->x_least) / (frame->x_most - frame->x_least) * (WIDTH - LEFT - RIGHT);
}

static double place_y(const frame_t *frame, double y) {
    const double part = (scaled(frame, y) - frame->y_least) / (frame->y_most - frame->y_least);
    return HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - frame->top);
}

/* Text without what XML would read. */
static void put_text(FILE *to, const char *text) {
    for (; *text; text++) {
        if (*text == '&')
            fputs("&amp;", to);
        else if (*text == '<')
            fputs("&lt;", to);
        else
            fputc(*text, to);
    }
}

static void label(FILE *to, double x, double y, const char *anchor, const char *text) {
    fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    put_text(to, text);
    fputs("</text>\n", to);
}

static void begin(FILE *to, const lab_chart *chart) {
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>",
            WIDTH, HEIGHT);
    put_text(to, chart->title);
    fprintf(to, "</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", WIDTH, HEIGHT);
    label(to, LEFT, 18, "start", chart->title);
    label(to, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10, "middle", chart->x);
    fprintf(to, "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">",
            (TOP + HEIGHT - BOTTOM) / 2);
    put_text(to, chart->y);
    fputs("</text>\n", to);
}

/* ---- Curves ---- */

static frame_t frame_of(const lab_chart *chart) {
    frame_t frame = {.x_least = 0,
                     .x_most = 1,
                     .y_most = chart->log ? 1 : 0,
                     .log = chart->log,
                     .top = TOP + LEGEND};
    double y_most = 1;
    for (uint32_t i = 0; i < chart->series_count; i++) {
        const lab_series *const series = &chart->series[i];
        for (uint32_t k = 0; k < series->count; k++) {
            if (series->x[k] > frame.x_most) frame.x_most = series->x[k];
            if (series->y[k] > y_most) y_most = series->y[k];
        }
    }
    frame.y_most = chart->log ? ceil(log10(y_most)) : y_most * 1.05;
    return frame;
}

/* 1, 2 or 5 times a power of ten: five to ten steps over the span. */
static double step_of(double span) {
    double step = pow(10, floor(log10(span / 5)));
    while (span / step > 10) step *= span / step > 20 ? 5 : 2;
    return step;
}

static void tick_x(FILE *to, const frame_t *frame, double x) {
    char text[32];
    const double at = place_x(frame, x);
    fprintf(to, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#000000\"/>\n", at,
            HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 4);
    snprintf(text, sizeof text, "%g", x);
    label(to, at, HEIGHT - BOTTOM + 18, "middle", text);
}

static void tick_y(FILE *to, const frame_t *frame, double y) {
    char text[32];
    const double at = place_y(frame, y);
    fprintf(to, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n", LEFT,
            at, WIDTH - RIGHT, at);
    snprintf(text, sizeof text, "%g", y);
    label(to, LEFT - 6, at + 4, "end", text);
}

static void draw_axes(FILE *to, const frame_t *frame) {
    const double x_step = step_of(frame->x_most - frame->x_least);
    for (int i = 0; frame->x_least + i * x_step <= frame->x_most; i++)
        tick_x(to, frame, frame->x_least + i * x_step);
    const double y_step = frame->log ? 1 : step_of(frame->y_most - frame->y_least);
    for (int i = 0; frame->y_least + i * y_step <= frame->y_most; i++) {
        const double at = frame->y_least + i * y_step;
        tick_y(to, frame, frame->log ? pow(10, at) : at);
    }
    fprintf(to, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#000000\"/>\n", LEFT, frame->top,
            HEIGHT - BOTTOM, WIDTH - RIGHT);
}

static void mark(FILE *to, uint32_t series, double x, double y) {
    const char *const colour = colours[series];
    if (series % 2 == 0)
        fprintf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x, y, colour);
    else
        fprintf(to, "<rect x=\"%.1f\" y=\"%.1f\" width=\"5\" height=\"5\" fill=\"%s\"/>\n", x - 2.5,
                y - 2.5, colour);
}

static void draw_series(FILE *to, const frame_t *frame, const lab_series *series, uint32_t index) {
    fputs("<polyline points=\"", to);
    for (uint32_t i = 0; i < series->count; i++)
        fprintf(to, "%s%.1f,%.1f", i > 0 ? " " : "", place_x(frame, series->x[i]),
                place_y(frame, series->y[i]));
    fprintf(to, "\" fill=\"none\" stroke=\"%s\"/>\n", colours[index]);
    for (uint32_t i = 0; i < series->count; i++)
        mark(to, index, place_x(frame, series->x[i]), place_y(frame, series->y[i]));
}

static void draw_legend(FILE *to, const lab_chart *chart) {
    const double width = (double)(WIDTH - LEFT - RIGHT) / chart->series_count;
    for (uint32_t i = 0; i < chart->series_count; i++) {
        mark(to, i, LEFT + i * width + 6, TOP - 6);
        label(to, LEFT + i * width + 16, TOP - 2, "start", chart->series[i].name);
    }
}

/* ---- A grid ---- */

/* White to orange by the share; the number tells it, too. */
static void draw_cell(FILE *to, double x, double y, double width, double height, double share) {
    char text[32];
    const double part = share > 100 ? 1 : share / 100;
    fprintf(to,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
            "fill=\"#%02x%02x%02x\" stroke=\"#999999\"/>\n",
            x, y, width, height, 255 - (int)(42 * part), 255 - (int)(161 * part),
            255 - (int)(255 * part));
    snprintf(text, sizeof text, share > 0 && share < 1 ? "&lt; 1 %%" : "%.0f %%", share);
    fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", x + width / 2,
            y + height / 2 + 4, text);
}

static void draw_grid(FILE *to, const lab_chart *chart) {
    const double width = (double)(WIDTH - LEFT - RIGHT) / chart->columns;
    const double height = (double)(HEIGHT - TOP - BOTTOM) / chart->rows;
    char text[32];
    for (uint32_t row = 0; row < chart->rows; row++) {
        const double y = TOP + (chart->rows - 1 - row) * height;
        snprintf(text, sizeof text, "%g", chart->row[row]);
        label(to, LEFT - 6, y + height / 2 + 4, "end", text);
        for (uint32_t column = 0; column < chart->columns; column++)
            draw_cell(to, LEFT + column * width, y, width, height, chart->cell[row][column]);
    }
    for (uint32_t column = 0; column < chart->columns; column++) {
        snprintf(text, sizeof text, "%g", chart->column[column]);
        label(to, LEFT + (column + 0.5) * width, HEIGHT - BOTTOM + 18, "middle", text);
    }
}

bool lab_show_svg(const lab_chart *chart, FILE *to) {
    begin(to, chart);
    if (chart->columns > 0) {
        draw_grid(to, chart);
    } else {
        const frame_t frame = frame_of(chart);
        draw_axes(to, &frame);
        for (uint32_t i = 0; i < chart->series_count; i++)
            draw_series(to, &frame, &chart->series[i], i);
        draw_legend(to, chart);
    }
    fputs("</svg>\n", to);
    return !ferror(to);
}

void lab_chart_free(lab_chart *chart) {
    if (!chart) return;
    for (uint32_t i = 0; i < chart->series_count; i++) free(chart->series[i].name);
    free(chart->title);
    free(chart->x);
    free(chart->y);
    free(chart);
}
