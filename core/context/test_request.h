#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/http/message.h"

namespace postern {

/// A request for tests, with the memory and the context that go with it. Texts are copied.
struct TestRequest {
  explicit TestRequest(
      std::string_view method = "GET", std::string_view target = "/",
      std::initializer_list<std::pair<std::string_view, std::string_view>> headers = {},
      std::string_view authority = "localhost")
      : arena(&pool), head(&arena) {
    head.method = ParseMethod(method);
    head.method_text = arena.Copy(method);
    head.scheme = "http";
    head.authority = arena.Copy(authority);
    head.target = arena.Copy(target);
    for (const auto& [name, value] : headers) head.headers.Add(arena.Copy(name), arena.Copy(value));
    context.request = &head;
  }

  BlockPool pool;
  Arena arena;
  RequestHead head;
  RequestContext context;
};

}  // namespace postern
