#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "filters/transform/message_view.h"
#include "filters/transform/transform_config.h"
#include "lib/jsonpath/value.h"
#include "lib/template/mapping_template.h"

namespace postern {

/// What one stream keeps between its request and its response.
struct KeptRequest {
  RequestView request;
  std::string accept;
  bool has_accept = false;
  std::vector<TemplateOverride> overrides;
};

/// What the filter uses again and again on one worker: rooms of texts and templates, good within
/// one hook, and what streams keep.
class TransformWorker {
 public:
  explicit TransformWorker(const TransformConfig&) {}

  std::unique_ptr<KeptRequest> Take() {
    if (idle_.empty()) return std::make_unique<KeptRequest>();
    std::unique_ptr<KeptRequest> kept = std::move(idle_.back());
    idle_.pop_back();
    return kept;
  }
  void Give(std::unique_ptr<KeptRequest> kept) {
    if (idle_.size() == kMaxIdle) return;
    kept->overrides.clear();
    kept->has_accept = false;
    idle_.push_back(std::move(kept));
  }

  /// Room for a body does not stay with the worker once it has become large.
  static void Shrink(std::string* room) {
    if (room->capacity() > kKeepRoom) std::string().swap(*room);
  }

  struct OutField {
    std::string_view name;  // of the configuration, or of an override
    size_t begin;           // of the value in `text`
    size_t size;
  };

  TemplateScratch templates;
  dyn::Arena arena;       // of bodies as JSON
  std::string body;       // that came in several slices
  std::string converted;  // by contentHandling
  std::string rendered;   // by a template
  std::string text;       // values of parameters
  std::string target;     // path and query
  FieldsView response;    // of the backend
  std::vector<OutField> fields;

 private:
  static constexpr size_t kMaxIdle = 256;
  static constexpr size_t kKeepRoom = 256 * 1024;

  std::vector<std::unique_ptr<KeptRequest>> idle_;
};

}  // namespace postern
