#pragma once

#include <string>

namespace postern {

/// The content of an admin answer that may be large, made piece by piece as the client takes it, so
/// that no more than a piece is held at a time. One thread.
class AdminBody {
 public:
  virtual ~AdminBody() = default;

  /// Appends what comes next, some tens of KiB at most. False: that was the end.
  virtual bool Next(std::string* out) = 0;
};

}  // namespace postern
