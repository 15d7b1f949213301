#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace postern {

/// Severity of a log line, in rising order.
enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kOff };

/// One `key: value` of a log line. Views are borrowed until Log() returns.
struct LogField {
  std::string_view key;
  std::variant<std::string_view, int64_t, uint64_t, double, bool> value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, int v) : key(k), value(static_cast<int64_t>(v)) {}
  LogField(std::string_view k, int64_t v) : key(k), value(v) {}
  LogField(std::string_view k, uint32_t v) : key(k), value(static_cast<uint64_t>(v)) {}
  LogField(std::string_view k, uint64_t v) : key(k), value(v) {}
  LogField(std::string_view k, double v) : key(k), value(v) {}
  LogField(std::string_view k, bool v) : key(k), value(v) {}
};

/// How lines look: one JSON object a line, or text for people.
enum class LogFormat : uint8_t { kJson, kText };

/// Sets the threshold; lines below it cost one load. Any thread.
void SetLogLevel(LogLevel level);
LogLevel GetLogLevel();
/// Any thread, but meant for start-up.
void SetLogFormat(LogFormat format);
/// Where lines go; standard error (2) unless set.
void SetLogFd(int fd);

/// "trace", "debug", "info", "warn", "error", "off".
std::string_view LogLevelName(LogLevel level);
/// The inverse; false when `name` is none of them.
bool ParseLogLevel(std::string_view name, LogLevel* level);

bool LogEnabled(LogLevel level);

/// Writes one line with a single write(2): time, level, `event` (a short fixed name such as
/// "listening"), then the fields. Any thread; never blocks the caller on another thread's line.
/// Secrets must not be passed in.
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace postern
