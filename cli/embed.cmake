# Writes OUT: the pages of FOLDER (all *.md but README.md) as cli_pages[], see cli/page.h.
# Bytes, not strings: a compiler need not take a string literal longer than 4,095 characters.
file(GLOB pages ${FOLDER}/*.md)
list(FILTER pages EXCLUDE REGEX "/README\\.md$")
list(SORT pages)
set(arrays "")
set(rows "")
set(index 0)
foreach(page ${pages})
  get_filename_component(name ${page} NAME_WE)
  file(READ ${page} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "static const char page_${index}[] = {${bytes}0};\n")
  string(APPEND rows "    {\"${name}\", page_${index}},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUT} "/* Generated from docs/answers. */\n#include \"cli/page.h\"\n\n${arrays}
const cli_page cli_pages[] = {\n${rows}};\nconst size_t cli_page_count = ${index};\n")
