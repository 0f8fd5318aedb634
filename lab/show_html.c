/* A run as one page that needs nothing else: its JSON, what draws it (lab/page) and D3. */
#include "lab/page.h"
#include "lab/scenario.h"
#include <string.h>

/* Writes the piece that a line of the template stands for; false if it is a line of its own. */
static bool put_piece(const lab_scenario *scenario, const char *line, size_t length, FILE *to) {
    const struct {
        const char *mark, *piece;
    } pieces[] = {{"@css@", lab_page_css}, {"@d3@", lab_page_d3}, {"@js@", lab_page_js}};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (strlen(pieces[i].mark) != length || memcmp(line, pieces[i].mark, length) != 0) continue;
        fputs(pieces[i].piece, to);
        return true;
    }
    if (length != 5 || memcmp(line, "@run@", 5) != 0) return false;
    lab_show_json(scenario, false, to);
    return true;
}

bool lab_show_html(const lab_scenario *scenario, FILE *to) {
    for (const char *line = lab_page_html; *line;) {
        const size_t length = strcspn(line, "\n");
        if (!put_piece(scenario, line, length, to)) {
            fwrite(line, 1, length, to);
            fputc('\n', to);
        }
        line += length + (line[length] == '\n');
    }
    return !ferror(to);
}
