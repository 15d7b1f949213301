#include "control/serve/deployment_diff.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

constexpr int kMaxDifferences = 1000;
constexpr size_t kMaxValue = 1024;

// What names the entries of a repeated field, where something does: the first of these that its
// message has.
constexpr const char* kNames[] = {"path",        "http_method",  "route_key", "name",
                                  "status_code", "content_type", "type",      "header"};

const FieldDescriptor* NameField(const FieldDescriptor* field) {
  if (!field->is_repeated() || field->is_map() ||
      field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return nullptr;
  }
  for (const char* name : kNames) {
    const FieldDescriptor* found = field->message_type()->FindFieldByName(name);
    if (found != nullptr && !found->is_repeated()) return found;
  }
  return nullptr;
}

std::string ValueText(const Message& message, const FieldDescriptor* field, int index) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.SetUseShortRepeatedPrimitives(true);
  std::string out;
  printer.PrintFieldValueToString(message, field, index, &out);
  if (out.size() > kMaxValue) {
    out.resize(kMaxValue - 3);
    // No half of a character.
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80) out.pop_back();
    if (!out.empty() && (static_cast<unsigned char>(out.back()) & 0x80) != 0) out.pop_back();
    out += "...";
  }
  return out;
}

class Collector final : public MessageDifferencer::Reporter {
 public:
  using Path = std::vector<MessageDifferencer::SpecificField>;

  Collector(const Message& from, const Message& to, control::v1::DiffDeploymentsResponse* out)
      : from_(from), to_(to), out_(*out) {}

  // The messages that are passed are the innermost ones; paths lead there from the outermost.
  void ReportAdded(const Message&, const Message&, const Path& path) override {
    Add(control::v1::Difference::KIND_ADDED, nullptr, &to_, path);
  }
  void ReportDeleted(const Message&, const Message&, const Path& path) override {
    Add(control::v1::Difference::KIND_REMOVED, &from_, nullptr, path);
  }
  void ReportModified(const Message&, const Message&, const Path& path) override {
    Add(control::v1::Difference::KIND_CHANGED, &from_, &to_, path);
  }

 private:
  // Walks down one side; names the way and gives the value at its end.
  static std::string Walk(const Message& root, const Path& path, bool first, std::string* value) {
    std::string name;
    const Message* message = &root;
    for (size_t i = 0; i < path.size(); ++i) {
      const FieldDescriptor* field = path[i].field;
      if (field == nullptr) break;
      const int index = field->is_repeated() ? (first ? path[i].index : path[i].new_index) : -1;
      const bool last = i + 1 == path.size();
      const FieldDescriptor* key = NameField(field);
      const Message* next = nullptr;
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        next = field->is_repeated()
                   ? &message->GetReflection()->GetRepeatedMessage(*message, field, index)
                   : &message->GetReflection()->GetMessage(*message, field);
      }
      const std::string& own = field->name();
      if (key != nullptr) {
        std::string text = ValueText(*next, key, -1);
        if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
        if (own == "resources") {
          name = text;
        } else if (own == "methods") {
          name += Concat(" ", text);
        } else {
          name += Concat(name.empty()                             ? ""
                         : path[i - 1].field->name() == "methods" ? " "
                                                                  : ".",
                         own, "[", text, "]");
        }
      } else {
        const bool spaced = i > 0 && (path[i - 1].field->name() == "methods" ||
                                      path[i - 1].field->name() == "resources");
        name += Concat(name.empty() ? "" : spaced ? " " : ".", own);
        if (index >= 0) name += Concat("[", index, "]");
      }
      if (last) *value = ValueText(*message, field, index);
      message = next;
    }
    return name;
  }

  void Add(control::v1::Difference::Kind kind, const Message* from, const Message* to,
           const Path& path) {
    if (out_.differences_size() == kMaxDifferences) {
      out_.set_more(true);
      return;
    }
    control::v1::Difference& difference = *out_.add_differences();
    difference.set_kind(kind);
    if (from != nullptr) {
      difference.set_path(Walk(*from, path, /*first=*/true, difference.mutable_from()));
    }
    if (to != nullptr) {
      difference.set_path(Walk(*to, path, /*first=*/false, difference.mutable_to()));
    }
  }

  const Message& from_;
  const Message& to_;
  control::v1::DiffDeploymentsResponse& out_;
};

// Every repeated field below `type` whose entries have names is compared by them.
void CompareByName(const google::protobuf::Descriptor* type, int depth,
                   MessageDifferencer* differencer,
                   std::vector<const google::protobuf::Descriptor*>* seen) {
  for (const auto* known : *seen) {
    if (known == type) return;
  }
  seen->push_back(type);
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    // What applies in order is compared in order: responses by pattern, filters.
    if (const FieldDescriptor* key = NameField(field);
        key != nullptr && field->name() != "filters" &&
        field->message_type()->name() != "IntegrationResponse") {
      differencer->TreatAsMap(field, key);
    }
    if (depth < 32) CompareByName(field->message_type(), depth + 1, differencer, seen);
  }
}

}  // namespace

void DiffDeployments(const snapshot::v1::Deployment& from, const snapshot::v1::Deployment& to,
                     control::v1::DiffDeploymentsResponse* out) {
  MessageDifferencer differencer;
  std::vector<const google::protobuf::Descriptor*> seen;
  CompareByName(snapshot::v1::Deployment::descriptor(), 0, &differencer, &seen);
  Collector collector(from, to, out);
  differencer.ReportDifferencesTo(&collector);
  differencer.Compare(from, to);
}

}  // namespace postern
