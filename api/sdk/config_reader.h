// Reads a filter's configuration, and reports every mistake in it with the path of the field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/abi/abi.h"
#include "api/sdk/host.h"
#include "api/sdk/json.h"
#include "api/sdk/stream.h"

namespace postern {

// One object of the configuration. String, Int, Bool, OneOf and Strings ask for required fields,
// OptionalString and so on for optional ones. When something is wrong it is reported, and an empty
// value, or the fallback, is returned, so that reading goes on and an author sees all mistakes at
// once.
//
// Fields that were never asked for are reported as unknown.
class ConfigReader {
 public:
  // How long a string may be, in bytes.
  struct Length {
    size_t min;
    size_t max;
  };

  static constexpr Length kAnyLength = {0, 4096};
  static constexpr Length kNotEmpty = {1, 4096};

  // What has been reported, shared by the readers of one configuration.
  struct Session {
    postern_config_ctx* ctx = nullptr;
    std::string_view instance;
    std::string_view scope;
    bool failed = false;
  };

  ConfigReader(Session& session, const Json& object, std::string path)
      : session_(&session), object_(&object), path_(std::move(path)) {
    object.opened_ = true;
  }

  // Name of the instance, and where it applies: "" for the whole API, else "METHOD /resource".
  std::string_view instance() const { return session_->instance; }
  std::string_view scope() const { return session_->scope; }

  // Whether anything has been reported.
  bool failed() const { return session_->failed; }

  // Reports a problem with a field; "" is the object itself.
  void Error(std::string_view field, std::string_view message) const {
    session_->failed = true;
    internal::host->config_error(session_->ctx, ToAbi(PathOf(field)), ToAbi(message));
  }

  bool Has(std::string_view field) const { return object_->Find(field) != nullptr; }

  std::string String(std::string_view field, Length length = kAnyLength) const {
    const Json* value = Required(field, Json::Type::kString);
    return value != nullptr ? CheckedString(PathOf(field), *value, length) : std::string();
  }
  std::string OptionalString(std::string_view field, std::string fallback,
                             Length length = kAnyLength) const {
    const Json* value = Optional(field, Json::Type::kString);
    return value != nullptr ? CheckedString(PathOf(field), *value, length) : std::move(fallback);
  }

  int64_t Int(std::string_view field, int64_t min, int64_t max) const {
    const Json* value = Required(field, Json::Type::kInt);
    return value != nullptr ? CheckedInt(field, value->AsInt(), min, max) : min;
  }
  int64_t OptionalInt(std::string_view field, int64_t fallback, int64_t min, int64_t max) const {
    const Json* value = Optional(field, Json::Type::kInt);
    return value != nullptr ? CheckedInt(field, value->AsInt(), min, max) : fallback;
  }

  bool Bool(std::string_view field) const {
    const Json* value = Required(field, Json::Type::kBool);
    return value != nullptr && value->AsBool();
  }
  bool OptionalBool(std::string_view field, bool fallback) const {
    const Json* value = Optional(field, Json::Type::kBool);
    return value != nullptr ? value->AsBool() : fallback;
  }

  // One of some words.
  std::string OneOf(std::string_view field, std::initializer_list<std::string_view> words) const {
    return Word(field, Required(field, Json::Type::kString), {}, words);
  }
  std::string OptionalOneOf(std::string_view field, std::string fallback,
                            std::initializer_list<std::string_view> words) const {
    return Word(field, Optional(field, Json::Type::kString), std::move(fallback), words);
  }

  // A list of strings. `length` is of each of them.
  std::vector<std::string> Strings(std::string_view field, Length length = kNotEmpty) const {
    return StringsOf(field, Required(field, Json::Type::kArray), {}, length);
  }
  std::vector<std::string> OptionalStrings(std::string_view field,
                                           std::vector<std::string> fallback = {},
                                           Length length = kNotEmpty) const {
    return StringsOf(field, Optional(field, Json::Type::kArray), std::move(fallback), length);
  }

  // An object within this one; nullopt when it is absent, or something else, which is reported.
  std::optional<ConfigReader> Object(std::string_view field) const {
    const Json* value = Optional(field, Json::Type::kObject);
    if (value == nullptr) return std::nullopt;
    return ConfigReader(*session_, *value, PathOf(field));
  }

  // The objects of a list; empty when it is absent.
  std::vector<ConfigReader> Objects(std::string_view field) const {
    std::vector<ConfigReader> readers;
    const Json* value = Optional(field, Json::Type::kArray);
    if (value == nullptr) return readers;
    for (size_t i = 0; i < value->items().size(); ++i) {
      const Json& item = value->items()[i];
      std::string path = PathOf(field) + "[" + std::to_string(i) + "]";
      if (item.type() == Json::Type::kObject) {
        readers.push_back(ConfigReader(*session_, item, std::move(path)));
      } else {
        ReportType(path, item, Json::Type::kObject);
      }
    }
    return readers;
  }

  // The names of this object's members, for objects that are maps.
  const std::vector<std::string>& names() const { return object_->names(); }

  // A member as it is, or nullptr; what is in it counts as read.
  const Json* Raw(std::string_view field) const {
    const Json* value = object_->Find(field);
    if (value != nullptr) value->read_ = true;
    return value;
  }

  // A required field that names an upstream of the API.
  Upstream UpstreamId(std::string_view field) const {
    const std::string name = String(field, kNotEmpty);
    Upstream upstream;
    if (name.empty()) return upstream;
    const postern_status status =
        internal::host->upstream_resolve(session_->ctx, ToAbi(name), &upstream.id);
    if (status == POSTERN_E_DENIED) {
      Error(field, "the module may not make callouts (capability CALLOUT)");
    } else if (status != POSTERN_OK) {
      Error(field, "there is no upstream \"" + name + "\"");
    }
    return upstream;
  }

  // A $context variable by its name, where there may be none.
  std::optional<Variable> FindVariable(std::string_view name) const {
    Variable variable;
    if (internal::host->var_resolve(session_->ctx, ToAbi(name), &variable.id) != POSTERN_OK) {
      return std::nullopt;
    }
    return variable;
  }

  // A $context variable by its name, e.g. "identity.sourceIp". `field` is what is reported when
  // there is no such variable.
  Variable VariableId(std::string_view field, std::string_view name) const {
    const std::optional<Variable> variable = FindVariable(name);
    if (!variable) Error(field, "there is no variable \"" + std::string(name) + "\"");
    return variable.value_or(Variable{});
  }

  // Metrics of the module; the gateway puts "postern_filter_<module>_" in front of the name.
  using Labels = std::initializer_list<std::string_view>;
  Counter DefineCounter(std::string_view name, Labels labels = {}) const {
    return Counter(Define(POSTERN_COUNTER, name, labels));
  }
  Gauge DefineGauge(std::string_view name, Labels labels = {}) const {
    return Gauge(Define(POSTERN_GAUGE, name, labels));
  }
  Histogram DefineHistogram(std::string_view name, Labels labels = {}) const {
    return Histogram(Define(POSTERN_HISTOGRAM, name, labels));
  }

  // Reports what nobody asked for. Called by the SDK when the configuration has been read.
  void ReportUnknown() const { ReportUnknown(*object_, path_); }

 private:
  std::string PathOf(std::string_view field) const { return Join(path_, field); }

  static std::string Join(const std::string& path, std::string_view field) {
    if (path.empty() || field.empty()) return path + std::string(field);
    return path + "." + std::string(field);
  }

  void Report(const std::string& path, std::string_view message) const {
    session_->failed = true;
    internal::host->config_error(session_->ctx, ToAbi(path), ToAbi(message));
  }

  void ReportType(const std::string& path, const Json& value, Json::Type wanted) const {
    Report(path, "must be " + std::string(Json::Describe(wanted)) + ", but is " +
                     std::string(Json::Describe(value.type())));
  }

  const Json* Optional(std::string_view field, Json::Type type) const {
    const Json* value = Raw(field);
    if (value == nullptr) return nullptr;
    if (value->type() == type) return value;
    ReportType(PathOf(field), *value, type);
    return nullptr;
  }

  const Json* Required(std::string_view field, Json::Type type) const {
    if (!Has(field)) {
      Error(field, "is required");
      return nullptr;
    }
    return Optional(field, type);
  }

  std::string CheckedString(const std::string& path, const Json& value, Length length) const {
    const std::string& text = value.AsString();
    if (text.size() >= length.min && text.size() <= length.max) return text;
    if (text.empty()) {
      Report(path, "must not be empty");
    } else {
      Report(path, "must have " + std::to_string(length.min) + " to " + std::to_string(length.max) +
                       " bytes, but has " + std::to_string(text.size()));
    }
    return {};
  }

  int64_t CheckedInt(std::string_view field, int64_t value, int64_t min, int64_t max) const {
    if (value >= min && value <= max) return value;
    Error(field, "must be " + std::to_string(min) + " to " + std::to_string(max) + ", but is " +
                     std::to_string(value));
    return min;
  }

  std::string Word(std::string_view field, const Json* value, std::string fallback,
                   std::initializer_list<std::string_view> words) const {
    if (value == nullptr) return fallback;
    std::string all;
    for (const std::string_view word : words) {
      if (value->AsString() == word) return std::string(word);
      all += (all.empty() ? "\"" : ", \"") + std::string(word) + "\"";
    }
    Error(field, "must be one of " + all);
    return fallback;
  }

  std::vector<std::string> StringsOf(std::string_view field, const Json* value,
                                     std::vector<std::string> fallback, Length length) const {
    if (value == nullptr) return fallback;
    std::vector<std::string> texts;
    for (size_t i = 0; i < value->items().size(); ++i) {
      const Json& item = value->items()[i];
      const std::string path = PathOf(field) + "[" + std::to_string(i) + "]";
      if (item.type() == Json::Type::kString) {
        texts.push_back(CheckedString(path, item, length));
      } else {
        ReportType(path, item, Json::Type::kString);
      }
    }
    return texts;
  }

  uint32_t Define(uint32_t kind, std::string_view name, Labels labels) const {
    std::vector<postern_str> names;
    for (const std::string_view label : labels) names.push_back(ToAbi(label));
    uint32_t id = 0;
    if (internal::host->metric_define(session_->ctx, kind, ToAbi(name), names.data(), names.size(),
                                      &id) != POSTERN_OK) {
      Report("", "the metric \"" + std::string(name) + "\" cannot be defined");
    }
    return id;
  }

  void ReportUnknown(const Json& value, const std::string& path) const {
    for (size_t i = 0; i < value.items().size(); ++i) {
      const Json& item = value.items()[i];
      const bool member = value.type() == Json::Type::kObject;
      const std::string item_path =
          member ? Join(path, value.names()[i]) : path + "[" + std::to_string(i) + "]";
      if (member && value.opened_ && !item.read_) {
        Report(item_path, "is not known");
      } else {
        ReportUnknown(item, item_path);
      }
    }
  }

  Session* session_;
  const Json* object_;
  std::string path_;
};

}  // namespace postern
