# Writes OUT: the pieces of the page of a run (page.html, page.css, page.js of FOLDER, and D3) as byte arrays, see
# lab/show_html.c. Bytes, not strings: a compiler need not take a string literal longer than 4,095 characters.
set(text "/* Generated from lab/page. */\n#include \"lab/page.h\"\n")
foreach(piece html css js d3)
  set(file ${FOLDER}/page.${piece})
  if(piece STREQUAL d3)
    set(file ${D3})
  endif()
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND text "const char lab_page_${piece}[] = {${bytes}0};\n")
endforeach()
file(WRITE ${OUT} "${text}")
