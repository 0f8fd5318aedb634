"""The lints find what they are for: each test puts one wrong line into a small tree and names the finding."""

import os
import subprocess
import sys
import tempfile
import unittest

TOOLS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools")


class Lints(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="hf-lints-")
        self.root = self.folder.name
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def lint(self, name, *arguments):
        result = subprocess.run([sys.executable, os.path.join(TOOLS, name), *arguments], text=True,
                                env=dict(os.environ, HF_LINT_ROOT=self.root), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        return result.returncode, result.stdout

    def finds(self, finding, name, *arguments):
        code, out = self.lint(name, *arguments)
        self.assertEqual(code, 1, out)
        self.assertIn(finding, out)

    def passes(self, name, *arguments):
        code, out = self.lint(name, *arguments)
        self.assertEqual(code, 0, out)

    # ---- layers ----

    def test_wire_may_not_include_a_tcp_room(self):
        self.write("engine/wire/eth.c", '#include "base/base.h"\n#include "send/send.h"\n')
        self.write("engine/base/base.h", "#include <string.h>\n")
        self.write("engine/send/send.h", "")
        self.finds('engine/wire/eth.c:2: "send/send.h": wire may not include send', "lint_layers")

    def test_siblings_see_each_other_only_in_the_written_ways(self):
        self.write("engine/recover/a.c", '#include "congest/cubic.h"\n')
        self.write("engine/congest/cubic.h", "")
        self.passes("lint_layers")
        self.write("engine/receive/b.c", '\n#include "congest/cubic.h"\n')
        self.finds("engine/receive/b.c:2:", "lint_layers")

    def test_nothing_in_the_engine_sees_stack_and_no_room_sees_tcp(self):
        self.write("engine/stack/stack.h", "")
        self.write("engine/tcp/tcp.h", "")
        self.write("engine/tcp/a.c", '#include "stack/stack.h"\n')
        self.write("engine/close/b.c", '#include "tcp/tcp.h"\n')
        self.finds("engine/tcp/a.c:1:", "lint_layers")
        self.finds("engine/close/b.c:1:", "lint_layers")

    def test_a_system_header_in_the_engine_is_refused(self):
        self.write("engine/wire/eth.c", "#include <stdint.h>\n#include <hf/base.h>\n#include <stdio.h>\n")
        self.finds("engine/wire/eth.c:3: <stdio.h>", "lint_layers")

    def test_outside_the_engine_only_the_public_headers_are_seen(self):
        self.write("engine/wire/tcp.h", "")
        self.write("drivers/tun.c", '#include <linux/if.h>\n#include <hf/engine.h>\n#include "wire/tcp.h"\n')
        self.finds("drivers/tun.c:3:", "lint_layers")
        self.write("drivers/tun.c", '#include "../engine/wire/tcp.h"\n')
        self.finds("drivers/tun.c:1:", "lint_layers")

    def test_an_include_in_a_comment_is_no_include(self):
        self.write("engine/wire/eth.c", "/*\n#include <stdio.h>\n*/\n")
        self.passes("lint_layers")

    # ---- block ----

    def test_a_pointer_in_a_struct_of_the_block_is_found(self):
        self.write("engine/conn/conn.h", "/* In the block. */\ntypedef struct hfi_conn {\n    uint32_t a; /* a * b */\n"
                                         "    void *next;\n} hfi_conn;\n")
        self.finds("engine/conn/conn.h:4: hfi_conn", "lint_block")

    def test_a_pointer_in_a_member_of_the_block_is_found(self):
        self.write("engine/conn/conn.h", "typedef struct part { const void *data; } part;\n"
                                         "/* In the block. */\ntypedef struct hfi_conn {\n    part one;\n} hfi_conn;\n")
        self.finds("engine/conn/conn.h:4:", "lint_block")

    def test_a_mark_without_a_struct_is_found_and_a_good_one_passes(self):
        self.write("engine/a/a.h", "/* In the block. */\ntypedef struct a {\n    uint32_t next;\n} a;\n")
        self.passes("lint_block")
        self.write("engine/a/b.h", "/* In the block. */\nextern int b;\n")
        self.finds("engine/a/b.h:1:", "lint_block")

    # ---- walk ----

    def test_a_stop_whose_function_moved_is_found(self):
        self.write("engine/tcp/segment.c", "static int check_reset(void) { return 1; }\nint called(void);\n")
        self.write("docs/WALK.md", "1. `tcp/segment.c:check_reset` looks.\n")
        self.passes("lint_walk")
        self.write("docs/WALK.md", "1. `tcp/segment.c:called` looks.\n")
        self.finds("docs/WALK.md:1: called is not in engine/tcp/segment.c", "lint_walk")
        self.write("docs/WALK.md", "1. `tcp/gone.c:called` looks.\n")
        self.finds("tcp/gone.c: no such file", "lint_walk")

    # ---- owners ----

    def test_a_field_written_by_another_room_is_found(self):
        self.write("engine/conn/conn.h", "typedef struct hfi_conn {\n    uint32_t snd_una, snd_nxt; /* x */\n} hfi_conn;\n")
        self.write("docs/OWNERS.md", "| `snd_una` | recover | | |\n| `snd_nxt` | send | recover | |\n")
        self.write("engine/recover/a.c", "void f(hfi_conn *conn) { conn->snd_una += 3; conn->snd_nxt = 5; }\n")
        self.write("engine/live/b.c", "int g(const hfi_conn *conn) { return conn->snd_una == 7; }\n")
        self.passes("lint_owners")
        self.write("engine/live/b.c", "\nvoid g(hfi_conn *c) { c->snd_una = 7; }\n")
        self.finds("engine/live/b.c:2: live writes snd_una", "lint_owners")

    def test_a_field_without_a_row_and_a_row_without_a_field_are_found(self):
        self.write("engine/conn/conn.h", "typedef struct hfi_conn {\n    uint8_t a : 4, b : 4;\n} hfi_conn;\n")
        self.write("docs/OWNERS.md", "| `a`, `c` | recover | | |\n")
        self.finds("engine/conn/conn.h:2: b has no row", "lint_owners")
        self.finds("c is no field of hfi_conn", "lint_owners")

    # ---- causes ----

    def test_an_unused_cause_fails_only_when_strict(self):
        self.write("include/hf/cause.def", 'HF_CAUSE_ROW(A, "RFC 9293 3.5 MUST-10", "Seen.")\n'
                                           'HF_CAUSE_ROW(B, "RFC 1191 3, RFC 8201 4", "Seen.")\n')
        self.write("engine/tcp/a.c", "int a = HF_CAUSE_A; /* HF_CAUSE_B */\n")
        self.passes("lint_causes")
        self.finds("B is never used", "lint_causes", "--strict")

    def test_a_reference_that_no_script_can_read_is_found(self):
        self.write("include/hf/cause.def", 'HF_CAUSE_ROW(A, "RFC 9293, Section 3.5", "Seen.")\n')
        self.finds("include/hf/cause.def:1: A:", "lint_causes")

    def test_a_citation_in_another_form_is_found(self):
        self.write("include/hf/cause.def", "")
        self.write("engine/tcp/a.c", "/* As RFC 9293 section 3.4 says. */\n")
        self.finds("engine/tcp/a.c:1:", "lint_causes")

    # ---- words ----

    def test_a_path_of_one_machine_is_found_and_a_path_of_the_project_is_not(self):
        self.write("include/hf/config.h", "")
        self.write("docs/a.md", "see engine/work/x and https://example.org/root/\n")
        self.passes("lint_words")
        self.write("docs/a.md", "see /" "work/x\n")
        self.finds("docs/a.md:1:", "lint_words")

    def test_a_setting_that_no_document_explains_is_found(self):
        self.write("include/hf/config.h", "typedef struct hf_config {\n    uint32_t conns, paths; /* x */\n} hf_config;\n")
        self.write("docs/MEMORY.md", "`conns` is the number of connections; paths are others.\n")
        self.finds("include/hf/config.h:2: paths is explained nowhere", "lint_words")
        self.write("docs/MEMORY.md", "| `conns`, `paths` | 3 |\n| `gone` | 5 |\n")
        self.finds("docs/MEMORY.md:2: gone is no field", "lint_words")

    # ---- size ----

    def test_a_long_function_needs_a_reason(self):
        body = "    a++;\n" * 80
        self.write("engine/tcp/a.c", f"static void long_one(int a) {{\n{body}}}\n")
        self.finds("engine/tcp/a.c:1: long_one has 82 lines", "lint_size")
        self.write("engine/tcp/a.c", f"/* Long because it is one table. */\nstatic void long_one(int a) {{\n{body}}}\n")
        self.passes("lint_size")

    def test_braces_in_strings_types_and_initialisers_are_no_functions(self):
        self.write("engine/tcp/a.c", 'static const char *a[] = {"{{", "}"};\ntypedef struct b { int c; } b;\n'
                                     "static inline int f(int x) { return x; }\nint g(void);\n")
        code, out = self.lint("lint_size")
        self.assertEqual(code, 0, out)
        self.assertIn(" 1 functions", out)

    # ---- symbols ----

    def symbols_tree(self, text):
        self.write("engine/SOURCES", "a/a.c\n")
        self.write("include/hf/a.h", "int hf_a(int x);\n")
        self.write("engine/a/a.c", text)

    def test_a_call_into_libc_is_found(self):
        self.symbols_tree("int puts(const char *);\nint hf_a(int x);\nint hf_a(int x) { return puts(\"\") + x; }\n")
        self.finds("needs puts", "lint_symbols")

    def test_written_data_is_found_and_constants_are_not(self):
        self.symbols_tree("static const int table[4] = {3, 5, 7, 11};\nint hf_a(int x);\n"
                          "int hf_a(int x) { return table[x & 3]; }\n")
        self.passes("lint_symbols")
        self.symbols_tree("static int calls;\nint hf_a(int x);\nint hf_a(int x) { return calls += x; }\n")
        self.finds("calls is data that can be written", "lint_symbols")

    def test_a_public_function_that_nobody_defines_is_found(self):
        self.symbols_tree("#include <hf/a.h>\nint hf_a(int x) { return x; }\n")
        self.write("include/hf/a.h", "int hf_a(int x);\nextern int hf_b(\n    int y);\n")
        self.finds("include/hf/a.h:2: hf_b is declared, and the library has none", "lint_symbols")

    def test_a_name_without_our_prefix_is_found(self):
        self.symbols_tree("int helper(int x);\nint helper(int x) { return x; }\n")
        self.finds("helper: names seen across files", "lint_symbols")

    def test_two_files_with_one_static_name_are_found(self):
        self.symbols_tree("static int twice(int x) { return 2 * x; }\nint hf_a(int x);\n"
                          "int hf_a(int x) { return twice(x); }\n")
        self.write("engine/SOURCES", "a/a.c\na/b.c\n")
        self.write("engine/a/b.c", "static int twice(int x) { return x + x; }\nint hfi_b(int x);\n"
                                   "int hfi_b(int x) { return twice(x); }\n")
        self.finds("engine/a/b.c:1: twice is also a name of engine/a/a.c", "lint_symbols")


if __name__ == "__main__":
    unittest.main()
