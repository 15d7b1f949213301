#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/config/common_reader.h"
#include "core/config/field.h"
#include "core/upstream/cluster_config.h"
#include "proto/snapshot/cluster.pb.h"

namespace postern {

class CredentialService;

/// What clusters are made with besides their own message.
struct ClusterReaderEnv {
  const SecretMap* secrets;
  std::string region;              ///< of the gateway, for signing
  CredentialService* credentials;  ///< may be null
  /// Clusters of the snapshot before, by name: what has equal settings is taken over. May be null.
  std::function<std::shared_ptr<const ClusterConfig>(const std::string& name)> previous;
};

/// Checks one cluster and fills in its defaults. Its TLS settings are only described: with
/// MakeClusterTls() they become a context, once the whole snapshot is known to be sound.
ClusterConfig ReadCluster(const snapshot::v1::Cluster& cluster, const ClusterReaderEnv& env,
                          const Field& field);

/// Makes the TLS context and the signer of `config`. Reads the files that TLS needs.
void MakeClusterTls(const snapshot::v1::Cluster& cluster, const ClusterReaderEnv& env,
                    const Field& field, ClusterConfig* config);

}  // namespace postern
