#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/config/runtime_snapshot.h"
#include "core/observe/admin_body.h"
#include "core/server/worker.h"
#include "lib/text/char_sink.h"
#include "lib/text/json_writer.h"

namespace postern {

/// One JSON document, written in pieces of about kPiece bytes.
class JsonBody : public AdminBody {
 public:
  bool Next(std::string* out) final;

 protected:
  static constexpr size_t kPiece = 32 * 1024;

  JsonBody() : sink_(std::in_place, &text_), json_(&*sink_) {}
  /// Writes a little more, a few KiB at most. False: the document is complete.
  virtual bool Step(JsonWriter& json) = 0;

 private:
  std::string text_;
  std::optional<StringSink> sink_;  // made anew for each piece, in its place
  JsonWriter json_;
};

/// What /config shows: the snapshot in force, without secrets, and where it is served.
class ConfigDump final : public JsonBody {
 public:
  struct ListenerShown {
    std::string name;
    std::string address;
    bool tls;
  };
  /// `runtime` may be null: nothing is active.
  ConfigDump(std::shared_ptr<const RuntimeSnapshot> runtime, std::vector<ListenerShown> listeners,
             size_t workers);

 private:
  enum class At : uint8_t { kStart, kApi, kStage, kRoutes, kFilters, kClusters, kEnd };

  bool Step(JsonWriter& json) override;
  const Variant* variant() const;
  void WriteEnd(JsonWriter& json);

  std::shared_ptr<const RuntimeSnapshot> runtime_;
  std::vector<ListenerShown> listeners_;
  size_t workers_;
  At at_ = At::kStart;
  size_t api_ = 0;
  size_t stage_ = 0;
  size_t variant_ = 0;  // 0: main, 1: canary
  size_t next_ = 0;     // route, filter or cluster
};

/// What /clusters shows: every worker's view of its clusters. A worker is asked for some at a time
/// and waited for a moment; one that is too busy to answer is said to be.
class ClustersDump final : public JsonBody {
 public:
  /// The workers outlive it.
  explicit ClustersDump(std::vector<Worker*> workers) : workers_(std::move(workers)) {}

 private:
  bool Step(JsonWriter& json) override;

  std::vector<Worker*> workers_;
  size_t worker_ = 0;
  size_t next_ = 0;  // cluster
  bool started_ = false;
};

}  // namespace postern
