"""Who may use whom: the arrows between the folders of this tree.

A row's folder may use what the row names, what those may use in turn, and itself. Every arrow
points to a row above. What is not in the table may not hold code.
"""

# folder -> folders it may use. The longest matching folder decides: core/http/x is in core/http.
USES = {
    "api": [],
    "proto": [],
    "lib": [],
    "core/base": ["lib"],
    "core/event": ["core/base"],
    "core/http": ["core/base"],  # Pure: bytes in, events out; no event, no net.
    "core/net": ["core/event"],
    "core/context": ["core/http"],
    "core/reply": ["core/context"],
    "core/observe": ["core/context", "core/event"],
    "core/upstream": ["core/net", "core/http", "core/context"],
    "core/credentials": ["core/upstream"],
    "core/filter": ["api", "core/context", "core/upstream", "core/reply"],
    "core/integration": ["core/upstream", "core/context", "core/reply"],
    "core/route": ["core/filter", "core/integration"],
    "core/config": ["proto", "core/credentials", "core/route", "core/observe"],
    "core/session": ["core/net", "core/http", "core/route", "core/reply", "core/observe"],
    "core/server": ["core/session", "core/config"],
    "filters/common": ["api", "lib", "proto/filters"],
    "filters/*": ["api", "lib", "proto/filters", "filters/common"],
    "control": ["proto", "lib"],
    "examples": ["api"],
}

# These may use anything, and nothing uses them.
OUTSIDE = ["tests", "tools"]

# What a build rule may name from anywhere: macros, sanitizer suppressions and the like.
BUILD_SUPPORT = ["tools/bazel"]

# Libraries of the system (@system//:x) that a folder may use; a folder without a row may use any.
# A test may use the test libraries besides.
LIBRARIES = {
    "api": [],
    "proto": ["protobuf", "grpc++"],
    "lib": ["absl", "crypto", "rapidjson", "yaml_cpp", "re2"],
    "core/base": ["absl", "crypto", "rapidjson", "prometheus_core"],
    "core/http": ["absl", "llhttp", "nghttp2"],
    "filters/common": ["absl", "crypto", "rapidjson", "yaml_cpp", "re2", "protobuf"],
    "filters/*": ["absl", "brotli", "crypto", "rapidjson", "yaml_cpp", "re2", "protobuf", "z"],
    "examples": [],
}

# These stand on the language alone: besides the tree, they include C++'s own headers and these of C.
STANDARD_ONLY = ["api", "examples"]
STANDARD_C = [
    "dlfcn.h", "errno.h", "inttypes.h", "limits.h", "math.h", "stdbool.h", "stddef.h", "stdint.h",
    "stdio.h", "stdlib.h", "string.h",
]

TEST_LIBRARIES = ["gtest", "gtest_main", "gmock", "benchmark", "benchmark_main"]

# Which library a header belongs to, by the start of its name.
HEADERS = {
    "absl/": "absl",
    "ares.h": "cares",
    "ares_": "cares",
    "arpa/": "sockets",
    "benchmark/": "benchmark",
    "brotli/": "brotli",
    "gmock/": "gmock",
    "google/protobuf/": "protobuf",
    "grpc/": "grpc++",
    "grpcpp/": "grpc++",
    "gtest/": "gtest",
    "llhttp": "llhttp",
    "netinet/": "sockets",
    "nghttp2/": "nghttp2",
    "openssl/ssl.h": "ssl",
    "openssl/": "crypto",
    "prometheus/": "prometheus_core",
    "rapidjson/": "rapidjson",
    "re2/": "re2",
    "sqlite3.h": "sqlite3",
    "sys/epoll.h": "sockets",
    "sys/socket.h": "sockets",
    "uv.h": "uv",
    "yaml-cpp/": "yaml_cpp",
    "zlib.h": "z",
}
