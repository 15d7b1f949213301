#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/status/status.h"
#include "lib/jsonpath/json_path.h"
#include "lib/jsonpath/json_path_program.h"
#include "lib/text/concat.h"
#include "lib/text/utf8.h"

namespace postern {

using json_path_internal::Expression;
using json_path_internal::Function;
using json_path_internal::Operand;
using json_path_internal::Operator;
using json_path_internal::Token;
using json_path_internal::TokenKind;

namespace {

constexpr int64_t kMaxPatternMemory = 1 << 20;

struct NamedFunction {
  std::string_view name;
  Function function;
};
constexpr NamedFunction kFunctions[] = {
    {"min", Function::kMin},       {"max", Function::kMax},     {"avg", Function::kAvg},
    {"stddev", Function::kStddev}, {"sum", Function::kSum},     {"length", Function::kLength},
    {"size", Function::kLength},   {"keys", Function::kKeys},   {"concat", Function::kConcat},
    {"append", Function::kAppend}, {"first", Function::kFirst}, {"last", Function::kLast},
    {"index", Function::kIndex},
};

struct NamedOperator {
  std::string_view name;
  Operator op;
};
// Longer ones first where one begins with another.
constexpr NamedOperator kSymbols[] = {
    {"===", Operator::kTypeSafeEq}, {"!==", Operator::kTypeSafeNe}, {"==", Operator::kEq},
    {"!=", Operator::kNe},          {"=~", Operator::kRegex},       {"<=", Operator::kLe},
    {">=", Operator::kGe},          {"<", Operator::kLt},           {">", Operator::kGt},
};
constexpr NamedOperator kWords[] = {
    {"in", Operator::kIn},
    {"nin", Operator::kNin},
    {"subsetof", Operator::kSubsetOf},
    {"anyof", Operator::kAnyOf},
    {"noneof", Operator::kNoneOf},
    {"size", Operator::kSize},
    {"empty", Operator::kEmpty},
    {"contains", Operator::kContains},
    {"all", Operator::kAll},
};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

class JsonPathCompiler {
 public:
  JsonPathCompiler(std::string_view text, JsonPath::Program* program, int nesting)
      : text_(text), program_(*program), nesting_(nesting) {}

  // The whole text as a path.
  absl::Status CompileAll() {
    SkipSpace();
    if (Peek() == '$' || Peek() == '@')
      ++at_;
    else if (Peek() != '[')
      --virtual_dot_;
    while (!text_.empty() && end_ > at_ && IsSpace(text_[end_ - 1])) --end_;
    return CompileTokens();
  }

  static absl::StatusOr<JsonPath> Compile(std::string_view text, int nesting) {
    auto program = std::make_shared<JsonPath::Program>();
    program->text = std::string(text);
    if (text.size() > JsonPath::kMaxSize) {
      return absl::InvalidArgumentError(
          Concat("JSONPath: longer than ", JsonPath::kMaxSize, " bytes; shorten it"));
    }
    if (nesting > JsonPath::kMaxNesting) {
      return absl::InvalidArgumentError("JSONPath: filters are nested too deeply; take them apart");
    }
    // Literals point into this copy, which does not move.
    program->literal_text = program->text;
    JsonPathCompiler compiler(program->literal_text, program.get(), nesting);
    const absl::Status status = compiler.CompileAll();
    if (!status.ok()) return status;
    return JsonPath(std::move(program));
  }

 private:
  char Peek(size_t ahead = 0) const { return at_ + ahead < end_ ? text_[at_ + ahead] : '\0'; }
  bool AtEnd() const { return at_ >= end_; }
  void SkipSpace() {
    while (at_ < end_ && IsSpace(text_[at_])) ++at_;
  }
  bool Take(char c) {
    if (Peek() != c || AtEnd()) return false;
    ++at_;
    return true;
  }
  bool TakeText(std::string_view what) {
    if (text_.substr(at_, end_ - at_).substr(0, what.size()) != what) return false;
    at_ += what.size();
    return true;
  }

  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(
        Concat("JSONPath '", program_.text, "', character ", at_ + 1, ": ", what));
  }

  absl::Status CompileTokens() {
    bool first = virtual_dot_ != 0;  // a path without `$.` in front
    while (!AtEnd()) {
      absl::Status status;
      if (first) {
        status = CompileName();
      } else if (Peek() == '[') {
        status = CompileBracket();
      } else if (Take('.')) {
        if (Take('.')) {
          Add(TokenKind::kScan, false);
          if (AtEnd()) return Error("a name, '*' or '[' must follow '..'");
          status = Peek() == '[' ? CompileBracket() : CompileName();
        } else if (Peek() == '[') {
          status = CompileBracket();
        } else {
          status = CompileName();
        }
      } else {
        return Error("expected '.' or '['");
      }
      if (!status.ok()) return status;
      first = false;
    }
    bool definite = true;
    for (Token& token : program_.tokens) {
      token.upstream_definite = definite;
      definite = definite && token.definite;
    }
    const auto& tokens = program_.tokens;
    const bool function = !tokens.empty() && tokens.back().kind == TokenKind::kFunction;
    program_.function_of_all = function && tokens.front().kind == TokenKind::kScan;
    program_.definite = definite || program_.function_of_all;
    return absl::OkStatus();
  }

  Token& Add(TokenKind kind, bool definite) {
    Token& token = program_.tokens.emplace_back();
    token.kind = kind;
    token.definite = definite;
    return token;
  }

  absl::Status CompileName() {
    if (Take('*')) {
      Add(TokenKind::kWildcard, false);
      return absl::OkStatus();
    }
    const size_t begin = at_;
    while (!AtEnd() && Peek() != '.' && Peek() != '[' && Peek() != '(' && Peek() != ' ') ++at_;
    if (at_ == begin) return Error("expected a name, '*' or '['; a path must not end with '.'");
    if (Peek() == ' ') return Error("a name with a blank must be written ['like this']");
    const std::string_view name = text_.substr(begin, at_ - begin);
    if (!Take('(')) {
      Add(TokenKind::kProperty, true).names.emplace_back(name);
      return absl::OkStatus();
    }
    const auto* function = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                        [&](const NamedFunction& f) { return f.name == name; });
    if (function == std::end(kFunctions)) {
      at_ = begin;
      return Error(Concat("there is no function '", name,
                          "()'; known are min, max, avg, stddev, sum, length, size, keys, concat, "
                          "append, first, last and index"));
    }
    std::vector<Operand> parameters;
    SkipSpace();
    while (!Take(')')) {
      if (!parameters.empty() && !Take(',')) return Error("expected ',' or ')'");
      SkipSpace();
      Operand operand;
      absl::Status status = CompileOperand(&operand, ",)");
      if (!status.ok()) return status;
      if (operand.kind == Operand::Kind::kRegex) return Error("a pattern cannot stand here");
      parameters.push_back(std::move(operand));
      SkipSpace();
    }
    if (!AtEnd()) return Error("a function must stand at the end of the path");
    Token& token = Add(TokenKind::kFunction, true);
    token.function = function->function;
    token.parameters = std::move(parameters);
    return absl::OkStatus();
  }

  absl::Status CompileBracket() {
    ++at_;
    SkipSpace();
    const char c = Peek();
    if (c == '*') {
      ++at_;
      Add(TokenKind::kWildcard, false);
    } else if (c == '\'' || c == '"') {
      std::vector<std::string> names;
      do {
        SkipSpace();
        std::string name;
        absl::Status status = TakeQuoted(&name);
        if (!status.ok()) return status;
        names.push_back(std::move(name));
        SkipSpace();
      } while (Take(','));
      const bool one = names.size() == 1;
      // Several names at the end give one object with those members; elsewhere, each in turn.
      Token& token = Add(one ? TokenKind::kProperty : TokenKind::kProperties, true);
      token.names = std::move(names);
      SkipSpace();
      if (!Take(']')) return Error("expected ',' or ']' behind a name");
      if (!AtEnd() && !one) program_.tokens.back().definite = false;
      return absl::OkStatus();
    } else if (c == '?') {
      ++at_;
      SkipSpace();
      if (!Take('(')) return Error("expected '(' behind '?'");
      if (nesting_ >= JsonPath::kMaxNesting) return Error("filters are nested too deeply");
      Expression expression;
      absl::Status status = CompileOr(&expression, 0);
      if (!status.ok()) return status;
      SkipSpace();
      if (!Take(')')) return Error("expected '&&', '||' or ')'");
      Add(TokenKind::kFilter, false).expression = std::move(expression);
    } else if (IsDigit(c) || c == '-' || c == ':') {
      absl::Status status = CompileIndexes();
      if (!status.ok()) return status;
    } else {
      return Error("expected a quoted name, a number, ':', '*' or '?(' behind '['");
    }
    SkipSpace();
    if (!Take(']')) return Error("expected ']'");
    return absl::OkStatus();
  }

  absl::Status TakeInteger(std::optional<int64_t>* number) {
    SkipSpace();
    if (!IsDigit(Peek()) && Peek() != '-') return absl::OkStatus();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + end_, value);
    if (error != std::errc() || value > INT32_MAX || value < INT32_MIN) {
      return Error("expected an integer of 32 bits");
    }
    at_ = static_cast<size_t>(end - text_.data());
    *number = value;
    SkipSpace();
    return absl::OkStatus();
  }

  absl::Status CompileIndexes() {
    std::optional<int64_t> first;
    absl::Status status = TakeInteger(&first);
    if (!status.ok()) return status;
    if (Take(':')) {
      std::optional<int64_t> to;
      status = TakeInteger(&to);
      if (!status.ok()) return status;
      if (!first.has_value() && !to.has_value()) return Error("a slice needs a number");
      Token& token = Add(TokenKind::kSlice, false);
      token.from = first;
      token.to = to;
      return absl::OkStatus();
    }
    if (!first.has_value()) return Error("expected an integer");
    std::vector<int64_t> indexes = {*first};
    while (Take(',')) {
      std::optional<int64_t> next;
      status = TakeInteger(&next);
      if (!status.ok()) return status;
      if (!next.has_value()) return Error("expected an integer behind ','");
      indexes.push_back(*next);
    }
    Token& token = Add(TokenKind::kIndexes, indexes.size() == 1);
    token.indexes = std::move(indexes);
    return absl::OkStatus();
  }

  // A string in either quotes, with backslash escapes.
  absl::Status TakeQuoted(std::string* out) {
    const char quote = Peek();
    if (quote != '\'' && quote != '"') return Error("expected a quoted name");
    ++at_;
    StringSink sink(out);
    for (;;) {
      if (AtEnd()) return Error("the quote is not closed");
      const char c = text_[at_++];
      if (c == quote) return absl::OkStatus();
      if (c != '\\' || AtEnd()) {
        sink.Append(c);
        continue;
      }
      const char escaped = text_[at_++];
      switch (escaped) {
        case 'b':
          sink.Append('\b');
          break;
        case 'f':
          sink.Append('\f');
          break;
        case 'n':
          sink.Append('\n');
          break;
        case 'r':
          sink.Append('\r');
          break;
        case 't':
          sink.Append('\t');
          break;
        case 'u': {
          uint32_t unit = 0;
          if (end_ - at_ < 4 ||
              std::from_chars(text_.data() + at_, text_.data() + at_ + 4, unit, 16).ptr !=
                  text_.data() + at_ + 4) {
            return Error("expected four hexadecimal digits");
          }
          at_ += 4;
          AppendCodePoint(unit, sink);
          break;
        }
        default:
          sink.Append(escaped);
      }
    }
  }

  absl::Status CompileOr(Expression* out, int depth) { return CompileChain(out, depth, true); }

  absl::Status CompileChain(Expression* out, int depth, bool is_or) {
    std::vector<Expression> parts;
    do {
      Expression part;
      absl::Status status = is_or ? CompileChain(&part, depth, false) : CompileTerm(&part, depth);
      if (!status.ok()) return status;
      parts.push_back(std::move(part));
      SkipSpace();
    } while (TakeText(is_or ? "||" : "&&"));
    if (parts.size() == 1) {
      Expression only = std::move(parts.front());
      *out = std::move(only);
      return absl::OkStatus();
    }
    out->kind = is_or ? Expression::Kind::kOr : Expression::Kind::kAnd;
    out->parts = std::move(parts);
    return absl::OkStatus();
  }

  absl::Status CompileTerm(Expression* out, int depth) {
    if (depth > JsonPath::kMaxNesting) return Error("parentheses are nested too deeply");
    SkipSpace();
    if (Peek() == '!' && Peek(1) != '=') {
      ++at_;
      SkipSpace();
      if (Peek() == '@' || Peek() == '$') {
        absl::Status status = CompileComparison(out);
        if (!status.ok()) return status;
        if (out->op == Operator::kExists) {
          out->should_exist = false;
          return absl::OkStatus();
        }
      } else {
        Expression inner;
        absl::Status status = CompileTerm(&inner, depth + 1);
        if (!status.ok()) return status;
        out->kind = Expression::Kind::kNot;
        out->parts.push_back(std::move(inner));
        return absl::OkStatus();
      }
      Expression inner = std::move(*out);
      *out = Expression();
      out->kind = Expression::Kind::kNot;
      out->parts.push_back(std::move(inner));
      return absl::OkStatus();
    }
    if (Take('(')) {
      absl::Status status = CompileOr(out, depth + 1);
      if (!status.ok()) return status;
      SkipSpace();
      if (!Take(')')) return Error("expected ')'");
      return absl::OkStatus();
    }
    return CompileComparison(out);
  }

  absl::Status CompileComparison(Expression* out) {
    absl::Status status = CompileOperand(&out->left, "");
    if (!status.ok()) return status;
    SkipSpace();
    const auto op = TakeOperator();
    if (!op.has_value()) {
      if (out->left.kind != Operand::Kind::kPath) {
        return Error("expected an operator behind the value");
      }
      out->op = Operator::kExists;
      return absl::OkStatus();
    }
    out->op = *op;
    SkipSpace();
    status = CompileOperand(&out->right, "");
    if (!status.ok()) return status;
    const bool pattern =
        out->left.kind == Operand::Kind::kRegex || out->right.kind == Operand::Kind::kRegex;
    if (pattern != (*op == Operator::kRegex)) {
      return Error("a pattern /.../ and the operator =~ belong together");
    }
    return absl::OkStatus();
  }

  std::optional<Operator> TakeOperator() {
    for (const NamedOperator& symbol : kSymbols) {
      if (TakeText(symbol.name)) return symbol.op;
    }
    size_t end = at_;
    while (end < end_ && IsLetter(text_[end])) ++end;
    std::string word(text_.substr(at_, end - at_));
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    for (const NamedOperator& known : kWords) {
      if (word == known.name) {
        at_ = end;
        return known.op;
      }
    }
    return std::nullopt;
  }

  // The end of a bracket, parenthesis or brace that begins at `at`; npos if it is not closed.
  size_t ClosingOf(size_t at) const {
    int depth = 0;
    char quote = '\0';
    for (; at < end_; ++at) {
      const char c = text_[at];
      if (quote != '\0') {
        if (c == '\\')
          ++at;
        else if (c == quote)
          quote = '\0';
        continue;
      }
      if (c == '\'' || c == '"') quote = c;
      if (c == '[' || c == '(' || c == '{') ++depth;
      if ((c == ']' || c == ')' || c == '}') && --depth == 0) return at;
    }
    return std::string_view::npos;
  }

  // `stop`: further characters that end a path.
  absl::Status CompileOperand(Operand* out, std::string_view stop) {
    SkipSpace();
    const char c = Peek();
    if (c == '$' || c == '@') {
      const size_t begin = at_++;
      while (!AtEnd()) {
        const char p = Peek();
        if (p == '[' || p == '(') {
          const size_t close = ClosingOf(at_);
          if (close == std::string_view::npos) return Error("the bracket is not closed");
          at_ = close + 1;
          continue;
        }
        if (IsSpace(p) || p == ')' || p == '=' || p == '!' || p == '<' || p == '>' || p == '~' ||
            p == '&' || p == '|' || stop.find(p) != std::string_view::npos) {
          break;
        }
        ++at_;
      }
      out->kind = Operand::Kind::kPath;
      out->from_root = c == '$';
      absl::StatusOr<JsonPath> path = Compile(text_.substr(begin, at_ - begin), nesting_ + 1);
      if (!path.ok()) return path.status();
      out->path = *std::move(path);
      return absl::OkStatus();
    }
    if (c == '/') return CompilePattern(out);
    out->kind = Operand::Kind::kLiteral;
    if (c == '\'' || c == '"') {
      std::string text;
      absl::Status status = TakeQuoted(&text);
      if (!status.ok()) return status;
      out->literal = dyn::Value::String(program_.literals.Copy(text));
      return absl::OkStatus();
    }
    const size_t begin = at_;
    if (c == '[' || c == '{') {
      const size_t close = ClosingOf(at_);
      if (close == std::string_view::npos) return Error("the bracket is not closed");
      at_ = close + 1;
      return Literal(begin, out);
    }
    while (!AtEnd() && (IsLetter(Peek()) || IsDigit(Peek()) || Peek() == '-' || Peek() == '+' ||
                        Peek() == '.')) {
      ++at_;
    }
    if (at_ == begin)
      return Error(
          "expected a value: @.path, $.path, 'text', a number, true, "
          "false, null, [list] or /pattern/");
    return Literal(begin, out);
  }

  // JSON, in which strings may have single quotes.
  absl::Status Literal(size_t begin, Operand* out) {
    std::string json;
    char quote = '\0';
    for (size_t i = begin; i < at_; ++i) {
      const char c = text_[i];
      if (quote != '\0' && c == '\\' && i + 1 < at_) {
        if (text_[i + 1] != '\'') json += c;
        json += text_[++i];
      } else if (quote == '\'' && c == '"') {
        json += "\\\"";
      } else if (c == '\'' && quote != '"') {
        quote = quote == '\0' ? '\'' : '\0';
        json += '"';
      } else {
        if (c == '"') quote = quote == '\0' ? '"' : '\0';
        json += c;
      }
    }
    const std::string_view kept = program_.literals.Copy(json);
    if (!dyn::ParseJson(kept, program_.literals, {.max_depth = 32}, &out->literal)) {
      at_ = begin;
      return Error("not a value; text must be quoted");
    }
    return absl::OkStatus();
  }

  absl::Status CompilePattern(Operand* out) {
    const size_t begin = ++at_;
    while (!AtEnd() && Peek() != '/') at_ += Peek() == '\\' ? 2 : 1;
    if (AtEnd()) return Error("the pattern is not closed; write /pattern/");
    std::string pattern(text_.substr(begin, at_ - begin));
    ++at_;
    std::string flags;
    while (!AtEnd() && IsLetter(Peek())) {
      const char flag = text_[at_];
      if (flag == 'i' || flag == 's' || flag == 'm') {
        flags += flag;
      } else if (flag != 'u' && flag != 'U') {
        return Error("patterns have the flags i, s, m, u and U");
      }
      ++at_;
    }
    if (!flags.empty()) pattern = Concat("(?", flags, ")", pattern);
    RE2::Options options(RE2::Quiet);
    options.set_max_mem(kMaxPatternMemory);
    out->kind = Operand::Kind::kRegex;
    out->pattern = std::make_shared<RE2>(pattern, options);
    if (!out->pattern->ok()) {
      at_ = begin;
      return Error(Concat("the pattern is refused: ", out->pattern->error(),
                          "; look-around and back references are not available"));
    }
    return absl::OkStatus();
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t end_ = text_.size();
  int virtual_dot_ = 0;
  JsonPath::Program& program_;
  int nesting_;
};

absl::StatusOr<JsonPath> JsonPath::Compile(std::string_view text) {
  return JsonPathCompiler::Compile(text, 0);
}

bool JsonPath::definite() const { return program_->definite; }
const std::string& JsonPath::text() const { return program_->text; }

}  // namespace postern
