#include "core/net/dns.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/base/log.h"
#include "core/event/fd_watcher.h"
#include "core/event/timer.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

using Answer = absl::StatusOr<DnsAnswer>;

constexpr size_t kMaxName = 253;  // RFC 1035 §2.3.4, less the root's dot and the sizes
constexpr size_t kMaxHostsSize = 1024 * 1024;
// Files are looked at again no sooner than after this.
constexpr uint64_t kFileCheckMs = 1000;
constexpr uint32_t kHostsTtlMs = 5000;

// What a name in the DNS may be made of; underscores occur in practice.
bool IsHostName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kMaxName) return false;
  size_t label = 0;
  for (char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if ((!IsAlnum(c) && c != '-' && c != '_') || ++label > 63) {
      return false;
    }
  }
  return label > 0;
}

bool Matches(const Address& address, DnsFamily family) {
  switch (family) {
    case DnsFamily::kAny:
      return true;
    case DnsFamily::kIpv4:
      return address.family() == Address::Family::kIpv4;
    case DnsFamily::kIpv6:
      return address.family() == Address::Family::kIpv6;
  }
  return false;
}

// Whether the kernel knows a way to `address`. Sends nothing: a datagram socket only chooses a
// route.
bool HasRoute(Address address) {
  address.set_port(53);
  sockaddr_storage storage;
  const socklen_t size = address.ToSockaddr(&storage);
  const int fd = ::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno != EAFNOSUPPORT;
  const bool reachable = ::connect(fd, reinterpret_cast<sockaddr*>(&storage), size) == 0 ||
                         (errno != ENETUNREACH && errno != EADDRNOTAVAIL);
  ::close(fd);
  return reachable;
}

// IPv4 first; of two families only those with a route, unless there is none at all.
void OrderAddresses(std::vector<Address>* addresses) {
  const auto ipv6 = std::stable_partition(
      addresses->begin(), addresses->end(),
      [](const Address& address) { return address.family() == Address::Family::kIpv4; });
  if (ipv6 == addresses->begin() || ipv6 == addresses->end()) return;
  const bool ipv4_reachable = HasRoute(addresses->front());
  const bool ipv6_reachable = HasRoute(*ipv6);
  if (ipv4_reachable && !ipv6_reachable) {
    addresses->erase(ipv6, addresses->end());
  } else if (!ipv4_reachable && ipv6_reachable) {
    addresses->erase(addresses->begin(), ipv6);
  }
}

absl::Status DnsError(std::string_view host, int status) {
  const std::string message = Concat("look-up of '", host, "': ", ares_strerror(status));
  switch (status) {
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_ENONAME:
      return absl::NotFoundError(message);
    case ARES_EBADNAME:
    case ARES_EBADSTR:
      return absl::InvalidArgumentError(message);
    case ARES_ETIMEOUT:
      return absl::DeadlineExceededError(message);
    case ARES_ENOMEM:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

// Tells one state of a file from another, cheaply enough to be asked now and then.
class FileStamp {
 public:
  explicit FileStamp(std::string path) : path_(std::move(path)) {}

  // True when the file is not what it was at the last call that returned true; at first it is not.
  bool Changed(uint64_t now_ms) {
    if (checked_ && now_ms - checked_ms_ < kFileCheckMs) return false;
    struct stat info;
    if (::stat(path_.c_str(), &info) != 0) std::memset(&info, 0, sizeof(info));
    const bool changed = !checked_ || info.st_ino != inode_ || info.st_size != size_ ||
                         info.st_mtim.tv_sec != modified_.tv_sec ||
                         info.st_mtim.tv_nsec != modified_.tv_nsec;
    checked_ = true;
    checked_ms_ = now_ms;
    inode_ = info.st_ino;
    size_ = info.st_size;
    modified_ = info.st_mtim;
    return changed;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool checked_ = false;
  uint64_t checked_ms_ = 0;
  ino_t inode_ = 0;
  off_t size_ = 0;
  timespec modified_{};
};

// hosts(5).
class HostsFile {
 public:
  explicit HostsFile(std::string path) : stamp_(std::move(path)) {}

  // Addresses of `name` (lower case), null if it is not in the file.
  const std::vector<Address>* Find(const std::string& name, uint64_t now_ms) {
    if (stamp_.Changed(now_ms)) Load();
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : &found->second;
  }

 private:
  void Load() {
    names_.clear();
    std::ifstream in(stamp_.path());
    std::string line;
    size_t size = 0;
    while (std::getline(in, line) && (size += line.size() + 1) <= kMaxHostsSize) AddLine(line);
  }

  void AddLine(std::string_view line) {
    line = line.substr(0, line.find('#'));
    Address address;
    bool first = true;
    while (!line.empty()) {
      const size_t begin = line.find_first_not_of(" \t\r");
      if (begin == line.npos) return;
      line.remove_prefix(begin);
      const size_t end = std::min(line.find_first_of(" \t\r"), line.size());
      const std::string_view word = line.substr(0, end);
      line.remove_prefix(end);
      if (first) {
        const absl::StatusOr<Address> parsed = Address::ParseIp(word, 0);
        if (!parsed.ok()) return;  // a zone, perhaps
        address = *parsed;
        first = false;
      } else {
        std::vector<Address>& addresses = names_[AsciiToLower(word)];
        if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
          addresses.push_back(address);
        }
      }
    }
  }

  FileStamp stamp_;
  std::unordered_map<std::string, std::vector<Address>> names_;
};

// RFC 6761 §6.3.
bool IsLocalhost(std::string_view name) {
  return name == "localhost" || name.ends_with(".localhost");
}

}  // namespace

class Resolver::Impl : private EndOfIteration {
 public:
  Impl(Dispatcher* dispatcher, DnsOptions options);
  ~Impl() override;

  std::unique_ptr<Lookup> Resolve(std::string_view host, DnsFamily family, Callback callback);
  const Stats& stats() const { return stats_; }

 private:
  // One question to the servers, with those who wait for the answer.
  struct Query {
    Query(Impl* of, std::string k, std::string h)
        : owner(of),
          key(std::move(k)),
          host(std::move(h)),
          timer(
              of->dispatcher_->timers(),
              [](void* arg) {
                auto* query = static_cast<Query*>(arg);
                query->owner->Finish(query, DnsError(query->host, ARES_ETIMEOUT));
              },
              this) {}
    Impl* owner;
    std::string key;
    std::string host;
    bool finished = false;  // nobody waits; only c-ares still knows it
    IntrusiveList<Lookup> waiters;
    Timer timer;
  };
  struct Cached {
    std::shared_ptr<const Answer> answer;
    uint64_t expires_ms;
    std::list<std::string>::iterator age;  // in ages_
  };
  struct Watched {
    Impl* owner;
    int fd;
    bool readable = false;  // what c-ares waits for
    bool writable = false;
    FdWatcher watcher;
  };

  Answer Known(const std::string& name, DnsFamily family, bool* known);
  void Ask(std::string key, std::string host, DnsFamily family, Lookup* first);
  void Finish(Query* query, Answer answer);
  void Store(const std::string& key, std::shared_ptr<const Answer> answer);
  void Reply(Lookup* lookup, std::shared_ptr<const Answer> answer);
  void OnEndOfIteration() override;

  absl::Status OpenChannel();
  void CloseChannel();
  void Process(int read_fd, int write_fd);
  void ArmTimer();
  void OnSocketState(int fd, bool readable, bool writable);
  void OnSocketReady(int fd, FdEvents events);
  static void OnAresAnswer(void* arg, int status, int timeouts, ares_addrinfo* info);

  Dispatcher* dispatcher_;
  const DnsOptions options_;
  HostsFile hosts_;
  FileStamp resolv_conf_;
  ares_channel channel_ = nullptr;
  bool channel_stale_ = false;
  Timer ares_timer_;
  std::map<int, std::unique_ptr<Watched>> sockets_;
  std::unordered_map<std::string, std::unique_ptr<Query>> pending_;
  std::list<std::unique_ptr<Query>> abandoned_;  // timed out here, but not in c-ares yet
  std::unordered_map<std::string, Cached> cache_;
  std::list<std::string> ages_;  // keys of cache_, oldest first
  IntrusiveList<Lookup> ready_;
  Stats stats_;
};

Resolver::Resolver(Dispatcher* dispatcher, DnsOptions options)
    : impl_(std::make_unique<Impl>(dispatcher, std::move(options))) {}

Resolver::~Resolver() = default;

std::unique_ptr<Resolver::Lookup> Resolver::Resolve(std::string_view host, DnsFamily family,
                                                    Callback callback) {
  return impl_->Resolve(host, family, std::move(callback));
}

const Resolver::Stats& Resolver::stats() const { return impl_->stats(); }

Resolver::Impl::Impl(Dispatcher* dispatcher, DnsOptions options)
    : dispatcher_(dispatcher),
      options_(std::move(options)),
      hosts_(options_.hosts_file),
      resolv_conf_(options_.resolv_conf),
      ares_timer_(
          dispatcher->timers(),
          [](void* arg) { static_cast<Impl*>(arg)->Process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); },
          this) {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
}

Resolver::Impl::~Impl() {
  ready_.Clear();
  CloseChannel();
}

std::unique_ptr<Resolver::Lookup> Resolver::Impl::Resolve(std::string_view host, DnsFamily family,
                                                          Callback callback) {
  stats_.lookups.Add();
  std::unique_ptr<Lookup> lookup(new Lookup(std::move(callback)));
  std::string name = AsciiToLower(host.substr(0, kMaxName + 2));
  bool known = false;
  Answer answer = Known(name, family, &known);
  if (known) {
    Reply(lookup.get(), std::make_shared<const Answer>(std::move(answer)));
    return lookup;
  }
  std::string key = Concat(static_cast<int>(family), " ", name);
  const uint64_t now = dispatcher_->NowMs();
  if (const auto cached = cache_.find(key); cached != cache_.end()) {
    if (cached->second.expires_ms > now) {
      stats_.cache_hits.Add();
      std::shared_ptr<const Answer> kept = cached->second.answer;
      if (kept->ok()) {
        DnsAnswer copy = **kept;
        copy.ttl_ms = static_cast<uint32_t>(cached->second.expires_ms - now);
        kept = std::make_shared<const Answer>(std::move(copy));
      }
      Reply(lookup.get(), std::move(kept));
      return lookup;
    }
    ages_.erase(cached->second.age);
    cache_.erase(cached);
  }
  if (const auto pending = pending_.find(key); pending != pending_.end()) {
    stats_.cache_hits.Add();
    pending->second->waiters.PushBack(lookup.get());
    return lookup;
  }
  Ask(std::move(key), std::move(name), family, lookup.get());
  return lookup;
}

// What needs no server. `known` is set if `name` is of that kind.
Answer Resolver::Impl::Known(const std::string& name, DnsFamily family, bool* known) {
  *known = true;
  DnsAnswer answer;
  if (const absl::StatusOr<Address> ip = Address::ParseIp(name, 0); ip.ok()) {
    if (!Matches(*ip, family)) {
      return absl::NotFoundError(Concat("'", name, "' is an address of the other family"));
    }
    answer.addresses.push_back(*ip);
    answer.ttl_ms = options_.max_ttl_ms;
    return answer;
  }
  if (!IsHostName(name)) {
    return absl::InvalidArgumentError(Concat("'", name, "' is not a host name"));
  }
  const std::string bare = name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
  if (const std::vector<Address>* of_hosts = hosts_.Find(bare, dispatcher_->NowMs())) {
    std::copy_if(of_hosts->begin(), of_hosts->end(), std::back_inserter(answer.addresses),
                 [family](const Address& address) { return Matches(address, family); });
  }
  if (answer.addresses.empty() && IsLocalhost(bare)) {
    for (const char* ip : {"127.0.0.1", "::1"}) {
      const Address address = *Address::ParseIp(ip, 0);
      if (Matches(address, family)) answer.addresses.push_back(address);
    }
  }
  if (!answer.addresses.empty()) {
    OrderAddresses(&answer.addresses);
    answer.ttl_ms = kHostsTtlMs;
    return answer;
  }
  *known = false;
  return answer;
}

void Resolver::Impl::Ask(std::string key, std::string host, DnsFamily family, Lookup* first) {
  if (pending_.size() + abandoned_.size() >= options_.max_pending) {
    Reply(first, std::make_shared<const Answer>(absl::ResourceExhaustedError(
                     Concat("look-up of '", host, "': too many are under way"))));
    return;
  }
  if (resolv_conf_.Changed(dispatcher_->NowMs())) channel_stale_ = true;
  if (channel_stale_ && pending_.empty() && abandoned_.empty()) CloseChannel();
  if (channel_ == nullptr) {
    if (const absl::Status opened = OpenChannel(); !opened.ok()) {
      Reply(first, std::make_shared<const Answer>(opened));
      return;
    }
  }
  stats_.queries.Add();
  auto owned = std::make_unique<Query>(this, std::move(key), std::move(host));
  Query* query = owned.get();
  pending_.emplace(query->key, std::move(owned));
  query->waiters.PushBack(first);
  query->timer.Start(options_.timeout_ms);

  ares_addrinfo_hints hints{};
  hints.ai_flags = ARES_AI_NOSORT;
  hints.ai_family = family == DnsFamily::kIpv4   ? AF_INET
                    : family == DnsFamily::kIpv6 ? AF_INET6
                                                 : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  // May answer from inside; the name is copied, for the query may be gone then.
  const std::string asked = query->host;
  ares_getaddrinfo(channel_, asked.c_str(), nullptr, &hints, OnAresAnswer, query);
  ArmTimer();
}

void Resolver::Impl::OnAresAnswer(void* arg, int status, int, ares_addrinfo* info) {
  auto* query = static_cast<Query*>(arg);
  Impl* self = query->owner;
  if (!query->finished && status != ARES_EDESTRUCTION) {
    DnsAnswer answer;
    uint64_t ttl_s = UINT32_MAX;
    const auto shorten = [&ttl_s](int ttl) {
      ttl_s = std::min(ttl_s, static_cast<uint64_t>(std::max(ttl, 0)));
    };
    if (status == ARES_SUCCESS) {
      for (const ares_addrinfo_node* node = info->nodes; node != nullptr; node = node->ai_next) {
        const Address address = Address::FromSockaddr(node->ai_addr, node->ai_addrlen);
        if (!address.is_ip() || answer.addresses.size() >= self->options_.max_addresses) continue;
        Address bare = address;
        bare.set_port(0);
        if (std::find(answer.addresses.begin(), answer.addresses.end(), bare) !=
            answer.addresses.end()) {
          continue;
        }
        answer.addresses.push_back(bare);
        shorten(node->ai_ttl);
      }
      for (const ares_addrinfo_cname* cname = info->cnames; cname != nullptr; cname = cname->next) {
        shorten(cname->ttl);
      }
      if (answer.addresses.empty()) status = ARES_ENODATA;
    }
    if (status == ARES_SUCCESS) {
      OrderAddresses(&answer.addresses);
      answer.ttl_ms = static_cast<uint32_t>(
          std::clamp<uint64_t>(ttl_s * 1000, self->options_.min_ttl_ms, self->options_.max_ttl_ms));
      self->Finish(query, std::move(answer));
    } else {
      self->Finish(query, DnsError(query->host, status));
    }
  }
  if (info != nullptr) ares_freeaddrinfo(info);
  // c-ares forgets it here; so does everybody.
  if (query->finished) {
    self->abandoned_.remove_if([query](const auto& q) { return q.get() == query; });
  } else {
    const std::string key = query->key;
    self->pending_.erase(key);
  }
}

// Answers those who wait. c-ares still knows the query.
void Resolver::Impl::Finish(Query* query, Answer answer) {
  if (!answer.ok()) stats_.failures.Add();
  const auto shared = std::make_shared<const Answer>(std::move(answer));
  Store(query->key, shared);
  while (Lookup* lookup = query->waiters.PopFront()) Reply(lookup, shared);
  query->timer.Cancel();
  query->finished = true;
  const auto at = pending_.find(query->key);
  abandoned_.push_back(std::move(at->second));
  pending_.erase(at);
}

void Resolver::Impl::Store(const std::string& key, std::shared_ptr<const Answer> answer) {
  const uint64_t ttl_ms = answer->ok() ? (*answer)->ttl_ms : options_.negative_ttl_ms;
  if (ttl_ms == 0 || options_.max_cached == 0) return;
  if (const auto old = cache_.find(key); old != cache_.end()) {
    ages_.erase(old->second.age);
    cache_.erase(old);
  }
  while (cache_.size() >= options_.max_cached) {
    cache_.erase(ages_.front());
    ages_.pop_front();
  }
  ages_.push_back(key);
  cache_.emplace(key,
                 Cached{std::move(answer), dispatcher_->NowMs() + ttl_ms, std::prev(ages_.end())});
}

void Resolver::Impl::Reply(Lookup* lookup, std::shared_ptr<const Answer> answer) {
  lookup->answer_ = std::move(answer);
  ready_.PushBack(lookup);
  dispatcher_->AtEndOfIteration(this);
}

void Resolver::Impl::OnEndOfIteration() {
  IntrusiveList<Lookup> ready;
  ready.TakeAll(&ready_);
  while (Lookup* lookup = ready.PopFront()) {
    // The callback may destroy its look-up.
    Callback callback = std::move(lookup->callback_);
    const std::shared_ptr<const Answer> answer = std::move(lookup->answer_);
    callback(*answer);
  }
}

absl::Status Resolver::Impl::OpenChannel() {
  ares_options options{};
  options.flags = ARES_FLAG_NOALIASES;
  options.timeout = static_cast<int>(options_.attempt_timeout_ms);
  options.tries = static_cast<int>(options_.attempts);
  // The hosts file is ours: c-ares would read it at each question.
  char lookups[] = "b";
  options.lookups = lookups;
  std::string resolv_conf = options_.resolv_conf;
  options.resolvconf_path = resolv_conf.data();
  options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<Impl*>(self)->OnSocketState(fd, readable != 0, writable != 0);
  };
  options.sock_state_cb_data = this;
  int status =
      ares_init_options(&channel_, &options,
                        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                            ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS) {
    channel_ = nullptr;
  } else if (!options_.servers.empty()) {
    std::string servers;
    for (const std::string& server : options_.servers) {
      servers += (servers.empty() ? "" : ",") + server;
    }
    status = ares_set_servers_ports_csv(channel_, servers.c_str());
  }
  if (status != ARES_SUCCESS) {
    CloseChannel();
    return absl::UnavailableError(Concat("the DNS resolver cannot start: ", ares_strerror(status)));
  }
  channel_stale_ = false;
  return absl::OkStatus();
}

void Resolver::Impl::CloseChannel() {
  ares_timer_.Cancel();
  if (channel_ == nullptr) return;
  // Every query is told ARES_EDESTRUCTION, every socket closed.
  ares_destroy(std::exchange(channel_, nullptr));
  sockets_.clear();
}

void Resolver::Impl::Process(int read_fd, int write_fd) {
  ares_process_fd(channel_, read_fd, write_fd);
  ArmTimer();
}

void Resolver::Impl::ArmTimer() {
  timeval left;
  if (channel_ == nullptr || ares_timeout(channel_, nullptr, &left) == nullptr) {
    ares_timer_.Cancel();
    return;
  }
  ares_timer_.Start(static_cast<uint64_t>(left.tv_sec) * 1000 +
                    static_cast<uint64_t>(left.tv_usec + 999) / 1000);
}

void Resolver::Impl::OnSocketState(int fd, bool readable, bool writable) {
  const auto found = sockets_.find(fd);
  if (!readable && !writable) {
    // c-ares closes it next.
    if (found != sockets_.end()) sockets_.erase(found);
    return;
  }
  Watched* watched;
  if (found != sockets_.end()) {
    watched = found->second.get();
  } else {
    auto made = std::make_unique<Watched>();
    made->owner = this;
    made->fd = fd;
    const int error = made->watcher.Open(
        dispatcher_, fd,
        [](void* arg, FdEvents events) {
          auto* self = static_cast<Watched*>(arg);
          self->owner->OnSocketReady(self->fd, events);
        },
        made.get());
    if (error != 0) {
      // The question will time out.
      Log(LogLevel::kWarn, "dns_socket_unwatched", {{"error", error}});
      return;
    }
    watched = made.get();
    sockets_.emplace(fd, std::move(made));
  }
  watched->readable = readable;
  watched->writable = writable;
  watched->watcher.Watch(readable, writable, /*hangup=*/false);
}

void Resolver::Impl::OnSocketReady(int fd, FdEvents events) {
  // An error (a port where nobody listens) is found by reading.
  Process(events.readable || events.hangup || events.failed ? fd : ARES_SOCKET_BAD,
          events.writable ? fd : ARES_SOCKET_BAD);
  if (!events.failed) return;
  // The watch has ended, but c-ares may go on with the socket.
  if (const auto found = sockets_.find(fd); found != sockets_.end()) {
    Watched* watched = found->second.get();
    watched->watcher.Watch(watched->readable, watched->writable, /*hangup=*/false);
  }
}

}  // namespace postern
