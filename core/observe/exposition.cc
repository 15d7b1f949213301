#include "core/observe/exposition.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "lib/text/ascii.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

void AppendNumber(std::string* out, uint64_t value) {
  char buffer[24];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  out->append(buffer, result.ptr);
}

void AppendNumber(std::string* out, double value) {
  if (std::isnan(value)) {
    out->append("NaN");
  } else if (std::isinf(value)) {
    out->append(value > 0 ? "+Inf" : "-Inf");
  } else {
    // As Go's %g, which is what OpenMetrics calls canonical for bounds: no exponent where there
    // need not be one.
    char buffer[40];
    const double size = std::fabs(value);
    const bool plain = size == 0 || (size >= 1e-4 && size < 1e15);
    const auto result =
        plain ? std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed)
              : std::to_chars(buffer, buffer + sizeof(buffer), value);
    out->append(buffer, result.ptr);
  }
}

// OpenMetrics wants bounds in a canonical form, for they are labels: 1.0, not 1.
void AppendBound(std::string* out, double value, ExpositionFormat format) {
  const size_t start = out->size();
  AppendNumber(out, value);
  if (format == ExpositionFormat::kOpenMetrics && std::isfinite(value) &&
      out->find_first_of(".e", start) == out->npos) {
    out->append(".0");
  }
}

void AppendEscaped(std::string* out, std::string_view text, bool quotes) {
  for (char c : text) {
    if (c == '\\') {
      out->append("\\\\");
    } else if (c == '\n') {
      out->append("\\n");
    } else if (c == '"' && quotes) {
      out->append("\\\"");
    } else {
      out->push_back(c);
    }
  }
}

// Weight of a media range's parameters, in thousandths; 1000 unless `q` says less.
int Weight(std::string_view parameters) {
  while (!parameters.empty()) {
    const size_t end = parameters.find(';');
    const std::string_view one = TrimOws(parameters.substr(0, end));
    parameters = end == parameters.npos ? std::string_view{} : parameters.substr(end + 1);
    if (one.size() > 2 && (one[0] == 'q' || one[0] == 'Q') && one[1] == '=') {
      double weight = 0;
      const auto result = std::from_chars(one.data() + 2, one.data() + one.size(), weight);
      if (result.ec != std::errc{} || !(weight >= 0)) return 0;
      return weight >= 1 ? 1000 : static_cast<int>(weight * 1000);
    }
  }
  return 1000;
}

}  // namespace

ExpositionFormat ChooseExposition(std::string_view accept) {
  int open_metrics = 0;
  int text = 0;
  while (!accept.empty()) {
    const size_t end = accept.find(',');
    const std::string_view one = accept.substr(0, end);
    accept = end == accept.npos ? std::string_view{} : accept.substr(end + 1);
    const size_t semicolon = one.find(';');
    const std::string_view type = TrimOws(one.substr(0, semicolon));
    const std::string_view parameters =
        semicolon == one.npos ? std::string_view{} : one.substr(semicolon + 1);
    if (EqualsIgnoreCase(type, "application/openmetrics-text")) {
      open_metrics = std::max(open_metrics, Weight(parameters));
    } else if (EqualsIgnoreCase(type, "text/plain")) {
      text = std::max(text, Weight(parameters));
    }
  }
  return open_metrics > 0 && open_metrics >= text ? ExpositionFormat::kOpenMetrics
                                                  : ExpositionFormat::kText;
}

std::string_view ExpositionContentType(ExpositionFormat format) {
  return format == ExpositionFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string CleanLabelValue(std::string_view text) {
  constexpr size_t kMax = Exposition::kMaxLabelValue;
  // A few bytes more than are kept, so that a character cut in two here is one that is cut off
  // below.
  std::string clean = ReplaceInvalidUtf8(text.substr(0, kMax + 4));
  if (clean.size() > kMax) {
    size_t size = kMax;
    while (size > 0 && (static_cast<unsigned char>(clean[size]) & 0xC0) == 0x80) --size;
    clean.resize(size);
  }
  return clean;
}

Exposition::Family* Exposition::Begin(const MetricFamily& about, Kind kind, MetricLabels labels) {
  labels_.clear();
  for (const MetricLabel& label : labels) {
    if (!labels_.empty()) labels_.push_back(',');
    labels_.append(label.name);
    labels_.append("=\"");
    AppendEscaped(&labels_, CleanLabelValue(label.value), true);
    labels_.push_back('"');
  }
  const auto [at, added] = by_name_.try_emplace(about.name, families_.size());
  if (added) families_.push_back(Family{about, kind, {}, {}});
  Family& family = families_[at->second];
  if (family.kind != kind || !family.seen.insert(labels_).second) {
    ++left_out_;
    return nullptr;
  }
  return &family;
}

void Exposition::AppendSeries(std::string* out, std::string_view name, std::string_view suffix,
                              std::string_view extra) const {
  out->append(name);
  out->append(suffix);
  if (!labels_.empty() || !extra.empty()) {
    out->push_back('{');
    out->append(labels_);
    if (!labels_.empty() && !extra.empty()) out->push_back(',');
    out->append(extra);
    out->push_back('}');
  }
  out->push_back(' ');
}

void Exposition::Counter(const MetricFamily& family, MetricLabels labels, uint64_t value) {
  if (Family* to = Begin(family, Kind::kCounter, labels)) {
    AppendSeries(&to->samples, family.name, "_total");
    AppendNumber(&to->samples, value);
    to->samples.push_back('\n');
  }
}

void Exposition::Counter(const MetricFamily& family, MetricLabels labels, double value) {
  if (Family* to = Begin(family, Kind::kCounter, labels)) {
    AppendSeries(&to->samples, family.name, "_total");
    AppendNumber(&to->samples, value);
    to->samples.push_back('\n');
  }
}

void Exposition::Gauge(const MetricFamily& family, MetricLabels labels, double value) {
  if (Family* to = Begin(family, Kind::kGauge, labels)) {
    AppendSeries(&to->samples, family.name, "");
    AppendNumber(&to->samples, value);
    to->samples.push_back('\n');
  }
}

void Exposition::Histogram(const MetricFamily& family, MetricLabels labels,
                           std::span<const double> upper, std::span<const uint64_t> counts,
                           double sum) {
  Family* to = Begin(family, Kind::kHistogram, labels);
  if (to == nullptr) return;
  uint64_t so_far = 0;
  std::string bound;
  for (size_t i = 0; i < counts.size(); ++i) {
    so_far += counts[i];
    bound.assign("le=\"");
    if (i < upper.size()) {
      AppendBound(&bound, upper[i], format_);
    } else {
      bound.append("+Inf");
    }
    bound.push_back('"');
    AppendSeries(&to->samples, family.name, "_bucket", bound);
    AppendNumber(&to->samples, so_far);
    to->samples.push_back('\n');
  }
  AppendSeries(&to->samples, family.name, "_sum");
  AppendNumber(&to->samples, sum);
  to->samples.push_back('\n');
  AppendSeries(&to->samples, family.name, "_count");
  AppendNumber(&to->samples, so_far);
  to->samples.push_back('\n');
}

void Exposition::Info(const MetricFamily& family, MetricLabels labels) {
  if (Family* to = Begin(family, Kind::kInfo, labels)) {
    AppendSeries(&to->samples, family.name, "_info");
    to->samples.append("1\n");
  }
}

void Exposition::AppendHead(std::string* out, const Family& family) const {
  const bool open_metrics = format_ == ExpositionFormat::kOpenMetrics;
  std::string name(family.about.name);
  std::string_view type;
  switch (family.kind) {
    case Kind::kCounter:
      type = "counter";
      if (!open_metrics) name.append("_total");
      break;
    case Kind::kGauge:
      type = "gauge";
      break;
    case Kind::kHistogram:
      type = "histogram";
      break;
    case Kind::kInfo:
      type = open_metrics ? "info" : "gauge";
      if (!open_metrics) name.append("_info");
      break;
  }
  out->append("# HELP ").append(name).push_back(' ');
  AppendEscaped(out, family.about.help, open_metrics);
  out->append("\n# TYPE ").append(name).append(" ").append(type).push_back('\n');
  if (open_metrics && !family.about.unit.empty()) {
    out->append("# UNIT ").append(name).append(" ").append(family.about.unit).push_back('\n');
  }
}

std::string Exposition::Finish() {
  size_t size = 16;
  for (const Family& family : families_) size += family.samples.size() + 256;
  std::string out;
  out.reserve(size);
  for (Family& family : families_) {
    AppendHead(&out, family);
    out.append(family.samples);
    std::string().swap(family.samples);
  }
  if (format_ == ExpositionFormat::kOpenMetrics) out.append("# EOF\n");
  return out;
}

}  // namespace postern
