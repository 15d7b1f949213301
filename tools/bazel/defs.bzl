"""The rules of this tree. Compiler flags that hold for everything, foreign code too, are in
.bazelrc; the ones here hold for our own code."""

_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
]

_SUPPRESSIONS = ["//tools/bazel:suppressions"]

_PUBLIC = ["//visibility:public"]

def _stem(label):
    return label.split(":")[-1].rsplit(".", 1)[0]

def _check_headers(name, srcs, hdrs, copts, testonly):
    """Compiles alone each header that no source of the library has as its first include.

    The other headers are compiled first by their own source (tools/check_layers sees to that).
    """
    sources = [_stem(s) for s in srcs if not s.endswith(".h")]
    alone = [h for h in hdrs if _stem(h) not in sources]
    if not alone:
        return
    checks = []
    for hdr in alone:
        path = hdr.split(":")[-1]
        check = "_" + name + "_alone/" + path + ".cc"
        native.genrule(
            name = check + "_generate",
            outs = [check],
            cmd = "echo '#include \"" + native.package_name() + "/" + path + "\"' >$@",
            testonly = testonly,
        )
        checks.append(check)
    native.cc_library(
        name = "_" + name + "_alone",
        srcs = checks,
        copts = _COPTS + copts + ["-O0", "-g0"],
        linkstatic = True,
        testonly = testonly,
        deps = [":" + name],
    )

def postern_cc_library(name, srcs = [], hdrs = [], copts = [], testonly = False, visibility = _PUBLIC, **kwargs):
    """A library whose headers each compile alone.

    Who may use it is decided by tools/check_layers, not by visibility.
    """
    native.cc_library(
        name = name,
        srcs = srcs,
        hdrs = hdrs,
        copts = _COPTS + copts,
        testonly = testonly,
        visibility = visibility,
        **kwargs
    )
    _check_headers(name, srcs, hdrs, copts, testonly)

def postern_cc_binary(name, copts = [], visibility = _PUBLIC, **kwargs):
    """A program, or with linkshared a module."""
    native.cc_binary(
        name = name,
        copts = _COPTS + copts,
        visibility = visibility,
        **kwargs
    )

def postern_cc_test(name, copts = [], data = [], deps = [], size = "small", **kwargs):
    """A GoogleTest. main(), gtest and gmock are linked in; objects are shared with the programs."""
    native.cc_test(
        name = name,
        copts = _COPTS + copts,
        data = data + _SUPPRESSIONS,
        linkstatic = True,
        size = size,
        deps = deps + ["@system//:gtest_main"],
        **kwargs
    )

def postern_filter_module(name, srcs, deps = [], libraries = [], tests = [], test_deps = [], copts = [], linkopts = [], visibility = _PUBLIC):
    """A filter module (docs/write-a-filter.md), from C++ or C.

    Makes these targets:
      <name>.so            the shared object, as it is loaded.
      <name>               the same objects as a library, for tests.
      <name>_symbols_test  the shared object defines its two symbols alone and needs no other
                           libraries than allowed.
      <test>               for each of `tests`, linked with the module and the fake host.

    Args:
      name: of the module, e.g. "cors".
      srcs: sources and headers.
      deps: C++ libraries besides the SDK; they are linked statically and stay private.
      libraries: shared libraries that it may need besides those of C and C++, e.g. "libz.so.1".
      tests: test sources, <name>_test.cc or the like.
      test_deps: what the tests are linked with besides.
      copts: further compiler options.
      linkopts: further linker options.
      visibility: of the shared object.
    """
    native.cc_library(
        name = name,
        srcs = srcs,
        copts = _COPTS + copts + [
            # One copy of inline state for each module, not one for the process.
            "-fvisibility=hidden",
        ],
        alwayslink = True,
        linkstatic = True,
        deps = deps + [
            "//api/abi",
            "//api/sdk",
        ],
    )
    native.cc_binary(
        name = name + ".so",
        additional_linker_inputs = ["//api/abi:exports.lds"],
        linkopts = ["-Wl,--as-needed"] + linkopts + [
            # What the compiler made visible nevertheless (templates of the standard library, some
            # of them unique across the process) stays inside.
            "-Wl,--version-script,$(location //api/abi:exports.lds)",
            "-Wl,--exclude-libs,ALL",
            "-Wl,-z,now",
            "-Wl,--build-id",
        ] + select({
            # There the run time of the sanitizer is in the program.
            "//tools/bazel:sanitizer": [],
            "//conditions:default": ["-Wl,--no-undefined"],
        }),
        linkshared = True,
        visibility = visibility,
        deps = [":" + name],
    )
    native.sh_test(
        name = name + "_symbols_test",
        size = "small",
        srcs = ["//tools/bazel:check_module.py"],
        args = ["$(rootpath :%s.so)" % name] + libraries,
        data = [":%s.so" % name],
    )
    for test in tests:
        postern_cc_test(
            name = test.rsplit(".", 1)[0],
            srcs = [test],
            deps = test_deps + [
                ":" + name,
                "//api/sdk/testing:fake_host",
            ],
        )

def postern_cc_benchmark(name, copts = [], deps = [], **kwargs):
    """A Google Benchmark program; `tools/bz run` it."""
    native.cc_binary(
        name = name,
        testonly = True,
        copts = _COPTS + copts,
        deps = deps + ["@system//:benchmark_main"],
        **kwargs
    )

def postern_cc_fuzz_test(name, copts = [], deps = [], corpus = [], data = [], size = "small", **kwargs):
    """A fuzz target: a source that defines LLVMFuzzerTestOneInput.

    With --config=fuzz it is a libFuzzer program (see tools/fuzz). Otherwise it is a test that
    replays `corpus`, or some pseudo-random inputs where there is none.

    Args:
      name: the target; ends in _fuzz.
      copts: further compiler options.
      deps: what it is linked with.
      corpus: input files; every crash that was found stays here under a telling name.
      data: further files it reads.
      size: as of any test.
      **kwargs: passed to cc_test.
    """
    native.cc_test(
        name = name,
        args = ["$(rootpath %s)" % f for f in corpus] or ["-runs=2000"],
        copts = _COPTS + copts,
        data = corpus + data + _SUPPRESSIONS,
        linkopts = select({
            "//tools/bazel:fuzz": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        linkstatic = True,
        size = size,
        tags = ["fuzz"],
        deps = deps + select({
            "//tools/bazel:fuzz": [],
            "//conditions:default": ["//tools/bazel:fuzz_main"],
        }),
        **kwargs
    )

def _protos_of(label):
    if ":" in label:
        return label + "_protos"
    return label + ":" + label.split("/")[-1] + "_protos"

def postern_proto_library(name, srcs, deps = [], grpc = False, visibility = _PUBLIC):
    """A C++ library from .proto files. Its headers are <folder>/<file>.pb.h, generated outside the
    tree; imports are written from the repository root.

    Args:
      name: the C++ library.
      srcs: .proto files of this package.
      deps: other postern_proto_library targets.
      grpc: also generate services (<file>.grpc.pb.h).
      visibility: of the library.
    """
    native.filegroup(
        name = name + "_protos",
        srcs = srcs + [_protos_of(d) for d in deps],
        visibility = visibility,
    )
    stems = [s[:-len(".proto")] for s in srcs]
    suffixes = [".pb"] + ([".grpc.pb"] if grpc else [])
    headers = [stem + suffix + ".h" for stem in stems for suffix in suffixes]
    sources = [stem + suffix + ".cc" for stem in stems for suffix in suffixes]
    plugin = ""
    if grpc:
        plugin = " --plugin=protoc-gen-grpc=$$(command -v grpc_cpp_plugin) --grpc_out=$(GENDIR)"
    native.genrule(
        name = name + "_generate",
        srcs = [":" + name + "_protos"],
        outs = headers + sources,
        cmd = "protoc -I. --cpp_out=$(GENDIR)" + plugin + " " +
              " ".join(["$(location %s)" % s for s in srcs]),
        # The sources are named one by one, since $(SRCS) would contain those of deps too.
        tools = srcs,
    )
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        copts = ["-w"],
        visibility = visibility,
        deps = deps + ["@system//:grpc++" if grpc else "@system//:protobuf"],
    )

def postern_py_test(name, srcs, data = [], deps = [], size = "small", **kwargs):
    """A Python unittest file. Its cases are reported one by one.

    Not a py_test: that starts `python`, which Debian does not have.

    Args:
      name: the target.
      srcs: the test file, first, and modules that only it uses.
      data: files it reads.
      deps: py_library targets; modules are imported from the repository root.
      size: as of any test.
      **kwargs: passed to sh_test.
    """
    native.sh_test(
        name = name,
        srcs = ["//tools/bazel:py_test.sh"],
        args = ["$(rootpath %s)" % srcs[0]],
        data = srcs + data + deps + _SUPPRESSIONS + ["//tools/bazel:unittest_main.py"],
        size = size,
        **kwargs
    )

def postern_py_integration_test(name, srcs, data = [], deps = [], env = {}, size = "medium", **kwargs):
    """A Python unittest file that starts the real program (tests/support/harness.py).

    Args:
      name: the target.
      srcs: the test file, first, and modules that only it uses.
      data: files it reads.
      deps: further py_library targets.
      env: further environment variables.
      size: as of any test.
      **kwargs: passed to sh_test.
    """
    program = "//tools/postern:postern"
    postern_py_test(
        name = name,
        srcs = srcs,
        data = data + [program],
        env = dict(env, POSTERN_BINARY = "$(rootpath %s)" % program),
        deps = deps + ["//tests/support:harness"],
        size = size,
        **kwargs
    )
