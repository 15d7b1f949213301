#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "core/credentials/aws_signer.h"

namespace postern {
namespace {

// A call of DynamoDB as an integration makes it, with temporary credentials.
void BM_SignRequest(benchmark::State& state) {
  BlockPool blocks;
  const AwsSigner signer(
      "dynamodb", "eu-central-1",
      std::make_shared<CredentialCell>(aws::Credentials(
          "ASIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", std::string(600, 't'))));
  const std::string content(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    Arena arena(&blocks);
    RequestHead head(&arena);
    head.method_text = "POST";
    head.authority = "dynamodb.eu-central-1.amazonaws.com";
    head.target = "/";
    head.headers.Add("Content-Type", "application/x-amz-json-1.0");
    head.headers.Add("X-Amz-Target", "DynamoDB_20120810.PutItem");
    head.headers.Add("User-Agent", "AmazonAPIGateway_a1b2c3d4e5");
    benchmark::DoNotOptimize(signer.Sign(&head, content, 1440938160));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SignRequest)->Arg(0)->Arg(1024)->Arg(65536);

}  // namespace
}  // namespace postern
