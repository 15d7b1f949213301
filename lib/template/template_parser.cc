#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "lib/template/mapping_template.h"
#include "lib/template/template_program.h"
#include "lib/text/concat.h"
#include "lib/text/utf8.h"

namespace postern {

namespace vtl {
namespace {

using dyn::Value;
using Program = TemplateProgramAccess::Program;

constexpr int kMaxNesting = 60;  // of blocks, expressions and strings in the source
constexpr size_t kMaxNodes = 400'000;
constexpr size_t kMaxConstantPattern = 1024;

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsSpace(char c) { return IsBlank(c) || c == '\n' || c == '\r'; }
bool IsNameStart(char c) { return IsLetter(c) || c == '_'; }
bool IsNameChar(char c) { return IsLetter(c) || IsDigit(c) || c == '-' || c == '_'; }
bool IsWordChar(char c) { return IsLetter(c) || IsDigit(c) || c == '_' || c == '@'; }

bool IsReserved(std::string_view name) {
  return name == "input" || name == "util" || name == "context" || name == "stageVariables";
}

// Directives that a backslash escapes, apart from macros.
bool IsDirective(std::string_view name) {
  constexpr std::string_view kNames[] = {"if",      "else",   "elseif",   "end",    "set",
                                         "foreach", "define", "macro",    "stop",   "break",
                                         "include", "parse",  "evaluate", "literal"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// What a statement list ended with.
enum class End : uint8_t { kText, kEnd, kElse, kElseIf };

// What all parsers of one template share: strings with references in them have parsers of their
// own.
struct Shared {
  Program& program;
  const TemplateResolver& resolver;
  std::map<std::string, uint32_t, std::less<>> slots = {};
  std::map<std::string, uint32_t, std::less<>> texts = {};  // constants that are text
  std::vector<const Macro*> macro_scope = {};               // whose body is being parsed
  uint32_t macro_number = 0;
  // Calls, resolved when all macros are known: node, name.
  std::vector<std::pair<uint32_t, std::string>> calls = {};
  int nesting = 0;
};

class Parser {
 public:
  // `origin`: where text[0] is in the source, if each character of it is one there; for the content
  // of a string literal the place of that.
  Parser(Shared& shared, std::string_view text, uint32_t origin, bool exact)
      : shared_(shared), program_(shared.program), text_(text), origin_(origin), exact_(exact) {}

  // The whole text as a block.
  absl::Status ParseAll(uint32_t* block) {
    End end = End::kText;
    absl::Status status = ParseBlock(block, &end);
    if (!status.ok()) return status;
    switch (end) {
      case End::kText:
        return absl::OkStatus();
      case End::kEnd:
        return ErrorAt(end_at_, "#end without a directive that it ends; remove it");
      case End::kElse:
        return ErrorAt(end_at_, "#else without #if; remove it or add the #if");
      case End::kElseIf:
        return ErrorAt(end_at_, "#elseif without #if; remove it or add the #if");
    }
    return absl::OkStatus();
  }

 private:
  // Characters.

  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool AtEnd() const { return at_ >= text_.size(); }
  bool Starts(std::string_view what) const { return text_.substr(at_, what.size()) == what; }
  bool Take(char c) {
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void SkipSpace() {
    while (!AtEnd() && IsSpace(text_[at_])) ++at_;
  }

  // Blanks and a line end, if that is all there is on the line: what directives swallow.
  void SkipLineEnd() {
    size_t at = at_;
    while (at < text_.size() && IsBlank(text_[at])) ++at;
    if (at == text_.size()) return;
    if (text_[at] == '\r') {
      at_ = at + (text_.substr(at, 2) == "\r\n" ? 2 : 1);
    } else if (text_[at] == '\n') {
      at_ = at + 1;
    }
  }

  uint32_t Place(size_t at) const { return origin_ + (exact_ ? static_cast<uint32_t>(at) : 0); }

  absl::Status ErrorAt(size_t at, std::string_view what) const {
    return absl::InvalidArgumentError(program_.Message(Place(at), what));
  }
  absl::Status Error(std::string_view what) const { return ErrorAt(at_, what); }

  // Nodes.

  uint32_t Add(Op op, size_t at, std::initializer_list<uint32_t> links = {}) {
    Node node;
    node.op = op;
    node.position = Place(at);
    node.first = static_cast<uint32_t>(program_.links.size());
    node.count = static_cast<uint32_t>(links.size());
    program_.links.insert(program_.links.end(), links);
    program_.nodes.push_back(node);
    return static_cast<uint32_t>(program_.nodes.size() - 1);
  }

  uint32_t AddWithLinks(Op op, size_t at, const std::vector<uint32_t>& links) {
    const uint32_t node = Add(op, at);
    program_.nodes[node].count = static_cast<uint32_t>(links.size());
    program_.links.insert(program_.links.end(), links.begin(), links.end());
    return node;
  }

  Node& At(uint32_t node) { return program_.nodes[node]; }
  uint32_t Link(uint32_t node, uint32_t i) const {
    return program_.links[program_.nodes[node].first + i];
  }

  uint32_t Constant(const Value& value) {
    program_.constants.push_back(value);
    return static_cast<uint32_t>(program_.constants.size() - 1);
  }

  uint32_t TextConstant(std::string_view text) {
    const auto found = shared_.texts.find(text);
    if (found != shared_.texts.end()) return found->second;
    const uint32_t constant = Constant(Value::String(program_.arena.Copy(text)));
    shared_.texts.emplace(std::string(text), constant);
    return constant;
  }

  uint32_t Slot(std::string_view name) {
    const auto found = shared_.slots.find(name);
    if (found != shared_.slots.end()) return found->second;
    const auto slot = static_cast<uint32_t>(program_.slots.size());
    program_.slots.emplace_back(name);
    shared_.slots.emplace(std::string(name), slot);
    if (name == "velocityCount") program_.count_slot = slot;
    if (name == "velocityHasNext") program_.has_next_slot = slot;
    if (name == "foreach") program_.foreach_slot = slot;
    if (name == "bodyContent") program_.body_slot = slot;
    return slot;
  }

  // Counts nesting as long as it lives.
  struct Nested {
    explicit Nested(int* nesting) : nesting(*nesting) { ++*nesting; }
    ~Nested() { --nesting; }
    int& nesting;
  };

  absl::Status CheckLimits() const {
    if (shared_.nesting > kMaxNesting) return Error("nested too deeply; take it apart with #set");
    if (program_.nodes.size() > kMaxNodes) return Error("the template has too many parts");
    return absl::OkStatus();
  }

  // Statements.

  void AddText(std::string_view text, size_t at, std::vector<uint32_t>* statements) {
    if (text.empty()) return;
    const auto begin = static_cast<uint32_t>(program_.texts.size());
    program_.texts += text;
    if (!statements->empty()) {
      Node& last = At(statements->back());
      if (last.op == Op::kText && last.a + last.b == begin) {
        last.b += static_cast<uint32_t>(text.size());
        return;
      }
    }
    const uint32_t node = Add(Op::kText, at);
    At(node).a = begin;
    At(node).b = static_cast<uint32_t>(text.size());
    statements->push_back(node);
  }

  absl::Status ParseBlock(uint32_t* block, End* end) {
    const Nested nested(&shared_.nesting);
    absl::Status status = CheckLimits();
    if (!status.ok()) return status;
    const size_t begin = at_;
    std::vector<uint32_t> statements;
    *end = End::kText;
    while (!AtEnd()) {
      // #set swallows blanks in front of it, but only where no text has begun.
      if (IsBlank(Peek())) {
        size_t ahead = 0;
        while (IsBlank(Peek(ahead))) ++ahead;
        if (IsSetAt(at_ + ahead)) at_ += ahead;
      }
      const char c = Peek();
      if (c == '$') {
        status = ParseDollar(0, &statements);
      } else if (c == '#') {
        bool ended = false;
        status = ParseHash(&statements, end, &ended);
        if (status.ok() && ended) break;
      } else if (c == '\\') {
        status = ParseBackslashes(&statements);
      } else {
        const size_t from = at_;
        at_ = std::min(text_.size(), text_.find_first_of("$#\\", at_));
        AddText(text_.substr(from, at_ - from), from, &statements);
      }
      if (!status.ok()) return status;
      status = CheckLimits();
      if (!status.ok()) return status;
    }
    *block = AddWithLinks(Op::kBlock, begin, statements);
    return absl::OkStatus();
  }

  // Whether "#set (" or "#{set}(" stands at `at`.
  bool IsSetAt(size_t at) const {
    for (const std::string_view word : {std::string_view("#set"), std::string_view("#{set}")}) {
      if (text_.substr(at, word.size()) != word) continue;
      at += word.size();
      while (at < text_.size() && text_[at] == ' ') ++at;
      return at < text_.size() && text_[at] == '(';
    }
    return false;
  }

  // Backslashes mean something only in front of a reference or a directive.
  absl::Status ParseBackslashes(std::vector<uint32_t>* statements) {
    const size_t begin = at_;
    while (Peek() == '\\') ++at_;
    const size_t count = at_ - begin;
    if (Peek() == '$') return ParseDollar(count, statements);
    if (Peek() != '#') {
      AddText(text_.substr(begin, count), begin, statements);
      return absl::OkStatus();
    }
    const std::string_view word = WordAt(at_ + 1);
    const bool directive =
        IsDirective(word) || std::any_of(program_.macros.begin(), program_.macros.end(),
                                         [&](const Macro& macro) { return macro.name == word; });
    if (count % 2 == 1 && !word.empty()) {
      const size_t size = Peek(1) == '{' ? word.size() + 3 : word.size() + 1;
      const size_t shown = directive ? count / 2 : count;
      AddText(text_.substr(begin, shown), begin, statements);
      AddText(text_.substr(at_, size), at_, statements);
      at_ += size;
      return absl::OkStatus();
    }
    const bool halved = directive && !IsSetAt(at_);
    AddText(text_.substr(begin, halved ? count / 2 : count), begin, statements);
    return absl::OkStatus();
  }

  // The word of a directive that begins at `at`, behind '#'; empty if there is none.
  std::string_view WordAt(size_t at) const {
    const bool bracketed = at < text_.size() && text_[at] == '{';
    if (bracketed) ++at;
    size_t end = at;
    if (end < text_.size() && (IsNameStart(text_[end]) || (text_[end] == '@' && !bracketed))) {
      while (end < text_.size() && IsWordChar(text_[end])) ++end;
    }
    if (bracketed && (end == text_.size() || text_[end] != '}')) return {};
    return text_.substr(at, end - at);
  }

  absl::Status ParseHash(std::vector<uint32_t>* statements, End* end, bool* ended) {
    const size_t begin = at_;
    if (Starts("##")) {
      at_ = text_.find_first_of("\r\n", at_);
      if (at_ == std::string_view::npos) {
        at_ = text_.size();
      } else {
        at_ += Starts("\r\n") ? 2 : 1;
      }
      return absl::OkStatus();
    }
    if (Starts("#*")) {
      const size_t close = text_.find("*#", at_ + 2);
      if (close == std::string_view::npos) return Error("the comment is not closed; add *#");
      at_ = close + 2;
      return absl::OkStatus();
    }
    if (Starts("#[[")) {
      const size_t close = text_.find("]]#", at_ + 3);
      if (close == std::string_view::npos) return Error("#[[ is not closed; add ]]#");
      AddText(text_.substr(at_ + 3, close - at_ - 3), at_, statements);
      at_ = close + 3;
      return absl::OkStatus();
    }
    if (IsSetAt(at_)) return ParseSet(statements);
    const std::string_view word = WordAt(at_ + 1);
    if (word.empty()) {
      ++at_;
      AddText("#", begin, statements);
      return absl::OkStatus();
    }
    at_ += word.size() + (Peek(1) == '{' ? 3 : 1);
    if (word == "end" || word == "else") {
      SkipLineEnd();
      end_at_ = begin;
      *end = word == "end" ? End::kEnd : End::kElse;
      *ended = true;
      return absl::OkStatus();
    }
    if (word == "elseif") {
      end_at_ = begin;
      *end = End::kElseIf;
      *ended = true;
      return absl::OkStatus();
    }
    if (word == "if") return ParseIf(begin, statements);
    // Other directives are known by their parenthesis.
    size_t paren = at_;
    while (paren < text_.size() && IsSpace(text_[paren])) ++paren;
    const bool has_paren = paren < text_.size() && text_[paren] == '(';
    if (word == "stop" || word == "break") {
      if (has_paren) {
        at_ = paren + 1;
        std::vector<uint32_t> arguments;
        absl::Status status = ParseArguments(nullptr, &arguments);
        if (!status.ok()) return status;
        if (arguments.size() > 1) {
          return ErrorAt(begin, Concat("#", word, " takes one argument at most"));
        }
      }
      statements->push_back(Add(word == "stop" ? Op::kStop : Op::kBreak, begin));
      return absl::OkStatus();
    }
    if (word == "include" || word == "parse" || word == "evaluate") {
      if (has_paren) {
        return ErrorAt(begin, Concat("#", word, " is not available in mapping templates; ",
                                     "write what it would insert"));
      }
    }
    if (!has_paren) {
      if (word == "macro" || word == "foreach" || word == "define") {
        return ErrorAt(begin, Concat("#", word, " needs its arguments in parentheses"));
      }
      // A macro is called without arguments too; whatever else it is, it is text.
      if (IsDirective(word) || word.front() == '@') {
        AddText(text_.substr(begin, at_ - begin), begin, statements);
      } else {
        AddCall(begin, word, {}, statements);
      }
      return absl::OkStatus();
    }
    at_ = paren + 1;
    if (word == "foreach") return ParseForeach(begin, statements);
    if (word == "define") return ParseDefine(begin, statements);
    if (word == "macro") return ParseMacro(begin);
    return ParseCall(begin, word, statements);
  }

  // Behind `)` of a directive.
  absl::Status TakeClosing(std::string_view directive) {
    SkipSpace();
    if (!Take(')')) {
      return Error(Concat("expected ')' at the end of ", directive,
                          "; calculations are possible in #set, #if and #elseif only"));
    }
    SkipLineEnd();
    return absl::OkStatus();
  }

  absl::Status ParseSet(std::vector<uint32_t>* statements) {
    const size_t begin = at_;
    at_ = text_.find('(', at_) + 1;
    SkipSpace();
    const size_t target_at = at_;
    uint32_t target = 0;
    if (Peek() != '$') return Error("#set needs a reference, as in #set($name = value)");
    absl::Status status = ParseReference(&target);
    if (!status.ok()) return status;
    switch (At(target).op) {
      case Op::kVariable:
      case Op::kParameter:
      case Op::kProperty:
      case Op::kIndex:
        break;
      case Op::kCall:
        return ErrorAt(target_at, "a value cannot be assigned to a method call");
      default:
        return ErrorAt(target_at,
                       "this cannot be set; use another name, or $context.requestOverride and "
                       "$context.responseOverride");
    }
    SkipSpace();
    if (!Take('=') || Peek() == '=') return Error("expected '=' in #set($name = value)");
    uint32_t value = 0;
    status = ParseExpression(&value);
    if (!status.ok()) return status;
    status = TakeClosing("#set");
    if (!status.ok()) return status;
    statements->push_back(Add(Op::kSet, begin, {target, value}));
    return absl::OkStatus();
  }

  absl::Status ParseCondition(std::string_view directive, uint32_t* condition) {
    SkipSpace();
    if (!Take('(')) return Error(Concat("expected '(' behind ", directive));
    absl::Status status = ParseExpression(condition);
    if (!status.ok()) return status;
    return TakeClosing(directive);
  }

  absl::Status ParseIf(size_t begin, std::vector<uint32_t>* statements) {
    std::vector<uint32_t> parts;
    uint32_t part = 0;
    absl::Status status = ParseCondition("#if", &part);
    if (!status.ok()) return status;
    parts.push_back(part);
    End end = End::kText;
    bool else_seen = false;
    for (;;) {
      status = ParseBlock(&part, &end);
      if (!status.ok()) return status;
      parts.push_back(part);
      if (end == End::kEnd) break;
      if (end == End::kText) return ErrorAt(begin, "#if is not ended; add #end");
      if (else_seen) return ErrorAt(end_at_, "#else must be the last part of #if");
      if (end == End::kElseIf) {
        status = ParseCondition("#elseif", &part);
        if (!status.ok()) return status;
        parts.push_back(part);
      } else {
        else_seen = true;
      }
    }
    statements->push_back(AddWithLinks(Op::kIf, begin, parts));
    return absl::OkStatus();
  }

  absl::Status ParseBody(size_t begin, std::string_view directive, uint32_t* block) {
    End end = End::kText;
    absl::Status status = ParseBlock(block, &end);
    if (!status.ok()) return status;
    if (end == End::kText) return ErrorAt(begin, Concat(directive, " is not ended; add #end"));
    if (end != End::kEnd) return ErrorAt(end_at_, Concat("#else does not belong to ", directive));
    return absl::OkStatus();
  }

  // A plain `$name` that a directive sets.
  absl::Status TakeName(std::string_view directive, std::string_view* name) {
    SkipSpace();
    const size_t begin = at_;
    if (!Take('$')) return Error(Concat("expected a reference like $name in ", directive));
    Take('!');
    const bool formal = Take('{');
    const size_t name_at = at_;
    if (!IsNameStart(Peek())) return ErrorAt(begin, "expected a name behind '$'");
    while (IsNameChar(Peek())) ++at_;
    *name = text_.substr(name_at, at_ - name_at);
    if (formal && !Take('}')) return Error("expected '}'");
    if (IsReserved(*name))
      return ErrorAt(begin, Concat("$", *name, " cannot be set; use another name"));
    return absl::OkStatus();
  }

  absl::Status ParseForeach(size_t begin, std::vector<uint32_t>* statements) {
    std::string_view name;
    absl::Status status = TakeName("#foreach", &name);
    if (!status.ok()) return status;
    SkipSpace();
    if (!Starts("in") || IsWordChar(Peek(2)))
      return Error("expected 'in': #foreach($item in $list)");
    at_ += 2;
    SkipSpace();
    uint32_t list = 0;
    status = ParsePrimary(&list, false);
    if (!status.ok()) return status;
    status = TakeClosing("#foreach");
    if (!status.ok()) return status;
    uint32_t block = 0;
    status = ParseBody(begin, "#foreach", &block);
    if (!status.ok()) return status;
    const uint32_t node = Add(Op::kForeach, begin, {list, block});
    At(node).a = Slot(name);
    statements->push_back(node);
    return absl::OkStatus();
  }

  absl::Status ParseDefine(size_t begin, std::vector<uint32_t>* statements) {
    std::string_view name;
    absl::Status status = TakeName("#define", &name);
    if (!status.ok()) return status;
    status = TakeClosing("#define");
    if (!status.ok()) return status;
    uint32_t block = 0;
    status = ParseBody(begin, "#define", &block);
    if (!status.ok()) return status;
    const uint32_t node = Add(Op::kDefine, begin, {block});
    At(node).a = Slot(name);
    statements->push_back(node);
    return absl::OkStatus();
  }

  absl::Status ParseMacro(size_t begin) {
    SkipSpace();
    const size_t name_at = at_;
    while (IsWordChar(Peek())) ++at_;
    auto macro = std::make_unique<Macro>();
    macro->name = std::string(text_.substr(name_at, at_ - name_at));
    if (macro->name.empty() || IsDigit(macro->name.front())) {
      return ErrorAt(name_at, "#macro needs a name: #macro(name $first $second)");
    }
    if (IsDirective(macro->name)) {
      return ErrorAt(name_at, Concat("#", macro->name, " is a directive; choose another name"));
    }
    for (;;) {
      SkipSpace();
      if (Take(',')) SkipSpace();
      if (Peek() == ')') break;
      std::string_view name;
      absl::Status status = TakeName("#macro", &name);
      if (!status.ok()) return status;
      macro->parameters.emplace_back(name);
    }
    absl::Status status = TakeClosing("#macro");
    if (!status.ok()) return status;
    const auto number = static_cast<uint32_t>(program_.macros.size());
    if (number > UINT16_MAX - 1) return ErrorAt(begin, "too many macros");
    program_.macros.push_back(*macro);
    const std::vector<const Macro*> outer = std::exchange(shared_.macro_scope, {macro.get()});
    const uint32_t outer_number = std::exchange(shared_.macro_number, number);
    uint32_t block = 0;
    status = ParseBody(begin, "#macro", &block);
    shared_.macro_scope = outer;
    shared_.macro_number = outer_number;
    if (!status.ok()) return status;
    program_.macros[number].block = block;
    return absl::OkStatus();
  }

  // Arguments of a directive up to the ')': blanks or commas between them. `words`, if given, also
  // takes bare words, which then stand for nothing.
  absl::Status ParseArguments(bool* words, std::vector<uint32_t>* arguments) {
    for (;;) {
      SkipSpace();
      if (Take(',')) SkipSpace();
      if (Peek() == ')') break;
      if (AtEnd()) return Error("expected ')'");
      if (words != nullptr && IsNameStart(Peek()) && !Starts("true") && !Starts("false")) {
        while (IsWordChar(Peek())) ++at_;
        *words = true;
        continue;
      }
      uint32_t argument = 0;
      absl::Status status = ParsePrimary(&argument, false);
      if (!status.ok()) return status;
      arguments->push_back(argument);
    }
    ++at_;
    SkipLineEnd();
    return absl::OkStatus();
  }

  // #name(...): a macro, or, if there is none of that name, text.
  absl::Status ParseCall(size_t begin, std::string_view word, std::vector<uint32_t>* statements) {
    std::vector<uint32_t> arguments;
    bool words = false;
    absl::Status status = ParseArguments(&words, &arguments);
    if (!status.ok()) return status;
    const bool with_body = word.front() == '@';
    if (with_body) {
      word.remove_prefix(1);
      Slot("bodyContent");
      uint32_t block = 0;
      status = ParseBody(begin, Concat("#@", word), &block);
      if (!status.ok()) return status;
      arguments.push_back(block);
    }
    // With bare words among its arguments it is no call.
    const uint32_t node = AddCall(begin, words ? std::string_view() : word, arguments, statements);
    At(node).flag = with_body;
    return absl::OkStatus();
  }

  // A call, or text if it turns out that there is no macro `name`.
  uint32_t AddCall(size_t begin, std::string_view name, const std::vector<uint32_t>& arguments,
                   std::vector<uint32_t>* statements) {
    const std::string_view source = text_.substr(begin, at_ - begin);
    const auto text_at = static_cast<uint32_t>(program_.texts.size());
    program_.texts += source;
    const uint32_t node = AddWithLinks(Op::kMacroCall, begin, arguments);
    At(node).a = text_at;
    At(node).b = static_cast<uint32_t>(source.size());
    shared_.calls.emplace_back(node, std::string(name));
    statements->push_back(node);
    return node;
  }

  // References.

  // `$`, with `slashes` backslashes in front of it.
  absl::Status ParseDollar(size_t slashes, std::vector<uint32_t>* statements) {
    const size_t begin = at_;
    size_t ahead = 1;
    if (Peek(ahead) == '!') ++ahead;
    if (Peek(ahead) == '{') ++ahead;
    if (!IsNameStart(Peek(ahead))) {
      AddText(text_.substr(begin - slashes, slashes + 1), begin, statements);
      ++at_;
      return absl::OkStatus();
    }
    uint32_t reference = 0;
    absl::Status status = ParseReference(&reference);
    if (!status.ok()) return status;
    const std::string_view source = text_.substr(begin, at_ - begin);
    const uint32_t node = Add(Op::kEmit, begin, {reference});
    if (slashes != 0) {
      At(node).a = static_cast<uint32_t>(program_.texts.size());
      At(node).b = static_cast<uint32_t>(source.size());
      program_.texts += source;
      At(node).prefix = static_cast<uint16_t>(std::min<size_t>(slashes, UINT16_MAX));
    }
    statements->push_back(node);
    return absl::OkStatus();
  }

  // At '$'.
  absl::Status ParseReference(uint32_t* out) {
    const Nested nested(&shared_.nesting);
    absl::Status status = CheckLimits();
    if (!status.ok()) return status;
    const size_t begin = at_;
    ++at_;
    Take('!');  // quiet, as every reference is here
    const bool formal = Take('{');
    const size_t name_at = at_;
    if (!IsNameStart(Peek())) return ErrorAt(begin, "expected a name behind '$'");
    while (IsNameChar(Peek())) ++at_;
    const std::string_view name = text_.substr(name_at, at_ - name_at);
    uint32_t node = Root(name, begin);
    std::string dotted;  // behind $context, as long as it is only names
    bool in_context = name == "context";
    if (in_context) {
      if (const auto number = shared_.resolver.ContextVariable("")) {
        At(node).a = *number + 1;
        At(node).flag = true;
      }
    }
    for (;;) {
      if (Peek() == '[') {
        const size_t bracket = at_++;
        uint32_t index = 0;
        SkipSpace();
        status = ParseIndex(&index);
        if (!status.ok()) return status;
        SkipSpace();
        if (!Take(']')) return Error("expected ']'");
        if (At(index).op == Op::kConstant && program_.constants[At(index).a].is_string()) {
          node = Property(node, program_.constants[At(index).a].text(), bracket, true, &dotted,
                          &in_context);
        } else {
          in_context = false;
          node = Add(Op::kIndex, bracket, {node, index});
        }
        continue;
      }
      if (Peek() != '.' || !IsLetter(Peek(1))) break;
      const size_t member_at = ++at_;
      while (IsNameChar(Peek())) ++at_;
      const std::string_view member = text_.substr(member_at, at_ - member_at);
      if (Take('(')) {
        status = ParseMethod(&node, member, member_at, &dotted, &in_context);
        if (!status.ok()) return status;
      } else {
        node = Property(node, member, member_at, false, &dotted, &in_context);
      }
    }
    if (formal && !Take('}')) {
      return Error(Concat("expected '}' at the end of ${", name, "...}"));
    }
    *out = node;
    return absl::OkStatus();
  }

  uint32_t Root(std::string_view name, size_t at) {
    if (!shared_.macro_scope.empty()) {
      const std::vector<std::string>& parameters = shared_.macro_scope.back()->parameters;
      const auto found = std::find(parameters.begin(), parameters.end(), name);
      if (found != parameters.end()) {
        const uint32_t node = Add(Op::kParameter, at);
        At(node).a = static_cast<uint32_t>(found - parameters.begin());
        At(node).b = Slot(name);
        At(node).prefix = static_cast<uint16_t>(shared_.macro_number);
        return node;
      }
    }
    if (name == "input") return Add(Op::kInput, at);
    if (name == "util") return Add(Op::kUtil, at);
    if (name == "stageVariables") return Add(Op::kStageMap, at);
    if (name == "context") return Add(Op::kContext, at);
    const uint32_t slot = Slot(name);
    const uint32_t node = Add(Op::kVariable, at);
    At(node).a = slot;
    return node;
  }

  uint32_t Property(uint32_t of, std::string_view name, size_t at, bool bracket,
                    std::string* dotted, bool* in_context) {
    if (*in_context) {
      if (dotted->empty() && (name == "requestOverride" || name == "responseOverride")) {
        *in_context = false;
        const uint32_t node = Add(Op::kOverrideRoot, at);
        At(node).flag = name == "responseOverride";
        return node;
      }
      if (!dotted->empty()) *dotted += '.';
      *dotted += name;
      if (const auto number = shared_.resolver.ContextVariable(*dotted)) {
        const uint32_t node = Add(Op::kContext, at);
        At(node).a = *number + 1;
        return node;
      }
    }
    switch (At(of).op) {
      case Op::kInput:
        if (name == "body" && !bracket) return Add(Op::kInputBody, at);
        break;
      case Op::kStageMap: {
        const uint32_t constant = TextConstant(name);
        const uint32_t node = Add(Op::kStageValue, at);
        At(node).a = constant;
        return node;
      }
      default:
        if (const auto param = ParamIn(of, name, at)) return *param;
        break;
    }
    const uint32_t constant = TextConstant(name);
    const uint32_t node = Add(Op::kProperty, at, {of});
    At(node).a = constant;
    At(node).flag = bracket;
    return node;
  }

  // `$input.params().header` is `of`, and `name` is looked up in it.
  std::optional<uint32_t> ParamIn(uint32_t of, std::string_view name, size_t at) {
    std::string_view location;
    if (At(of).op == Op::kProperty) {
      location = program_.constants[At(of).a].text();
    } else if (At(of).op == Op::kCall && At(of).method == Method::kGet && At(of).count == 2 &&
               At(Link(of, 1)).op == Op::kConstant &&
               program_.constants[At(Link(of, 1)).a].is_string()) {
      location = program_.constants[At(Link(of, 1)).a].text();
    } else {
      return std::nullopt;
    }
    const uint32_t params = Link(of, 0);
    if (At(params).op != Op::kCall || At(params).method != Method::kParams ||
        At(params).count != 1 || At(Link(params, 0)).op != Op::kInput) {
      return std::nullopt;
    }
    std::optional<ParamLocation> known;
    if (location == "path") known = ParamLocation::kPath;
    if (location == "querystring") known = ParamLocation::kQueryString;
    if (location == "header") known = ParamLocation::kHeader;
    if (!known.has_value()) return std::nullopt;
    const uint32_t constant = TextConstant(name);
    const uint32_t node = Add(Op::kInputParam, at);
    At(node).a = constant;
    At(node).b = static_cast<uint32_t>(*known);
    return node;
  }

  // Behind '('.
  absl::Status ParseMethod(uint32_t* node, std::string_view name, size_t at, std::string* dotted,
                           bool* in_context) {
    std::vector<uint32_t> links = {*node};
    SkipSpace();
    while (Peek() != ')') {
      if (links.size() > 1) {
        if (!Take(',')) {
          return Error(
              "expected ',' or ')'; a calculation must be done with #set before it is an argument");
        }
        SkipSpace();
      }
      if (AtEnd()) return Error(Concat("the arguments of ", name, "() are not closed; add ')'"));
      uint32_t argument = 0;
      absl::Status status = ParsePrimary(&argument, false);
      if (!status.ok()) return status;
      links.push_back(argument);
      SkipSpace();
    }
    ++at_;
    const Method method = FindMethod(name);
    const size_t count = links.size() - 1;
    const Value* text = nullptr;
    if (count >= 1 && At(links[1]).op == Op::kConstant &&
        program_.constants[At(links[1]).a].is_string()) {
      text = &program_.constants[At(links[1]).a];
    }
    const Op of = At(*node).op;
    if (of == Op::kUtil && (method < Method::kBase64Decode && method != Method::kParseJson)) {
      return ErrorAt(at, Concat("$util has no method ", name,
                                "(); known are escapeJavaScript, parseJson, urlEncode, urlDecode, "
                                "base64Encode and base64Decode"));
    }
    if (of == Op::kInput && method != Method::kJson && method != Method::kPath &&
        method != Method::kParams) {
      return ErrorAt(at,
                     Concat("$input has no method ", name, "(); known are json, path and params"));
    }
    if (text != nullptr && count == 1) {
      const std::string_view argument = text->text();
      if (of == Op::kInput && (method == Method::kJson || method == Method::kPath)) {
        absl::StatusOr<JsonPath> path = JsonPath::Compile(argument);
        if (!path.ok()) return ErrorAt(at, std::string(path.status().message()));
        *node = Add(method == Method::kJson ? Op::kInputJson : Op::kInputPath, at);
        At(*node).a = static_cast<uint32_t>(program_.paths.size());
        program_.paths.push_back(*std::move(path));
        return absl::OkStatus();
      }
      if (of == Op::kInput && method == Method::kParams) {
        *node = Add(Op::kInputParam, at);
        At(*node).a = At(links[1]).a;
        At(*node).b = kAnyLocation;
        return absl::OkStatus();
      }
      if (method == Method::kGet && (of == Op::kStageMap || *in_context)) {
        *node = Property(*node, argument, at, true, dotted, in_context);
        return absl::OkStatus();
      }
      if (method == Method::kGet) {
        if (const auto param = ParamIn(*node, argument, at)) {
          *node = *param;
          return absl::OkStatus();
        }
      }
    }
    *in_context = false;
    *node = AddWithLinks(Op::kCall, at, links);
    At(*node).method = method;
    if (method == Method::kUnknown) At(*node).b = TextConstant(name);
    if (text != nullptr && TakesPattern(method) && text->text().size() <= kMaxConstantPattern) {
      // Whether the receiver is a string is not known yet; a map may have anything under such a
      // name but methods, so the pattern is one.
      const std::string_view pattern = text->text();
      auto compiled =
          std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), PatternOptions());
      if (!compiled->ok()) {
        return ErrorAt(at, Concat("the pattern of ", name, "() is refused: ", compiled->error(),
                                  "; look-around, back references and possessive quantifiers are "
                                  "not available"));
      }
      program_.patterns.push_back(std::move(compiled));
      At(*node).a = static_cast<uint32_t>(program_.patterns.size());
    }
    return absl::OkStatus();
  }

  absl::Status ParseIndex(uint32_t* out) {
    const char c = Peek();
    if (c == '"' || c == '\'' || c == '$' || IsDigit(c) || c == '-' || Starts("true") ||
        Starts("false")) {
      return ParsePrimary(out, false);
    }
    return Error("expected an index: a number, a quoted text or a reference");
  }

  // Expressions, from the loosest operator to the tightest.

  absl::Status ParseExpression(uint32_t* out) { return ParseBinary(out, 0); }

  bool TakeWordOperator(std::string_view word) {
    if (!Starts(word) || IsWordChar(Peek(word.size()))) return false;
    at_ += word.size();
    return true;
  }

  std::optional<Op> TakeOperator(int level) {
    SkipSpace();
    const auto take = [&](std::string_view symbol, std::string_view word) {
      if (Starts(symbol)) {
        at_ += symbol.size();
        return true;
      }
      return !word.empty() && TakeWordOperator(word);
    };
    switch (level) {
      case 0:
        if (take("||", "or")) return Op::kOr;
        break;
      case 1:
        if (take("&&", "and")) return Op::kAnd;
        break;
      case 2:
        if (take("==", "eq")) return Op::kEqual;
        if (take("!=", "ne")) return Op::kNotEqual;
        break;
      case 3:
        if (take("<=", "le")) return Op::kLessEqual;
        if (take(">=", "ge")) return Op::kGreaterEqual;
        if (take("<", "lt")) return Op::kLess;
        if (take(">", "gt")) return Op::kGreater;
        break;
      case 4:
        if (take("+", "")) return Op::kAdd;
        if (take("-", "")) return Op::kSubtract;
        break;
      case 5:
        if (take("*", "")) return Op::kMultiply;
        if (take("/", "")) return Op::kDivide;
        if (take("%", "")) return Op::kModulo;
        break;
      default:
        break;
    }
    return std::nullopt;
  }

  absl::Status ParseBinary(uint32_t* out, int level) {
    if (level == 6) return ParseUnary(out);
    absl::Status status = ParseBinary(out, level + 1);
    if (!status.ok()) return status;
    int chain = 0;
    for (;;) {
      SkipSpace();
      const size_t at = at_;
      const std::optional<Op> op = TakeOperator(level);
      if (!op.has_value()) return absl::OkStatus();
      if (++chain > 4 * kMaxNesting) return Error("too many operators; take it apart with #set");
      uint32_t right = 0;
      status = ParseBinary(&right, level + 1);
      if (!status.ok()) return status;
      *out = Add(*op, at, {*out, right});
    }
  }

  absl::Status ParseUnary(uint32_t* out) {
    const Nested nested(&shared_.nesting);
    absl::Status status = CheckLimits();
    if (!status.ok()) return status;
    SkipSpace();
    const size_t at = at_;
    if ((Peek() == '!' && Peek(1) != '=') || (Starts("not") && !IsWordChar(Peek(3)))) {
      at_ += Peek() == '!' ? 1 : 3;
      uint32_t inner = 0;
      status = ParseUnary(&inner);
      if (!status.ok()) return status;
      *out = Add(Op::kNot, at, {inner});
      return absl::OkStatus();
    }
    return ParsePrimary(out, true);
  }

  absl::Status ParsePrimary(uint32_t* out, bool parentheses) {
    SkipSpace();
    const size_t at = at_;
    const char c = Peek();
    if (c == '$') return ParseReference(out);
    if (c == '"' || c == '\'') return ParseString(out);
    if (c == '[') return ParseList(out);
    if (c == '{') return ParseMap(out);
    if (c == '(' && parentheses) {
      ++at_;
      absl::Status status = ParseExpression(out);
      if (!status.ok()) return status;
      SkipSpace();
      if (!Take(')')) return Error("expected ')'");
      return absl::OkStatus();
    }
    if (IsDigit(c) || ((c == '-' || c == '.') && (IsDigit(Peek(1)) || Peek(1) == '.'))) {
      return ParseNumber(out);
    }
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "true" : "false";
      if (!Starts(word) || IsWordChar(Peek(word.size()))) continue;
      at_ += word.size();
      *out = Add(Op::kConstant, at);
      const uint32_t constant = Constant(Value::Bool(value));
      At(*out).a = constant;
      return absl::OkStatus();
    }
    return Error(
        "expected a value: $reference, \"text\", 'text', a number, true, false, [list] or "
        "{\"map\" : \"value\"}");
  }

  absl::Status ParseNumber(uint32_t* out) {
    const size_t begin = at_;
    if (Peek() == '-') ++at_;
    while (IsDigit(Peek())) ++at_;
    bool fraction = false;
    if (Peek() == '.' && Peek(1) != '.') {
      fraction = true;
      ++at_;
      while (IsDigit(Peek())) ++at_;
    }
    if ((Peek() == 'e' || Peek() == 'E') &&
        (IsDigit(Peek(1)) || ((Peek(1) == '+' || Peek(1) == '-') && IsDigit(Peek(2))))) {
      fraction = true;
      at_ += 2;
      while (IsDigit(Peek())) ++at_;
    }
    const std::string_view digits = text_.substr(begin, at_ - begin);
    Value value;
    if (fraction) {
      double number = 0;
      std::string text(digits);
      const char* first = text.c_str();
      const auto result = std::from_chars(first, first + text.size(), number);
      if (result.ec != std::errc() || result.ptr == first) {
        return ErrorAt(begin, "not a number that Double can hold");
      }
      value = Value::Double(number);
    } else {
      int64_t number = 0;
      const auto [stop, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), number);
      if (error == std::errc::invalid_argument) return ErrorAt(begin, "not a number");
      value =
          error == std::errc() ? Value::Integer(number) : Value::Big(program_.arena.Copy(digits));
    }
    *out = Add(Op::kConstant, begin);
    const uint32_t constant = Constant(value);
    At(*out).a = constant;
    return absl::OkStatus();
  }

  absl::Status ParseString(uint32_t* out) {
    const size_t begin = at_;
    const char quote = text_[at_++];
    std::string content;
    for (;;) {
      const size_t close = text_.find(quote, at_);
      if (close == std::string_view::npos) {
        return ErrorAt(begin, "the text is not closed; add the quote (a quote inside is doubled)");
      }
      content += text_.substr(at_, close - at_);
      at_ = close + 1;
      if (Peek() != quote) break;
      content += quote;
      ++at_;
    }
    const bool exact = content.size() == at_ - begin - 2;
    if (quote == '"') {
      absl::Status status = Unescape(begin, &content);
      if (!status.ok()) return status;
      if (content.find_first_of("$#") != std::string::npos) {
        const Nested nested(&shared_.nesting);
        absl::Status limits = CheckLimits();
        if (!limits.ok()) return limits;
        uint32_t block = 0;
        Parser inner(shared_, content, Place(begin) + (exact && exact_ ? 1 : 0), exact && exact_);
        status = inner.ParseAll(&block);
        if (!status.ok()) return status;
        *out = Add(Op::kInterpolate, begin, {block});
        return absl::OkStatus();
      }
    }
    const uint32_t constant = TextConstant(content);
    *out = Add(Op::kConstant, begin);
    At(*out).a = constant;
    return absl::OkStatus();
  }

  // \uXXXX, the only escape of a text in double quotes.
  absl::Status Unescape(size_t at, std::string* content) const {
    if (content->find("\\u") == std::string::npos) return absl::OkStatus();
    std::string plain;
    {
      StringSink sink(&plain);
      std::string_view rest = *content;
      const auto take_unit = [&rest](uint32_t* unit) {
        if (rest.substr(0, 2) != "\\u" || rest.size() < 6) return false;
        const auto result = std::from_chars(rest.data() + 2, rest.data() + 6, *unit, 16);
        if (result.ec != std::errc() || result.ptr != rest.data() + 6) return false;
        rest.remove_prefix(6);
        return true;
      };
      for (;;) {
        const size_t escape = rest.find("\\u");
        sink.Append(rest.substr(0, escape));
        if (escape == std::string_view::npos) break;
        rest.remove_prefix(escape);
        uint32_t unit = 0;
        if (!take_unit(&unit)) {
          return ErrorAt(at, "\\u in a text must be followed by four hexadecimal digits");
        }
        char32_t point = unit;
        if (unit >= 0xD800 && unit < 0xDC00) {
          uint32_t low = 0;
          const std::string_view before = rest;
          if (take_unit(&low) && low >= 0xDC00 && low < 0xE000) {
            point = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
          } else {
            rest = before;
          }
        }
        AppendCodePoint(point, sink);
      }
    }
    *content = std::move(plain);
    return absl::OkStatus();
  }

  absl::Status ParseList(uint32_t* out) {
    const Nested nested(&shared_.nesting);
    absl::Status status = CheckLimits();
    if (!status.ok()) return status;
    const size_t begin = at_++;
    std::vector<uint32_t> items;
    SkipSpace();
    while (Peek() != ']') {
      if (!items.empty()) {
        SkipSpace();
        if (items.size() == 1 && Starts("..")) {
          at_ += 2;
          uint32_t last = 0;
          status = ParsePrimary(&last, false);
          if (!status.ok()) return status;
          SkipSpace();
          if (!Take(']')) return Error("expected ']' at the end of [first..last]");
          *out = Add(Op::kRange, begin, {items.front(), last});
          return absl::OkStatus();
        }
        if (!Take(',')) return Error("expected ',', '..' or ']'");
      }
      uint32_t item = 0;
      status = ParsePrimary(&item, false);
      if (!status.ok()) return status;
      items.push_back(item);
      SkipSpace();
    }
    ++at_;
    *out = AddWithLinks(Op::kList, begin, items);
    return absl::OkStatus();
  }

  absl::Status ParseMap(uint32_t* out) {
    const Nested nested(&shared_.nesting);
    absl::Status status = CheckLimits();
    if (!status.ok()) return status;
    const size_t begin = at_++;
    std::vector<uint32_t> items;
    SkipSpace();
    while (Peek() != '}') {
      if (!items.empty() && !Take(',')) return Error("expected ',' or '}'");
      uint32_t item = 0;
      status = ParsePrimary(&item, false);
      if (!status.ok()) return status;
      items.push_back(item);
      SkipSpace();
      if (!Take(':')) return Error("expected ':' between key and value");
      status = ParsePrimary(&item, false);
      if (!status.ok()) return status;
      items.push_back(item);
      SkipSpace();
    }
    ++at_;
    *out = AddWithLinks(Op::kMap, begin, items);
    return absl::OkStatus();
  }

  Shared& shared_;
  Program& program_;
  std::string_view text_;
  uint32_t origin_;
  bool exact_;
  size_t at_ = 0;
  size_t end_at_ = 0;  // where the directive stands that ended the last block
};

// Calls get the numbers of their macros; without one they are text.
void ResolveCalls(const Shared& shared, Program* program) {
  for (const auto& call : shared.calls) {
    const std::string& name = call.second;
    Node& node = program->nodes[call.first];
    // Of several macros of one name the last counts.
    const auto found = std::find_if(program->macros.rbegin(), program->macros.rend(),
                                    [&](const Macro& macro) { return macro.name == name; });
    if (name.empty() || found == program->macros.rend()) {
      node.op = Op::kText;
      node.count = 0;
    } else {
      node.a = static_cast<uint32_t>(program->macros.rend() - found - 1);
    }
  }
}

}  // namespace
}  // namespace vtl

std::string MappingTemplate::Program::Message(uint32_t position, std::string_view what) const {
  const std::string_view before = std::string_view(source).substr(0, position);
  const auto line = static_cast<size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const size_t line_begin = before.rfind('\n') + 1;  // 0 if there is none
  size_t column = 1;
  for (const char c : before.substr(line_begin)) {
    if ((static_cast<unsigned char>(c) >> 6) != 2) ++column;
  }
  return Concat(name, ":", line, ":", column, ": ", what);
}

namespace vtl {
namespace {

// What is reachable from the root; parsing leaves nodes behind that became others.
TemplateNeeds FindNeeds(const Program& program) {
  TemplateNeeds needs;
  std::vector<bool> seen(program.nodes.size());
  std::vector<uint32_t> left = {program.root};
  for (const Macro& macro : program.macros) left.push_back(macro.block);
  while (!left.empty()) {
    const uint32_t at = left.back();
    left.pop_back();
    if (seen[at]) continue;
    seen[at] = true;
    const Node& node = program.nodes[at];
    // $input.json(...) and $input.path(...) of a path that is not constant.
    const bool reads_body =
        node.op == Op::kCall && (node.method == Method::kJson || node.method == Method::kPath);
    for (uint32_t i = 0; i < node.count; ++i) {
      const uint32_t link = program.links[node.first + i];
      if (reads_body && i == 0 && program.nodes[link].op == Op::kInput) continue;
      left.push_back(link);
    }
    switch (node.op) {
      case Op::kInput:
        needs = {.body = true, .query = true, .headers = true};
        break;
      case Op::kInputParam:
        needs.query = needs.query || node.b == kAnyLocation ||
                      node.b == static_cast<uint32_t>(ParamLocation::kQueryString);
        needs.headers = needs.headers || node.b == kAnyLocation ||
                        node.b == static_cast<uint32_t>(ParamLocation::kHeader);
        break;
      case Op::kInputBody:
      case Op::kInputJson:
      case Op::kInputPath:
        needs.body = true;
        break;
      default:
        needs.body = needs.body || reads_body;
        break;
    }
  }
  return needs;
}

}  // namespace
}  // namespace vtl

absl::StatusOr<MappingTemplate> MappingTemplate::Compile(std::string_view source,
                                                         const TemplateResolver& resolver,
                                                         const TemplateOptions& options) {
  auto program = std::make_shared<Program>();
  program->name = std::string(options.name);
  if (source.size() > kMaxSize) {
    return absl::InvalidArgumentError(Concat(options.name, ": the template has ", source.size(),
                                             " bytes; a mapping template must not be larger than ",
                                             kMaxSize));
  }
  program->source = std::string(source);
  size_t begin = 0;
  size_t end = program->source.size();
  if (options.trim) {
    while (begin < end && vtl::IsSpace(program->source[begin])) ++begin;
    while (end > begin && vtl::IsSpace(program->source[end - 1])) --end;
  }
  vtl::Shared shared{*program, resolver};
  vtl::Parser parser(shared, std::string_view(program->source).substr(begin, end - begin),
                     static_cast<uint32_t>(begin), true);
  const absl::Status status = parser.ParseAll(&program->root);
  if (!status.ok()) return status;
  vtl::ResolveCalls(shared, program.get());
  program->needs = vtl::FindNeeds(*program);
  return TemplateProgramAccess::Make(std::move(program));
}

TemplateNeeds MappingTemplate::needs() const { return program_->needs; }

std::optional<std::string_view> MappingTemplate::constant() const {
  const vtl::Node& root = program_->nodes[program_->root];
  if (root.count == 0) return std::string_view("");
  const vtl::Node& only = program_->nodes[program_->links[root.first]];
  if (root.count != 1 || only.op != vtl::Op::kText) return std::nullopt;
  return std::string_view(program_->texts).substr(only.a, only.b);
}

}  // namespace postern
