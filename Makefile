# The verbs. `make` builds the release and installs nothing; `make demo` and `make test` first install
# what is missing (they print the line and, on a terminal, ask).
JOBS ?= $(shell nproc)
BUILD = cmake --build --preset $(1) -j $(JOBS)
CONFIGURE = cmake --preset $(1) >/dev/null

.PHONY: all demo examples test interop lint pages bench weather fuzz dist install clean

all:
	@$(call CONFIGURE,release) && $(call BUILD,release)

demo:
	@tools/setup demo
	@$(MAKE) --no-print-directory all >/dev/null
	@build/release/bin/holdfast lab lab/scenarios/cable_cut.lua
	@echo; examples/kernel/run build/release/bin cut || [ $$? = 77 ]

examples:
	@tools/setup examples
	@$(MAKE) --no-print-directory all >/dev/null
	@examples/kernel/run build/release/bin || [ $$? = 77 ]

test:
	@tools/setup test
	@tools/test

interop:
	@tools/setup test && tools/setup interop
	@$(MAKE) --no-print-directory all >/dev/null
	@tests/interop_full.sh build/release/bin
	@tests/interop_lpd.sh build/release/bin long || [ $$? = 77 ]
	@tests/kernel_long.sh
	@tests/doctor_long.sh build/release/bin/holdfast
	@tests/on_linux/long build/release/bin/holdfast
	@tests/page.sh build/release/bin/holdfast lab/scenarios

lint:
	@tools/lint

# The ladders and charts of docs/answers, out of the scenarios that they name.
pages: all
	@tools/pages build/release/bin/holdfast

bench:
	@tools/setup bench
	@$(call CONFIGURE,bench) && $(call BUILD,bench) >/dev/null && bench/run $(BENCH)

weather:
	@tools/setup test
	@$(call CONFIGURE,dev) && cmake --build --preset dev -j $(JOBS) --target test_weather >/dev/null
	@build/dev/bin/test_weather --print >build/weather.txt && cp build/weather.txt tests/data/weather.txt
	@build/dev/bin/test_weather --markdown >build/weather.md
	@tools/weather_document build/weather.md docs/PERFORMANCE.md
	@echo "written: tests/data/weather.txt, docs/PERFORMANCE.md"

fuzz:
	@tools/setup fuzz
	@$(call CONFIGURE,fuzz) && $(call BUILD,fuzz) >/dev/null && fuzz/run

dist:
	@tools/dist

install: all
	@cmake --install build/release

clean:
	rm -rf build
