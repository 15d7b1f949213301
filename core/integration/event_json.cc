#include "core/integration/event_json.h"

#include <algorithm>

namespace postern {

void SortByName(const EventEntries& entries) {
  std::sort(entries.data, entries.data + entries.count,
            [](const EventEntry& a, const EventEntry& b) {
              const int order = a.name.compare(b.name);
              return order != 0 ? order < 0 : a.place < b.place;
            });
}

void WriteMember(std::string_view key, std::string_view value, JsonWriter& json) {
  json.PlainKey(key);
  json.String(value);
}

void WriteNullMember(std::string_view key, JsonWriter& json) {
  json.PlainKey(key);
  json.Null();
}

void WriteMaps(std::string_view single, std::string_view multi, const EventEntries& entries,
               bool null_if_empty, JsonWriter& json) {
  if (entries.count == 0 && null_if_empty) {
    WriteNullMember(single, json);
    WriteNullMember(multi, json);
    return;
  }
  json.PlainKey(single);
  json.BeginObject();
  entries.ForEachName([&](const EventEntry* first, const EventEntry* last) {
    json.Key(first->name);
    json.String(last[-1].value);
  });
  json.EndObject();
  json.PlainKey(multi);
  json.BeginObject();
  entries.ForEachName([&](const EventEntry* first, const EventEntry* last) {
    json.Key(first->name);
    json.BeginArray();
    for (const EventEntry* at = first; at != last; ++at) json.String(at->value);
    json.EndArray();
  });
  json.EndObject();
}

void WriteClientCertificate(const ClientCertificate& certificate, JsonWriter& json) {
  json.PlainKey("clientCert");
  json.BeginObject();
  WriteMember("clientCertPem", certificate.pem, json);
  WriteMember("subjectDN", certificate.subject_dn, json);
  WriteMember("issuerDN", certificate.issuer_dn, json);
  WriteMember("serialNumber", certificate.serial_number, json);
  json.PlainKey("validity");
  json.BeginObject();
  WriteMember("notBefore", certificate.not_before, json);
  WriteMember("notAfter", certificate.not_after, json);
  json.EndObject();
  json.EndObject();
}

}  // namespace postern
