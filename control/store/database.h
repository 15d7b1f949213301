#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace postern {

/// One prepared statement. The first error stays: later calls do nothing, and status() tells it.
class Statement {
 public:
  Statement(sqlite3* db, std::string_view path, std::string_view sql);
  ~Statement();
  Statement(Statement&& other) noexcept
      : db_(other.db_),
        path_(other.path_),
        statement_(std::exchange(other.statement_, nullptr)),
        next_(other.next_),
        status_(std::move(other.status_)) {}
  Statement& operator=(Statement&&) = delete;

  /// Binds the next parameter, from left to right. Text and bytes are borrowed until the statement
  /// ends.
  Statement& Text(std::string_view text);
  Statement& Blob(std::string_view bytes);
  Statement& Int(int64_t number);

  /// Whether there is a row, whose columns can be read until the next call.
  bool Step();
  /// Runs a statement that gives no rows.
  absl::Status Run();

  std::string ColumnText(int column) const;
  std::string ColumnBlob(int column) const;
  int64_t ColumnInt(int column) const;

  const absl::Status& status() const { return status_; }

 private:
  void Check(int code);

  sqlite3* db_;
  std::string_view path_;
  sqlite3_stmt* statement_ = nullptr;
  int next_ = 1;
  absl::Status status_;
};

/// Reads the columns of a statement's row, from left to right.
class Row {
 public:
  explicit Row(const Statement& statement) : statement_(statement) {}
  /// The next columns, each into a text (or bytes) or a whole number.
  template <typename... Out>
  void Read(Out*... out) {
    (ReadOne(out), ...);
  }

 private:
  void ReadOne(std::string* out) { *out = statement_.ColumnBlob(next_++); }
  template <typename Number>
  void ReadOne(Number* out) {
    *out = static_cast<Number>(statement_.ColumnInt(next_++));
  }

  const Statement& statement_;
  int next_ = 0;
};

/// An SQLite database that this process alone has open: a lock on `path`.lock says so. In WAL mode,
/// with a sync at every commit, so that what was committed outlives a kill and a power cut. Not
/// thread-safe.
class Database {
 public:
  struct Options {
    uint32_t application_id = 0;  ///< of files that may be opened; others are refused
    int schema_version = 1;       ///< newer ones are refused
    std::string_view schema;      ///< statements that make a new database
    /// Statements that make schema n+2 of n+1, at place n, up to schema_version.
    std::vector<std::string_view> upgrades;
    uint64_t max_bytes = 0;  ///< size at which writing fails. 0: none
  };

  /// Opens or makes it; one of an older schema is brought up to date. FailedPrecondition: another
  /// process has it, or a newer program wrote it; InvalidArgument: it is something else; DataLoss:
  /// it is damaged. Nothing is changed then.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path,
                                                        const Options& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Statement Prepare(std::string_view sql) { return {db_, path_, sql}; }
  absl::Status Execute(std::string_view sql);
  /// Rows that the last statement changed.
  int64_t changed() const { return sqlite3_changes64(db_); }
  const std::string& path() const { return path_; }

 private:
  explicit Database(std::string path) : path_(std::move(path)) {}
  absl::Status Lock();
  absl::Status Initialize(const Options& options);
  absl::StatusOr<int64_t> Pragma(std::string_view name);

  const std::string path_;
  int lock_fd_ = -1;
  sqlite3* db_ = nullptr;
};

}  // namespace postern
