#include "control/store/database.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lib/text/concat.h"

namespace postern {
namespace {

// What an error of SQLite means to whoever runs the control plane, and what to do about it.
absl::Status Error(sqlite3* db, std::string_view path, int code) {
  const std::string text = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  const int system = db != nullptr ? sqlite3_system_errno(db) : 0;
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          Concat("store ", path, ": there is no room left (", text,
                 "); nothing has changed: free space on its disk, or delete deployments"));
    case SQLITE_CORRUPT:
      return absl::DataLossError(
          Concat("store ", path, ": is damaged (", text, "); restore it from a backup"));
    case SQLITE_NOTADB:
      return absl::InvalidArgumentError(
          Concat("store ", path, ": is no store of Postern; name another file"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(
          Concat("store ", path, ": another program is writing to it; try again"));
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return absl::FailedPreconditionError(Concat("store ", path, ": cannot be written (", text,
                                                  system != 0 ? ": " : "",
                                                  system != 0 ? std::strerror(system) : "", ")"));
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(Concat("store ", path, ": a value is too large"));
    case SQLITE_IOERR:
      // A write that the kernel cuts short: what it says why may be gone by now.
      if (code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_TRUNCATE || system == ENOSPC ||
          system == EDQUOT || system == EFBIG) {
        return absl::ResourceExhaustedError(
            Concat("store ", path, ": cannot be written (", text, system != 0 ? ": " : "",
                   system != 0 ? std::strerror(system) : "",
                   "); nothing has changed: see whether its disk is full"));
      }
      return absl::UnavailableError(Concat("store ", path, ": ", text, system != 0 ? ": " : "",
                                           system != 0 ? std::strerror(system) : ""));
    default:
      return absl::InternalError(Concat("store ", path, ": ", text));
  }
}

}  // namespace

Statement::Statement(sqlite3* db, std::string_view path, std::string_view sql)
    : db_(db), path_(path) {
  Check(sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr));
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::Check(int code) {
  if (status_.ok() && code != SQLITE_OK) status_ = Error(db_, path_, code);
}

Statement& Statement::Text(std::string_view text) {
  if (status_.ok()) {
    Check(sqlite3_bind_text64(statement_, next_++, text.data() != nullptr ? text.data() : "",
                              text.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  return *this;
}

Statement& Statement::Blob(std::string_view bytes) {
  if (status_.ok()) {
    Check(sqlite3_bind_blob64(statement_, next_++, bytes.data() != nullptr ? bytes.data() : "",
                              bytes.size(), SQLITE_STATIC));
  }
  return *this;
}

Statement& Statement::Int(int64_t number) {
  if (status_.ok()) Check(sqlite3_bind_int64(statement_, next_++, number));
  return *this;
}

bool Statement::Step() {
  if (!status_.ok()) return false;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) status_ = Error(db_, path_, code);
  return false;
}

absl::Status Statement::Run() {
  while (Step()) {
  }
  return status_;
}

std::string Statement::ColumnText(int column) const { return ColumnBlob(column); }

std::string Statement::ColumnBlob(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string()
                         : std::string(static_cast<const char*>(data), static_cast<size_t>(size));
}

int64_t Statement::ColumnInt(int column) const { return sqlite3_column_int64(statement_, column); }

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path,
                                                         const Options& options) {
  std::unique_ptr<Database> database(new Database(path));
  if (absl::Status status = database->Lock(); !status.ok()) return status;
  // Made here, so that nobody else may read it.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return absl::FailedPreconditionError(
        Concat("store ", path, ": cannot be opened: ", std::strerror(errno)));
  }
  ::close(fd);
  if (const int code = sqlite3_open_v2(path.c_str(), &database->db_,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
      code != SQLITE_OK) {
    return Error(database->db_, path, code);
  }
  sqlite3_extended_result_codes(database->db_, 1);
  sqlite3_busy_timeout(database->db_, 2000);
  if (absl::Status status = database->Initialize(options); !status.ok()) return status;
  return database;
}

Database::~Database() {
  sqlite3_close_v2(db_);
  // The file stays: taking it away would let two others each lock one of that name.
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

absl::Status Database::Lock() {
  const std::string name = path_ + ".lock";
  lock_fd_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0) {
    return absl::FailedPreconditionError(
        Concat("store ", path_, ": cannot make ", name, ": ", std::strerror(errno)));
  }
  if (::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    if (::pread(lock_fd_, pid, sizeof(pid) - 1, 0) < 0) pid[0] = '\0';
    pid[std::strcspn(pid, "\n")] = '\0';
    return absl::FailedPreconditionError(
        Concat("store ", path_, ": process ", pid[0] != '\0' ? pid : "(unknown)",
               " has it open; a store has one control plane at a time"));
  }
  const std::string pid = Concat(static_cast<int64_t>(::getpid()), "\n");
  if (::ftruncate(lock_fd_, 0) != 0 || ::pwrite(lock_fd_, pid.data(), pid.size(), 0) < 0) {
    // Only the message above would be poorer.
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Database::Pragma(std::string_view name) {
  Statement statement = Prepare(Concat("PRAGMA ", name));
  const int64_t value = statement.Step() ? statement.ColumnInt(0) : 0;
  if (!statement.status().ok()) return statement.status();
  return value;
}

absl::Status Database::Initialize(const Options& options) {
  // Nothing is written before it is known whose file this is.
  absl::StatusOr<int64_t> id = Pragma("application_id");
  if (!id.ok()) return id.status();
  absl::StatusOr<int64_t> version = Pragma("user_version");
  if (!version.ok()) return version.status();
  Statement count = Prepare("SELECT count(*) FROM sqlite_master");
  const bool empty = count.Step() && count.ColumnInt(0) == 0;
  if (!count.Run().ok()) return count.status();
  const bool fresh = empty && *id == 0 && *version == 0;
  if (!fresh) {
    if (*id != static_cast<int64_t>(options.application_id)) {
      return absl::InvalidArgumentError(
          Concat("store ", path_, ": is a database of another program; name another file"));
    }
    if (*version < 1) {
      return absl::DataLossError(Concat("store ", path_, ": is damaged (schema ", *version,
                                        "); restore it from a backup"));
    }
    if (*version > options.schema_version) {
      return absl::FailedPreconditionError(
          Concat("store ", path_, ": was written by a newer Postern (schema ", *version,
                 "; this one knows up to ", options.schema_version, "); run that one"));
    }
    Statement check = Prepare("PRAGMA quick_check(1)");
    const std::string found = check.Step() ? check.ColumnText(0) : std::string();
    if (!check.status().ok()) return check.status();
    if (found != "ok") {
      return absl::DataLossError(
          Concat("store ", path_, ": is damaged (", found, "); restore it from a backup"));
    }
  }
  for (const char* pragma :
       {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON",
        "PRAGMA journal_size_limit=16777216", "PRAGMA wal_autocheckpoint=1000"}) {
    if (absl::Status status = Prepare(pragma).Run(); !status.ok()) return status;
  }
  if (options.max_bytes > 0) {
    absl::StatusOr<int64_t> page = Pragma("page_size");
    if (!page.ok()) return page.status();
    const uint64_t pages = std::max<uint64_t>(
        options.max_bytes / static_cast<uint64_t>(std::max<int64_t>(*page, 1)), 1);
    if (absl::Status status = Prepare(Concat("PRAGMA max_page_count=", pages)).Run();
        !status.ok()) {
      return status;
    }
  }
  if (!fresh && *version == options.schema_version) return absl::OkStatus();
  std::string statements;
  if (fresh) {
    statements = options.schema;
  } else {
    for (size_t i = static_cast<size_t>(*version); i <= options.upgrades.size(); ++i) {
      statements += Concat(options.upgrades[i - 1], ";");
    }
  }
  absl::Status status = Execute(Concat("BEGIN IMMEDIATE;", statements,
                                       ";PRAGMA application_id=", options.application_id,
                                       ";PRAGMA user_version=", options.schema_version, ";COMMIT"));
  if (!status.ok()) Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::Status Database::Execute(std::string_view sql) {
  const int code = sqlite3_exec(db_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(db_, path_, code);
}

}  // namespace postern
