#include "core/integration/integration_responses.h"

#include <re2/re2.h>

#include <algorithm>

#include "core/integration/header_rules.h"
#include "core/integration/held_body.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

// Room for the automaton of one pattern.
constexpr int64_t kPatternMemory = 1 << 20;

re2::RE2::Options PatternOptions() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  return options;
}

bool IsPlain(std::string_view pattern) {
  constexpr CharSet kPlain = kAlnumChars | CharSet(" -_:,");
  return kPlain.HasAll(pattern);
}

std::string_view LastBackendHeader(const ResponseHead& head, HeaderId id, std::string_view name) {
  std::string_view last;
  for (const HeaderField& field : head.headers) {
    if (field.id != id) continue;
    // Names are case-sensitive (rest-api.md §8.2), but for HTTP/2, where all are lower-case.
    if (head.version == 20 ? EqualsIgnoreCase(field.name, name) : field.name == name) {
      last = field.value;
    }
  }
  return last;
}

std::string_view AllBackendHeaders(const ResponseHead& head, HeaderId id, std::string_view name,
                                   Arena* arena) {
  std::string_view all;
  for (const HeaderField& field : head.headers) {
    if (field.id != id) continue;
    if (head.version == 20 ? !EqualsIgnoreCase(field.name, name) : field.name != name) continue;
    all = all.data() == nullptr ? field.value : arena->Concat(all, ",", field.value);
  }
  return all;
}

}  // namespace

std::optional<std::string> IntegrationResponses::CheckPattern(const std::string& pattern) {
  const re2::RE2 compiled(pattern, PatternOptions());
  if (compiled.ok()) return std::nullopt;
  return compiled.error();
}

IntegrationResponses::IntegrationResponses(std::vector<IntegrationResponseSpec> specs,
                                           const BinaryMediaTypes* binary_media_types)
    : binary_(*binary_media_types) {
  for (IntegrationResponseSpec& spec : specs) {
    if (spec.selection_pattern.empty() && default_ == kNone) default_ = entries_.size();
    Entry entry;
    if (IsPlain(spec.selection_pattern)) {
      entry.text = spec.selection_pattern;
    } else {
      entry.pattern = std::make_unique<re2::RE2>(spec.selection_pattern, PatternOptions());
    }
    entry.status = spec.status;
    entry.declared = spec.declared;
    entry.has_content_type = false;
    entry.templates = std::move(spec.templates);
    entry.handling = spec.handling;
    for (auto& [name, source] : spec.headers) {
      const HeaderId id = LookupHeader(name);
      const ResponseHeaderAction action = MappedResponseAction(id);
      if (action == ResponseHeaderAction::kDrop) continue;
      entry.has_content_type = entry.has_content_type || id == HeaderId::kContentType;
      const HeaderId source_id = LookupHeader(source.header);
      if (action == ResponseHeaderAction::kRemap) {
        entry.headers.push_back(
            {Concat("x-amzn-Remapped-", name), HeaderId::kOther, std::move(source), source_id});
      } else {
        entry.headers.push_back({std::move(name), id, std::move(source), source_id});
      }
    }
    entries_.push_back(std::move(entry));
  }
}

IntegrationResponses::~IntegrationResponses() = default;

size_t IntegrationResponses::Select(std::string_view text) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (entry.pattern != nullptr) {
      if (re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *entry.pattern)) return i;
    } else if (!entry.text.empty() && entry.text == text) {
      return i;
    }
  }
  return default_;
}

std::string_view IntegrationResponses::Value(const Header& header, const Backend& backend,
                                             const RequestContext& context, Arena* arena) {
  switch (header.source.kind) {
    case ResponseSource::Kind::kValue:
      return header.source.value.Get(context, arena);
    case ResponseSource::Kind::kHeader:
      if (backend.head == nullptr) return {};
      return LastBackendHeader(*backend.head, header.source_id, header.source.header);
    case ResponseSource::Kind::kHeaderAll:
      if (backend.head == nullptr) return {};
      return AllBackendHeaders(*backend.head, header.source_id, header.source.header, arena);
    case ResponseSource::Kind::kBody:
      return backend.body;
  }
  return {};
}

// rest-api.md §8.3: by the first media type of Accept, else application/json, else the first.
const BodyTemplate* IntegrationResponses::ChooseTemplate(const Entry& entry,
                                                         const RequestHead& request) {
  if (entry.templates.empty()) return nullptr;
  const auto find = [&](std::string_view type) -> const BodyTemplate* {
    for (const BodyTemplate& candidate : entry.templates) {
      if (EqualsIgnoreCase(candidate.content_type, type)) return &candidate;
    }
    return nullptr;
  };
  if (entry.templates.size() > 1) {
    const HeaderField* accept = request.headers.Find(HeaderId::kAccept);
    const auto wanted = accept != nullptr ? FirstMediaType(accept->value) : std::nullopt;
    const BodyTemplate* found = wanted.has_value() ? find(wanted->essence) : nullptr;
    if (found == nullptr) found = find("application/json");
    if (found != nullptr) return found;
  }
  return &entry.templates.front();
}

IntegrationResponses::Response IntegrationResponses::Make(size_t index, const Backend& backend,
                                                          RequestContext* context,
                                                          Arena* arena) const {
  const Entry& entry = entries_[index];
  const auto fail = [&](std::string_view why) {
    context->integration_error =
        arena->Concat("Execution failed due to configuration error: ", why);
    return Response{};
  };
  if (!entry.declared) {
    return fail(arena->Concat("Output mapping refers to an invalid method response: ",
                              Concat(entry.status)));
  }
  ConvertedBody body{backend.body};
  if (backend.head != nullptr) {
    const HeaderField* type = backend.head->headers.FindLast(HeaderId::kContentType);
    const HeaderField* accept = context->request->headers.Find(HeaderId::kAccept);
    const auto value = [](const HeaderField* field) {
      return field != nullptr ? std::optional(field->value) : std::nullopt;
    };
    body = ConvertResponseBody(backend.body, binary_.MatchesContentType(value(type)),
                               binary_.MatchesAccept(value(accept)), entry.handling, arena);
    if (body.failed) return fail("Unable to base64 decode the body.");
  }
  if (const BodyTemplate* chosen = ChooseTemplate(entry, *context->request)) {
    if (body.binary && !body.text.empty()) {
      return fail("Unable to transform response");
    }
    if (chosen->form == BodyTemplate::Form::kLiteral) {
      body.text = chosen->body;
    } else if (body.text.empty()) {
      body.text = "{}";
    }
  }
  auto* head = arena->New<ResponseHead>(arena);
  head->status = entry.status;
  if (!entry.has_content_type) {
    head->headers.Add(HeaderId::kContentType, "Content-Type", "application/json");
  }
  for (const Header& header : entry.headers) {
    const std::string_view value = Value(header, backend, *context, arena);
    if (value.data() == nullptr) continue;
    head->headers.Add(header.id, header.name, CleanFieldValue(value, arena));
  }
  if (entry.has_content_type && head->headers.Find(HeaderId::kContentType) == nullptr) {
    head->headers.Add(HeaderId::kContentType, "Content-Type", "application/json");
  }
  SetContent(head, &body.text);
  return {head, body.text};
}

}  // namespace postern
