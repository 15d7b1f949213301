#pragma once

#include <set>
#include <string>
#include <string_view>

#include "control/import/context.h"
#include "lib/text/document.h"
#include "proto/snapshot/api.pb.h"

namespace postern {

/// The parts of an integration that map: parameters, templates and responses. Writes into an
/// integration whose type is set, and notes why it cannot be executed.
class MappingImporter {
 public:
  /// `path` is that of the resource. All must outlive this.
  MappingImporter(ImportContext& context, std::string_view path, snapshot::v1::Method& method,
                  snapshot::v1::Integration& integration)
      : context_(context), path_(path), method_(method), integration_(integration) {}

  /// Reports that the gateways cannot execute `node`, and keeps the first reason.
  void Unavailable(Node node, std::string_view kind, std::string_view reason);

  /// Why the integration cannot be executed; empty if it can.
  const std::string& unavailable() const { return unavailable_; }

  /// Each takes the property of that name, which may be absent.
  void ImportRequestParameters(Node parameters);
  void ImportRequestTemplates(Node templates);
  void ImportResponses(Node responses);
  snapshot::v1::ContentHandling ImportContentHandling(Node node);

 private:
  bool mock() const { return integration_.type() == snapshot::v1::INTEGRATION_TYPE_MOCK; }
  bool proxy() const {
    return integration_.type() == snapshot::v1::INTEGRATION_TYPE_HTTP_PROXY ||
           integration_.type() == snapshot::v1::INTEGRATION_TYPE_AWS_PROXY;
  }
  void ImportRequestParameter(Node node);
  bool Declare(Node node, const snapshot::v1::ValueSource& source);
  void ImportTemplates(Node templates, bool request,
                       google::protobuf::RepeatedPtrField<snapshot::v1::Template>& out);
  bool ImportTemplate(Node node, bool request, snapshot::v1::Template& result);
  void CheckMockStatus(Node node, std::string_view text);
  void ImportResponse(Node node);
  bool ImportStatus(Node node, snapshot::v1::IntegrationResponse& response);
  bool CheckPattern(Node node);
  void ImportResponseParameter(Node node, snapshot::v1::MethodResponse* declared,
                               snapshot::v1::IntegrationResponse& response);
  void DropForeignType(Node node, std::string_view kind);

  ImportContext& context_;
  const std::string_view path_;
  snapshot::v1::Method& method_;
  snapshot::v1::Integration& integration_;
  std::string unavailable_;
  std::set<std::string> mapped_headers_;  // of the request, in lower case
};

}  // namespace postern
