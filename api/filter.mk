# Filter modules with make. A Makefile says what it has, and includes this:
#
#   MODULES = geo_block                        # from geo_block.cc or geo_block.c
#   include /usr/local/include/api/filter.mk   # or api/filter.mk of a clone
#
#   make           geo_block.so
#   make check     builds and runs geo_block_test.cc, with GoogleTest and the fake host
#
# Libraries that a module needs: geo_block.so: LDLIBS += -lz (and the same for geo_block_test).

postern_root := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
postern_warn := -Wall -Wextra
postern_cxx := -std=c++20 -O2 -g -fPIC -MMD -I$(postern_root) $(postern_warn)
postern_c := -std=c99 -O2 -g -fPIC -MMD -I$(postern_root) $(postern_warn)
# One copy of inline state for each module; two symbols to be seen; all else resolved when it loads.
postern_hidden := -fvisibility=hidden
postern_link := -shared -Wl,--as-needed -Wl,--version-script,$(postern_root)/api/abi/exports.lds \
  -Wl,--exclude-libs,ALL -Wl,--no-undefined -Wl,-z,now -Wl,--build-id
postern_host := $(patsubst %,postern_%.o,fake_host fake_internal fake_stream host_functions)

.PHONY: all check clean
all: $(MODULES:=.so)

%.so: %.o
	$(CXX) $(postern_link) $(LDFLAGS) -o $@ $< $(LDLIBS)

%.o: %.cc
	$(CXX) $(postern_cxx) $(postern_hidden) $(CXXFLAGS) -c -o $@ $<

%.o: %.c
	$(CC) $(postern_c) $(postern_hidden) $(CFLAGS) -c -o $@ $<

postern_%.o: $(postern_root)/api/sdk/testing/%.cc
	$(CXX) $(postern_cxx) $(CXXFLAGS) -c -o $@ $<

%_test: %_test.o %.o $(postern_host)
	$(CXX) $(LDFLAGS) -o $@ $^ -lgtest -lgtest_main -ldl -lpthread $(LDLIBS)

check: $(MODULES:=_test)
	@set -e; for test in $^; do echo "./$$test"; ./$$test --gtest_brief=1; done

clean:
	rm -f $(MODULES:=.so) $(MODULES:=.o) $(MODULES:=_test) $(postern_host) *.d

-include $(wildcard *.d)
.SECONDARY:
