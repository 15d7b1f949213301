#include "control/import/report.h"

#include <algorithm>
#include <map>
#include <utility>

#include "control/common/strings.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"

namespace postern {
namespace {

constexpr std::string_view kReset = "\x1b[0m";
constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kIndent = "                ";

std::string_view ColorOf(const Finding& finding) {
  switch (finding.disposition) {
    case Disposition::kRefused:
      return finding.blocking ? "\x1b[1;31m" : "\x1b[31m";
    case Disposition::kApproximated:
      return "\x1b[33m";
    case Disposition::kIgnored:
      return finding.guard.empty() ? "\x1b[36m" : "\x1b[1;33m";
    case Disposition::kApplied:
      break;
  }
  return "\x1b[32m";
}

// The order of the text form.
int Rank(const Finding& finding) {
  if (finding.blocking) return 0;
  if (finding.disposition == Disposition::kRefused) return 1;
  if (!finding.guard.empty()) return 2;
  if (finding.disposition == Disposition::kApproximated) return 3;
  return 4;
}

// Control characters would let a definition write to the terminal.
std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(byte < 0x20 || byte == 0x7f ? ' ' : c);
  }
  return out;
}

template <typename... Parts>
void Append(std::string& out, const Parts&... parts) {
  out += Concat(parts...);
}

std::string CountNoun(size_t n, std::string_view singular, std::string_view plural) {
  return Concat(n, " ", n == 1 ? singular : plural);
}

}  // namespace

std::string_view DispositionName(Disposition disposition) {
  switch (disposition) {
    case Disposition::kApplied:
      return "applied";
    case Disposition::kApproximated:
      return "approximated";
    case Disposition::kIgnored:
      return "ignored";
    case Disposition::kRefused:
      return "refused";
  }
  return "refused";
}

void ImportReport::Add(Finding finding) {
  ++counts_[static_cast<int>(finding.disposition)];
  if (finding.blocking) ++blocking_;
  findings_.push_back(std::move(finding));
}

std::string ImportReport::ToText(bool color) const {
  std::string out;
  const auto paint = [color](std::string_view code, std::string_view text) {
    return color ? Concat(code, text, kReset) : std::string(text);
  };

  if (refused()) {
    Append(out,
           paint(kBold, Concat(Printable(file_name_), ": refused, ",
                               CountNoun(blocking_, "problem", "problems"))),
           "\n");
  } else {
    Append(out, paint(kBold, Concat(Printable(file_name_), ": ", Printable(summary_))), "\n");
  }

  std::vector<const Finding*> shown;
  std::map<std::string_view, size_t> aggregates[4];
  for (const Finding& finding : findings_) {
    if (finding.aggregate) {
      ++aggregates[static_cast<int>(finding.disposition)][finding.kind];
    } else {
      shown.push_back(&finding);
    }
  }
  std::stable_sort(shown.begin(), shown.end(), [](const Finding* a, const Finding* b) {
    const int rank_a = Rank(*a);
    const int rank_b = Rank(*b);
    if (rank_a != rank_b) return rank_a < rank_b;
    return std::pair(a->place.line, a->place.column) < std::pair(b->place.line, b->place.column);
  });

  // Findings that say the same stand together, where the first of them belongs.
  struct Group {
    std::vector<const Finding*> findings;
  };
  std::vector<Group> groups;
  std::map<std::pair<int, std::string_view>, size_t> group_of;
  for (const Finding* finding : shown) {
    const auto [it, inserted] = group_of.emplace(
        std::pair(Rank(*finding), std::string_view(finding->reason)), groups.size());
    if (inserted) groups.emplace_back();
    groups[it->second].findings.push_back(finding);
  }
  for (const Group& group : groups) {
    if (&group == groups.data() + kMaxGroups) {
      Append(out, kIndent,
             paint(kDim, Concat("and ", groups.size() - kMaxGroups,
                                " more kinds of findings; the JSON report has all")),
             "\n");
      break;
    }
    for (size_t i = 0; i < std::min(group.findings.size(), kMaxAlike); ++i) {
      const Finding& finding = *group.findings[i];
      std::string label(DispositionName(finding.disposition));
      label.resize(12, ' ');
      Append(out, "  ", paint(ColorOf(finding), label), "  ", Printable(file_name_));
      if (finding.place.line > 0) Append(out, ":", finding.place.line, ":", finding.place.column);
      Append(out, "  ",
             finding.place.pointer.empty() ? "(whole document)" : Printable(finding.place.pointer),
             "\n");
    }
    if (group.findings.size() > kMaxAlike) {
      Append(out, kIndent,
             paint(kDim, Concat("and ", group.findings.size() - kMaxAlike,
                                " more; the JSON report has all")),
             "\n");
    }
    Append(out, kIndent, Printable(group.findings.front()->reason), "\n");
  }

  for (const Disposition disposition :
       {Disposition::kApproximated, Disposition::kIgnored, Disposition::kApplied}) {
    const auto& kinds = aggregates[static_cast<int>(disposition)];
    if (kinds.empty()) continue;
    size_t total = 0;
    for (const auto& [kind, n] : kinds) total += n;
    std::string label(DispositionName(disposition));
    label.resize(12, ' ');
    Finding sample;
    sample.disposition = disposition;
    Append(out, "  ", paint(ColorOf(sample), label), "  ",
           CountNoun(total, "property", "properties"));
    if (disposition != Disposition::kApplied) {
      std::vector<std::string> parts;
      for (const auto& [kind, n] : kinds) parts.push_back(Concat(Printable(kind), " ", n));
      constexpr size_t kMaxKinds = 30;
      if (parts.size() > kMaxKinds) {
        const size_t more = parts.size() - kMaxKinds;
        parts.resize(kMaxKinds);
        parts.push_back(Concat(more, " other kinds"));
      }
      Append(out, ": ", Join(parts, ", "));
    }
    Append(out, "\n");
  }
  return out;
}

std::string ImportReport::ToJson() const {
  std::string json;
  StringSink sink(&json);
  JsonWriter writer(&sink);
  const auto text = [&writer](std::string_view name, std::string_view value) {
    writer.PlainKey(name);
    writer.String(value);
  };
  writer.BeginObject();
  text("file", file_name_);
  text("result", refused() ? "refused" : "imported");
  text("summary", summary_);
  writer.PlainKey("counts");
  writer.BeginObject();
  for (const Disposition disposition : {Disposition::kApplied, Disposition::kApproximated,
                                        Disposition::kIgnored, Disposition::kRefused}) {
    writer.PlainKey(DispositionName(disposition));
    writer.Uint(count(disposition));
  }
  writer.EndObject();
  writer.PlainKey("findings");
  writer.BeginArray();
  for (const Finding& finding : findings_) {
    writer.BeginObject();
    text("disposition", DispositionName(finding.disposition));
    writer.PlainKey("blocking");
    writer.Bool(finding.blocking);
    text("kind", finding.kind);
    if (!finding.guard.empty()) {
      text("guard", finding.guard);
      writer.PlainKey("names");
      writer.BeginArray();
      for (const std::string& name : finding.guard_names) writer.String(name);
      writer.EndArray();
    }
    text("file", file_name_);
    writer.PlainKey("line");
    writer.Int(finding.place.line);
    writer.PlainKey("column");
    writer.Int(finding.place.column);
    text("pointer", finding.place.pointer);
    text("reason", finding.reason);
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  sink.Finish();
  return json;
}

}  // namespace postern
