/* The pieces of the page that --html writes: generated at build time out of lab/page and Debian's D3. */
#ifndef LAB_PAGE_H
#define LAB_PAGE_H

extern const char lab_page_html[]; /* with a line "@css@", "@run@", "@d3@", "@js@" for each piece */
extern const char lab_page_css[], lab_page_js[], lab_page_d3[];

#endif
