#include <algorithm>
#include <cmath>
#include <string>

#include "lib/jsonpath/json_path.h"
#include "lib/jsonpath/json_path_program.h"

namespace postern {

using dyn::Arena;
using dyn::Kind;
using dyn::List;
using dyn::Map;
using dyn::Value;
using json_path_internal::Expression;
using json_path_internal::Function;
using json_path_internal::Operand;
using json_path_internal::Operator;
using json_path_internal::Token;
using json_path_internal::TokenKind;

namespace {

int Compare(const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer()) {
    return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
  }
  const double x = a.AsDouble();
  const double y = b.AsDouble();
  return x < y ? -1 : x > y ? 1 : 0;
}

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) >> 6) != 2; }));
}

}  // namespace

class JsonPathReader {
 public:
  JsonPathReader(const JsonPath::Program& program, const Value& root, const Value& document,
                 Arena& arena, uint64_t* steps)
      : program_(program), root_(root), document_(document), arena_(arena), steps_(*steps) {}

  std::optional<Value> Read() {
    // What most paths are: names and single indexes.
    const std::vector<Token>& tokens = program_.tokens;
    Value at = root_;
    size_t i = 0;
    for (; i < tokens.size(); ++i) {
      const Token& token = tokens[i];
      if (token.kind == TokenKind::kProperty) {
        if (!at.is_map()) return std::nullopt;
        const dyn::Entry* entry = at.map().Find(std::string_view(token.names.front()));
        if (entry == nullptr) return std::nullopt;
        at = entry->value;
      } else if (token.kind == TokenKind::kIndexes && token.definite) {
        if (!at.is_list()) return std::nullopt;
        const std::optional<size_t> index = IndexIn(at.list(), token.indexes.front());
        if (!index.has_value()) return std::nullopt;
        at = at.list()[*index];
      } else {
        break;
      }
      if (!Step()) return std::nullopt;
    }
    if (i == tokens.size()) return at;

    results_ = dyn::NewList(arena_, true);
    size_t stop = tokens.size();
    if (program_.function_of_all) --stop;
    stop_ = stop;
    Walk(i, at, 0);
    if (failed_ || steps_ == 0 || arena_.exhausted()) return std::nullopt;
    if (program_.function_of_all) return Apply(tokens.back(), Value::Of(results_));
    if (!program_.definite) return Value::Of(results_);
    if (results_->empty()) return std::nullopt;
    return (*results_)[results_->size() - 1];
  }

 private:
  bool Step(uint64_t count = 1) {
    if (steps_ <= count) {
      steps_ = 0;
      failed_ = true;
      return false;
    }
    steps_ -= count;
    return true;
  }

  void Fail() { failed_ = true; }

  static std::optional<size_t> IndexIn(List& list, int64_t index) {
    if (index < 0) index += static_cast<int64_t>(list.size());
    if (index < 0 || index >= static_cast<int64_t>(list.size())) return std::nullopt;
    return static_cast<size_t>(index);
  }

  void Next(size_t i, const Value& value, int depth) {
    if (i + 1 >= stop_) {
      if (Step() && !results_->Add(value, arena_)) Fail();
      return;
    }
    Walk(i + 1, value, depth);
  }

  // The token `i` on `model`.
  void Walk(size_t i, const Value& model, int depth) {
    if (failed_ || !Step()) return;
    const Token& token = program_.tokens[i];
    switch (token.kind) {
      case TokenKind::kProperty:
        if (!model.is_map()) {
          if (token.upstream_definite) Fail();
          return;
        }
        Property(i, model.map(), token.names.front(), depth);
        return;
      case TokenKind::kProperties:
        if (!model.is_map()) {
          if (token.upstream_definite) Fail();
          return;
        }
        if (i + 1 < stop_) {
          for (const std::string& name : token.names) Property(i, model.map(), name, depth);
          return;
        }
        Merge(i, model.map(), depth);
        return;
      case TokenKind::kIndexes:
      case TokenKind::kSlice:
        if (!model.is_list()) {
          if (token.upstream_definite) Fail();
          return;
        }
        Elements(i, model.list(), depth);
        return;
      case TokenKind::kWildcard:
        Each(model, [&](const Value& child) {
          // A branch that leads nowhere is left out.
          Next(i, child, depth);
          if (steps_ != 0 && !arena_.exhausted()) failed_ = false;
        });
        return;
      case TokenKind::kFilter:
        if (model.is_map()) {
          if (Accepts(token.expression, model)) Next(i, model, depth);
        } else if (model.is_list()) {
          for (size_t n = 0; n < model.list().size() && !failed_; ++n) {
            const Value item = model.list()[n];
            if (Step() && Accepts(token.expression, item)) Next(i, item, depth);
          }
        } else if (token.upstream_definite) {
          Fail();
        }
        return;
      case TokenKind::kScan:
        if (i + 1 < stop_) {
          Scan(i + 1, model, depth);
        } else {
          Collect(model, depth);
        }
        return;
      case TokenKind::kFunction: {
        const std::optional<Value> result = Apply(token, model);
        if (!result.has_value()) return Fail();
        if (Step() && !results_->Add(*result, arena_)) Fail();
        return;
      }
    }
  }

  template <typename Visit>
  void Each(const Value& model, Visit visit) {
    if (model.is_map()) {
      for (size_t n = 0; n < model.map().size() && !failed_; ++n) {
        visit(model.map().begin()[n].value);
      }
    } else if (model.is_list()) {
      for (size_t n = 0; n < model.list().size() && !failed_; ++n) visit(model.list()[n]);
    }
  }

  void Property(size_t i, Map& map, std::string_view name, int depth) {
    const Token& token = program_.tokens[i];
    const dyn::Entry* entry = map.Find(name);
    if (entry != nullptr) return Next(i, entry->value, depth);
    if (i + 1 < stop_ && token.upstream_definite && token.definite) Fail();
  }

  void Merge(size_t i, Map& map, int depth) {
    Map* merged = dyn::NewMap(arena_);
    for (const std::string& name : program_.tokens[i].names) {
      const dyn::Entry* entry = map.Find(std::string_view(name));
      if (entry == nullptr) continue;
      dyn::Entry* target = merged->Put(entry->key, arena_);
      if (target == nullptr) return Fail();
      target->value = entry->value;
    }
    Next(i, Value::Of(merged), depth);
  }

  void Elements(size_t i, List& list, int depth) {
    const Token& token = program_.tokens[i];
    if (token.kind == TokenKind::kIndexes) {
      for (const int64_t wanted : token.indexes) {
        const std::optional<size_t> index = IndexIn(list, wanted);
        if (index.has_value()) Next(i, list[*index], depth);
      }
      return;
    }
    const auto size = static_cast<int64_t>(list.size());
    int64_t from = token.from.value_or(0);
    int64_t to = token.to.value_or(size);
    if (from < 0) from += size;
    if (to < 0) to += size;
    from = std::max<int64_t>(0, from);
    to = std::min(size, to);
    for (int64_t n = from; n < to && !failed_; ++n) {
      Next(i, list[static_cast<size_t>(n)], depth);
    }
  }

  // The token `i` on `model` and on all below it, from the outside in.
  void Scan(size_t i, const Value& model, int depth) {
    if (failed_ || (!model.is_map() && !model.is_list())) return;
    if (depth >= dyn::kMaxDepth) return Fail();
    const Token& token = program_.tokens[i];
    bool matches = false;
    switch (token.kind) {
      case TokenKind::kProperty:
      case TokenKind::kProperties:
        matches =
            model.is_map() &&
            (!token.definite ||
             std::all_of(token.names.begin(), token.names.end(), [&](const std::string& name) {
               return model.map().Find(std::string_view(name)) != nullptr;
             }));
        break;
      case TokenKind::kIndexes:
      case TokenKind::kSlice:
        matches = model.is_list();
        break;
      case TokenKind::kWildcard:
        matches = true;
        break;
      case TokenKind::kFilter:
        matches = model.is_map();
        break;
      default:
        break;
    }
    if (matches) Walk(i, model, depth + 1);
    Each(model, [&](const Value& child) {
      if (Step()) Scan(i, child, depth + 1);
    });
  }

  // `$..` with a function behind it: every value below.
  void Collect(const Value& model, int depth) {
    if (depth >= dyn::kMaxDepth) return Fail();
    Each(model, [&](const Value& child) {
      if (!Step()) return;
      if (!results_->Add(child, arena_)) return Fail();
      Collect(child, depth + 1);
    });
  }

  // Filters.

  bool Accepts(const Expression& expression, const Value& item) {
    if (!Step()) return false;
    switch (expression.kind) {
      case Expression::Kind::kOr:
        return std::any_of(expression.parts.begin(), expression.parts.end(),
                           [&](const Expression& part) { return Accepts(part, item); });
      case Expression::Kind::kAnd:
        return std::all_of(expression.parts.begin(), expression.parts.end(),
                           [&](const Expression& part) { return Accepts(part, item); });
      case Expression::Kind::kNot:
        return !Accepts(expression.parts.front(), item);
      case Expression::Kind::kCompare:
        return Holds(expression, item);
    }
    return false;
  }

  // Nothing: undefined.
  std::optional<Value> Evaluate(const Operand& operand, const Value& item) {
    if (operand.kind == Operand::Kind::kLiteral) return operand.literal;
    if (operand.kind == Operand::Kind::kRegex) return std::nullopt;
    JsonPathReader reader(*operand.path->program_, operand.from_root ? document_ : item, document_,
                          arena_, &steps_);
    return reader.Read();
  }

  // Numbers and texts that are numbers are equal, as for Jayway's nodes.
  static bool LooselyEqual(const Value& a, const Value& b) {
    if (a.is_number() && b.is_number()) return Compare(a, b) == 0;
    if (a.is_number() && b.is_string()) {
      Value parsed;
      Arena none(4096);
      return dyn::ParseJson(b.text(), none, {.max_depth = 1}, &parsed) && parsed.is_number() &&
             Compare(a, parsed) == 0;
    }
    if (a.is_string() && b.is_number()) {
      std::string text;
      StringSink sink(&text);
      dyn::AppendText(b, sink);
      sink.Finish();
      return a.text() == text;
    }
    if (a.is_list() && b.is_list()) {
      if (a.list().size() != b.list().size()) return false;
      for (size_t i = 0; i < a.list().size(); ++i) {
        const Value& x = a.list()[i];
        const Value& y = b.list()[i];
        if (x.is_list() || x.is_map() ? !dyn::Equals(x, y) : !LooselyEqual(x, y)) return false;
      }
      return true;
    }
    return dyn::Equals(a, b);
  }

  bool ListHas(List& list, const Value& value) {
    if (!Step(list.size() + 1)) return false;
    return std::any_of(list.begin(), list.end(),
                       [&](const Value& item) { return LooselyEqual(item, value); });
  }

  bool MatchesPattern(const RE2& pattern, const Value& value) {
    std::string text;
    if (value.is_string()) {
      if (!Step(value.text().size() / 8 + 1)) return false;
      return RE2::FullMatch(re2::StringPiece(value.text().data(), value.text().size()), pattern);
    }
    if (value.is_number() || value.kind() == Kind::kBool) {
      StringSink sink(&text);
      dyn::AppendText(value, sink);
    }
    return RE2::FullMatch(text, pattern);
  }

  bool Holds(const Expression& e, const Value& item) {
    const std::optional<Value> left = Evaluate(e.left, item);
    if (e.op == Operator::kExists) return left.has_value() == e.should_exist;
    const std::optional<Value> right = Evaluate(e.right, item);
    if (failed_ || steps_ == 0) return false;
    const bool both = left.has_value() && right.has_value();
    switch (e.op) {
      case Operator::kExists:
        return false;
      case Operator::kEq:
        return both && LooselyEqual(*left, *right);
      case Operator::kNe:
        return !(both && LooselyEqual(*left, *right));
      case Operator::kTypeSafeEq:
      case Operator::kTypeSafeNe: {
        const bool same_type =
            both && (left->is_number() ? right->is_number() : left->kind() == right->kind());
        return (same_type && LooselyEqual(*left, *right)) == (e.op == Operator::kTypeSafeEq);
      }
      case Operator::kLt:
      case Operator::kLe:
      case Operator::kGt:
      case Operator::kGe: {
        if (!both) return false;
        int order = 0;
        if (left->is_number() && right->is_number()) {
          order = Compare(*left, *right);
        } else if (left->is_string() && right->is_string()) {
          order = left->text().compare(right->text());
        } else {
          return false;
        }
        if (e.op == Operator::kLt) return order < 0;
        if (e.op == Operator::kLe) return order <= 0;
        if (e.op == Operator::kGt) return order > 0;
        return order >= 0;
      }
      case Operator::kRegex: {
        const bool pattern_left = e.left.kind == Operand::Kind::kRegex;
        const RE2& pattern = pattern_left ? *e.left.pattern : *e.right.pattern;
        const std::optional<Value>& value = pattern_left ? right : left;
        if (!value.has_value()) return MatchesPattern(pattern, Value());
        if (!value->is_list()) return MatchesPattern(pattern, *value);
        return std::any_of(value->list().begin(), value->list().end(),
                           [&](const Value& v) { return MatchesPattern(pattern, v); });
      }
      case Operator::kIn:
        return both && right->is_list() && ListHas(right->list(), *left);
      case Operator::kNin:
        return !(both && right->is_list() && ListHas(right->list(), *left));
      case Operator::kSubsetOf:
        return both && left->is_list() && right->is_list() &&
               std::all_of(left->list().begin(), left->list().end(),
                           [&](const Value& v) { return ListHas(right->list(), v); });
      case Operator::kAnyOf:
        return both && left->is_list() && right->is_list() &&
               std::any_of(left->list().begin(), left->list().end(),
                           [&](const Value& v) { return ListHas(right->list(), v); });
      case Operator::kNoneOf:
        return both && left->is_list() && right->is_list() &&
               std::none_of(left->list().begin(), left->list().end(),
                            [&](const Value& v) { return ListHas(right->list(), v); });
      case Operator::kAll:
        return both && left->is_list() && right->is_list() &&
               std::all_of(right->list().begin(), right->list().end(),
                           [&](const Value& v) { return ListHas(left->list(), v); });
      case Operator::kContains:
        if (!both) return false;
        if (left->is_list()) return ListHas(left->list(), *right);
        return left->is_string() && right->is_string() &&
               left->text().find(right->text()) != std::string_view::npos;
      case Operator::kSize: {
        if (!both || !right->is_number()) return false;
        const std::optional<int64_t> size = SizeOf(*left);
        return size.has_value() && static_cast<double>(*size) == right->AsDouble();
      }
      case Operator::kEmpty: {
        if (!both || right->kind() != Kind::kBool) return false;
        const std::optional<int64_t> size = SizeOf(*left);
        return size.has_value() && (*size == 0) == right->boolean();
      }
    }
    return false;
  }

  static std::optional<int64_t> SizeOf(const Value& value) {
    if (value.is_list()) return static_cast<int64_t>(value.list().size());
    if (value.is_map()) return static_cast<int64_t>(value.map().size());
    if (value.is_string()) return static_cast<int64_t>(CountCharacters(value.text()));
    return std::nullopt;
  }

  // Functions.

  std::optional<Value> Apply(const Token& token, const Value& model) {
    if (!Step()) return std::nullopt;
    switch (token.function) {
      case Function::kMin:
      case Function::kMax:
      case Function::kAvg:
      case Function::kStddev:
      case Function::kSum:
        return Aggregate(token, model);
      case Function::kLength: {
        Value of = model;
        if (!token.parameters.empty()) {
          const std::optional<Value> parameter = Evaluate(token.parameters.front(), model);
          if (!parameter.has_value()) return std::nullopt;
          of = *parameter;
        }
        if (!of.is_list() && !of.is_map()) return Value();
        return Value::Integer(*SizeOf(of));
      }
      case Function::kKeys: {
        if (!model.is_map()) return Value();
        List* keys = dyn::NewList(arena_, true);
        for (const dyn::Entry& entry : model.map()) {
          if (!Step() || !keys->Add(entry.key, arena_)) return std::nullopt;
        }
        return Value::Of(keys);
      }
      case Function::kConcat:
        return ConcatAll(token, model);
      case Function::kAppend: {
        if (!model.is_list()) return model;
        List* list = dyn::NewList(arena_, true);
        for (const Value& item : model.list()) {
          if (!Step() || !list->Add(item, arena_)) return std::nullopt;
        }
        for (const Operand& parameter : token.parameters) {
          Value value = Evaluate(parameter, model).value_or(Value());
          // What the caller may change must not be a part of the path.
          if (parameter.kind == Operand::Kind::kLiteral) value = CopyOf(value);
          if (!list->Add(value, arena_)) return std::nullopt;
        }
        return Value::Of(list);
      }
      case Function::kFirst:
      case Function::kLast:
      case Function::kIndex: {
        if (!model.is_list() || model.list().empty()) return std::nullopt;
        int64_t wanted = token.function == Function::kLast ? -1 : 0;
        if (token.function == Function::kIndex) {
          if (token.parameters.empty()) return std::nullopt;
          const std::optional<Value> index = Evaluate(token.parameters.front(), model);
          if (!index.has_value() || !index->is_integer()) return std::nullopt;
          wanted = index->integer();
        }
        const std::optional<size_t> index = IndexIn(model.list(), wanted);
        if (!index.has_value()) return std::nullopt;
        return model.list()[*index];
      }
    }
    return std::nullopt;
  }

  Value CopyOf(const Value& value) {
    if (value.is_list()) {
      List* list = dyn::NewList(arena_, true);
      for (const Value& item : value.list()) list->Add(CopyOf(item), arena_);
      return Value::Of(list);
    }
    if (value.is_map()) {
      Map* map = dyn::NewMap(arena_);
      for (const dyn::Entry& entry : value.map()) {
        if (dyn::Entry* copy = map->Put(entry.key, arena_)) copy->value = CopyOf(entry.value);
      }
      return Value::Of(map);
    }
    return value;
  }

  std::optional<Value> Aggregate(const Token& token, const Value& model) {
    double count = 0;
    double sum = 0;
    double squares = 0;
    double least = HUGE_VAL;
    double most = -HUGE_VAL;
    const auto take = [&](const Value& value) {
      if (!value.is_number()) return;
      const double number = value.AsDouble();
      count += 1;
      sum += number;
      squares += number * number;
      least = std::min(least, number);
      most = std::max(most, number);
    };
    const auto take_all = [&](const Value& value) {
      if (!value.is_list()) return take(value);
      if (!Step(value.list().size() + 1)) return;
      for (const Value& item : value.list()) take(item);
    };
    if (model.is_list()) take_all(model);
    for (const Operand& parameter : token.parameters) {
      const std::optional<Value> value = Evaluate(parameter, model);
      if (value.has_value()) take_all(*value);
    }
    if (count == 0 || failed_) return std::nullopt;
    switch (token.function) {
      case Function::kMin:
        return Value::Double(least);
      case Function::kMax:
        return Value::Double(most);
      case Function::kAvg:
        return Value::Double(sum / count);
      case Function::kStddev:
        return Value::Double(std::sqrt(squares / count - sum * sum / count / count));
      default:
        return Value::Double(sum);
    }
  }

  std::optional<Value> ConcatAll(const Token& token, const Value& model) {
    std::string text;
    const auto take = [&](const Value& value) {
      if (value.is_string() && text.size() < (1 << 20)) text += value.text();
    };
    if (model.is_list()) {
      if (!Step(model.list().size() + 1)) return std::nullopt;
      for (const Value& item : model.list()) take(item);
    }
    for (const Operand& parameter : token.parameters) {
      const std::optional<Value> value = Evaluate(parameter, model);
      if (value.has_value()) take(*value);
    }
    if (!Step(text.size() / 8 + 1)) return std::nullopt;
    const std::string_view kept = arena_.Copy(text);
    if (kept.data() == nullptr) return std::nullopt;
    return Value::String(kept);
  }

  const JsonPath::Program& program_;
  const Value root_;
  const Value& document_;
  Arena& arena_;
  uint64_t& steps_;
  List* results_ = nullptr;
  size_t stop_ = 0;
  bool failed_ = false;
};

std::optional<Value> JsonPath::Read(const Value& root, Arena& arena, uint64_t* steps) const {
  return JsonPathReader(*program_, root, root, arena, steps).Read();
}

}  // namespace postern
