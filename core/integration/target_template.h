#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/context/value_source.h"
#include "lib/mapping/uri_template.h"

namespace postern {

/// A mapping onto a name: `integration.request.{path|querystring|header}.{name}` and its source
/// (rest-api.md §6.2).
struct NamedSource {
  std::string name;
  ValueSource source;
};

/// The path and query of a backend's URI, compiled (rest-api.md §6.5). Stage variables are in place
/// already. Immutable.
class TargetTemplate {
 public:
  struct Spec {
    std::string prefix;             ///< put before `text`, as it is: "/v1", or empty
    std::string text;               ///< path and query, e.g. "/pets/{id}?kind={kind}"; empty: "/"
    std::vector<NamedSource> path;  ///< for `{name}`; others stay, percent-encoded
    std::vector<NamedSource> query;
    bool pass_query = false;  ///< HTTP_PROXY: the client's parameters go on, mapped ones override
    bool empty_resolves = false;  ///< HTTP APIs: an empty value fills its placeholder
  };

  explicit TargetTemplate(Spec spec);
  TargetTemplate(const TargetTemplate&) = delete;
  TargetTemplate& operator=(const TargetTemplate&) = delete;

  /// The origin-form target for one request. Its query holds the URI's own parameters first, then
  /// the client's, then the mapped ones (rest-api.md §6.5); decoded values are encoded again
  /// (§2.4).
  std::string_view Make(const RequestContext& context, Arena* arena) const;

 private:
  void AppendPieces(const RequestContext& context, Arena* arena, CharSink& sink) const;
  void AppendClientQuery(std::string_view query, const std::string_view* mapped, Arena* arena,
                         bool* first, CharSink& sink) const;

  UriTemplate uri_;
  std::vector<NamedSource> path_;
  std::vector<const NamedSource*> fills_;  // by piece of uri_, into path_
  std::vector<NamedSource> query_;
  bool empty_resolves_;
  bool pass_query_;
};

/// Whether decoding `query` and encoding it again would give the same text, so that it can be
/// passed on as it is.
bool IsCanonicalQuery(std::string_view query);

}  // namespace postern
