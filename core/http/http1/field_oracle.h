#pragma once

#include <llhttp.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern {

/// What llhttp, every lenient flag off, makes of the field section `block` (field lines and the
/// empty line behind them): the second opinion that ParseFields() is held against. It is not the
/// parser itself because HeadScanner has found the lines and refused their bytes already, more
/// strictly (llhttp skips chunk extensions unread and lets an empty name pass), and going over them
/// again was the dearest part of a request in user space (docs/performance.md).
struct FieldOracle {
  std::vector<std::pair<std::string, std::string>> fields;
  llhttp_errno_t error = HPE_OK;

  explicit FieldOracle(std::string_view block, bool response) {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_header_field = [](llhttp_t* parser, const char* at, size_t size) {
      static_cast<FieldOracle*>(parser->data)->name_.append(at, size);
      return 0;
    };
    settings.on_header_value = [](llhttp_t* parser, const char* at, size_t size) {
      static_cast<FieldOracle*>(parser->data)->value_.append(at, size);
      return 0;
    };
    settings.on_header_value_complete = [](llhttp_t* parser) {
      auto* self = static_cast<FieldOracle*>(parser->data);
      while (!self->value_.empty() && (self->value_.back() == ' ' || self->value_.back() == '\t')) {
        self->value_.pop_back();
      }
      self->fields.emplace_back(std::move(self->name_), std::move(self->value_));
      self->name_.clear();
      self->value_.clear();
      return 0;
    };
    settings.on_headers_complete = [](llhttp_t*) -> int { return HPE_PAUSED; };
    llhttp_t parser;
    llhttp_init(&parser, response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    parser.data = this;
    const std::string_view line = response ? "HTTP/1.1 200 OK\r\n" : "GET / HTTP/1.1\r\n";
    error = llhttp_execute(&parser, line.data(), line.size());
    if (error == HPE_OK) error = llhttp_execute(&parser, block.data(), block.size());
  }

  /// It came to the section's end without an objection.
  bool accepted() const { return error == HPE_PAUSED; }

 private:
  std::string name_;
  std::string value_;
};

}  // namespace postern
