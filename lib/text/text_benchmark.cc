#include <string>

#include <benchmark/benchmark.h>

#include "lib/text/base64.h"
#include "lib/text/char_sink.h"
#include "lib/text/document.h"
#include "lib/text/json_reader.h"
#include "lib/text/json_writer.h"
#include "lib/text/query_string.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

// A definition of `bytes` bytes, shaped as exports of large APIs are.
std::string LargeDefinition(size_t bytes) {
  std::string json = R"({"openapi":"3.0.1","info":{"title":"large"},"paths":{)";
  for (int i = 0; json.size() < bytes; ++i) {
    if (i > 0) json += ',';
    json +=
        "\"/resource" + std::to_string(i) +
        R"(/{id}":{"get":{"operationId":"op","parameters":[)"
        R"({"name":"id","in":"path","required":true,"schema":{"type":"string"}}],"responses":)"
        R"({"200":{"description":"200 response","content":{"application/json":{"schema":{)"
        R"("$ref":"#/components/schemas/Empty"}}}}},"x-amazon-apigateway-integration":{"type":)"
        R"("http_proxy","httpMethod":"GET","uri":"http://backend/resource/{id}","requestParameters")"
        R"(:{"integration.request.path.id":"method.request.path.id"},"timeoutInMillis":29000}}})";
  }
  return json + "}}";
}

void BM_ParseLargeJson(benchmark::State& state) {
  const std::string json = LargeDefinition(6 << 20);
  for (auto _ : state) {
    const auto document = ParseDocument(json, "large.json");
    if (!document.ok()) state.SkipWithError(document.status().ToString().c_str());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * json.size()));
}
BENCHMARK(BM_ParseLargeJson)->Unit(benchmark::kMillisecond);

void BM_ParseYaml(benchmark::State& state) {
  const std::string yaml = "--- " + LargeDefinition(1 << 20) + "\n";
  for (auto _ : state) {
    const auto document = ParseDocument(yaml, "large.yaml");
    if (!document.ok()) state.SkipWithError(document.status().ToString().c_str());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * yaml.size()));
}
BENCHMARK(BM_ParseYaml)->Unit(benchmark::kMillisecond);

void BM_MarkInOneLongLine(benchmark::State& state) {
  const auto document = ParseDocument(LargeDefinition(6 << 20), "large.json");
  const Node node = document->Resolve("/paths/~1resource9000~1{id}/get");
  for (auto _ : state) benchmark::DoNotOptimize(node.mark().column);
}
BENCHMARK(BM_MarkInOneLongLine);

void BM_WriteEvent(benchmark::State& state) {
  const std::string body(256, 'b');
  std::string out;
  for (auto _ : state) {
    out.clear();
    StringSink sink(&out);
    JsonWriter json(&sink);
    json.BeginObject();
    for (std::string_view key : {"resource", "path", "httpMethod", "requestId", "stage", "apiId"}) {
      json.PlainKey(key);
      json.String("/some/usual/value");
    }
    json.PlainKey("headers");
    json.BeginObject();
    for (std::string_view name : {"Accept", "Host", "User-Agent", "X-Forwarded-For"}) {
      json.Key(name);
      json.String("a value of the usual length, here and there");
    }
    json.EndObject();
    json.PlainKey("body");
    json.String(body);
    json.PlainKey("isBase64Encoded");
    json.Bool(false);
    json.EndObject();
    sink.Finish();
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(BM_WriteEvent);

void BM_ReadResult(benchmark::State& state) {
  const std::string result = R"({"statusCode":200,"headers":{"Content-Type":"application/json",)"
                             R"("X-A":"b"},"body":"{\"id\":7,\"name\":\")" +
                             std::string(static_cast<size_t>(state.range(0)), 'n') +
                             R"(\"}","isBase64Encoded":false})";
  JsonReader reader;
  for (auto _ : state) {
    benchmark::DoNotOptimize(reader.Parse(result).ok());
    benchmark::DoNotOptimize(reader.root().Find("body").AsString());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * result.size()));
}
BENCHMARK(BM_ReadResult)->Arg(64)->Arg(65536);

void BM_Base64Encode(benchmark::State& state) {
  const std::string bytes(65536, 'x');
  std::string out(Base64EncodedSize(bytes.size()), '\0');
  for (auto _ : state) {
    benchmark::DoNotOptimize(Base64EncodeTo(bytes, Base64Alphabet::kStandard, out.data()));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}
BENCHMARK(BM_Base64Encode);

void BM_Base64Decode(benchmark::State& state) {
  const std::string text = Base64Encode(std::string(65536, 'x'));
  std::string out(Base64DecodedBound(text.size()), '\0');
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        Base64DecodeTo(text, Base64Alphabet::kStandard, Base64Mode::kStrict, out.data()));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_Base64Decode);

void BM_ValidateUtf8(benchmark::State& state) {
  const std::string text(65536, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(IsValidUtf8(text));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_ValidateUtf8);

void BM_ParseQuery(benchmark::State& state) {
  QueryParameters parameters;
  for (auto _ : state) {
    benchmark::DoNotOptimize(parameters.Parse("page=2&size=50&filter=a%20b&sort=name").ok());
  }
}
BENCHMARK(BM_ParseQuery);

}  // namespace
}  // namespace postern
