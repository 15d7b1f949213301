#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "lib/template/mapping_template.h"
#include "lib/template/methods.h"
#include "lib/template/template_program.h"
#include "lib/text/concat.h"

namespace postern {

namespace vtl {
namespace {

using dyn::Arena;
using dyn::Entry;
using dyn::Kind;
using dyn::List;
using dyn::Map;
using dyn::Value;
using Program = TemplateProgramAccess::Program;

enum HostKind : uint32_t { kHostInput, kHostUtil, kHostLoop, kHostBlock };

// Tags of maps.
constexpr uint8_t kContextMap = 1;   // prints nothing
constexpr uint8_t kOverrideMap = 2;  // takes each name once

constexpr std::string_view kGroups[] = {"path", "header", "querystring"};

enum class Flow : uint8_t { kNext, kBreak, kStop, kFail };

// One running macro.
struct Frame {
  uint32_t macro = 0;
  const Node* call = nullptr;
  Frame* caller = nullptr;
  Value* locals = nullptr;  // of parameters that were set inside
  bool* has_local = nullptr;
};

// $foreach.
struct Loop {
  int32_t index = 0;
  bool has_next = false;
  Value parent;
};

// What #define or the body of #@name() is.
struct BlockRef {
  uint32_t block = 0;
  Frame* frame = nullptr;
  int running = 0;
};

using Wide = __int128;

std::string_view WideText(Wide number, Arena& arena) {
  char digits[48];
  char* at = digits + sizeof(digits);
  const bool negative = number < 0;
  auto rest = negative ? static_cast<unsigned __int128>(-(number + 1)) + 1
                       : static_cast<unsigned __int128>(number);
  do {
    *--at = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  if (negative) *--at = '-';
  return arena.Copy({at, static_cast<size_t>(digits + sizeof(digits) - at)});
}

// Any integer of up to 36 digits.
std::optional<Wide> WideOf(const Value& value) {
  if (value.is_integer()) return value.integer();
  if (value.kind() != Kind::kBig) return std::nullopt;
  std::string_view digits = value.text();
  const bool negative = digits.front() == '-';
  if (negative) digits.remove_prefix(1);
  if (digits.size() > 36) return std::nullopt;
  Wide number = 0;
  for (const char c : digits) number = number * 10 + (c - '0');
  return negative ? -number : number;
}

int CompareNumbers(const Value& a, const Value& b) {
  if (a.kind() != Kind::kDouble && b.kind() != Kind::kDouble) {
    const std::optional<Wide> x = WideOf(a);
    const std::optional<Wide> y = WideOf(b);
    if (x.has_value() && y.has_value()) return *x < *y ? -1 : *x > *y ? 1 : 0;
  }
  const double x = a.AsDouble();
  const double y = b.AsDouble();
  return x < y ? -1 : x > y ? 1 : 0;
}

class Renderer {
 public:
  Renderer(const Program& program, TemplateEnvironment& environment, Arena& arena, CharSink* out,
           const RenderLimits& limits)
      : program_(program),
        environment_(environment),
        arena_(arena),
        out_(out),
        limits_(limits),
        steps_(limits.max_steps) {
    const size_t slots = program.slots.size();
    slots_ = static_cast<Value*>(arena.Allocate(slots * sizeof(Value)));
    std::uninitialized_fill(slots_, slots_ + slots, Value());
  }

  absl::Status Render() {
    const Flow flow = RunBlock(program_.nodes[program_.root]);
    if (flow == Flow::kFail || !error_.ok()) return error_;
    if (out_->failed()) {
      Limit(program_.nodes[program_.root], "the result is too large");
      return error_;
    }
    HandOverOverrides();
    return absl::OkStatus();
  }

 private:
  const Node& NodeAt(const Node& node, uint32_t link) const {
    return program_.nodes[program_.links[node.first + link]];
  }

  // Errors. The first one counts.

  Flow Limit(const Node& node, std::string_view what) {
    if (error_.ok()) {
      error_ = absl::ResourceExhaustedError(program_.Message(node.position, what));
    }
    return Flow::kFail;
  }
  Flow Fail(const Node& node, std::string_view what) {
    if (arena_.exhausted() || steps_ == 0) return CheckLimits(node);
    if (error_.ok()) {
      error_ = absl::InvalidArgumentError(program_.Message(node.position, what));
    }
    return Flow::kFail;
  }
  Flow CheckLimits(const Node& node) {
    if (arena_.exhausted()) return Limit(node, "the values take too much memory");
    if (steps_ == 0) return Limit(node, "too many steps; the template loops too much");
    return Flow::kFail;
  }

  Flow OutputFull(const Node& node) {
    if (arena_.exhausted()) return CheckLimits(node);  // it was a text inside
    return Limit(node, "the result is too large");
  }

  bool failed() const { return !error_.ok(); }

  bool Step(const Node& node) {
    if (steps_ <= 1 || arena_.exhausted()) [[unlikely]] {
      if (steps_ <= 1) steps_ = 0;
      CheckLimits(node);
      return false;
    }
    --steps_;
    return true;
  }

  struct Deeper {
    explicit Deeper(int* depth) : depth(*depth) { ++*depth; }
    ~Deeper() { --depth; }
    int& depth;
  };

  // Statements.

  Flow RunBlock(const Node& block) {
    const Deeper deeper(&depth_);
    if (depth_ > limits_.max_depth) return Limit(block, "nested too deeply");
    const uint32_t* link = program_.links.data() + block.first;
    for (const uint32_t* end = link + block.count; link != end; ++link) {
      const Flow flow = Run(program_.nodes[*link]);
      if (flow != Flow::kNext) return flow;
      if (stopped_) return Flow::kStop;
    }
    return Flow::kNext;
  }

  Flow Run(const Node& node) {
    if (!Step(node)) return Flow::kFail;
    switch (node.op) {
      case Op::kText:
        out_->Append(std::string_view(program_.texts).substr(node.a, node.b));
        if (out_->failed()) return OutputFull(node);
        return Flow::kNext;
      case Op::kEmit:
        return Emit(node);
      case Op::kSet: {
        const Value value = Evaluate(NodeAt(node, 1));
        if (failed()) return Flow::kFail;
        // As in Velocity, null changes nothing.
        if (value.is_null()) return Flow::kNext;
        Assign(NodeAt(node, 0), value);
        return failed() ? Flow::kFail : Flow::kNext;
      }
      case Op::kIf: {
        uint32_t i = 0;
        for (; i + 1 < node.count; i += 2) {
          const bool holds = Holds(NodeAt(node, i));
          if (failed()) return Flow::kFail;
          if (holds) return RunBlock(NodeAt(node, i + 1));
        }
        return i < node.count ? RunBlock(NodeAt(node, i)) : Flow::kNext;
      }
      case Op::kForeach:
        return RunLoop(node);
      case Op::kDefine: {
        BlockRef* ref = arena_.New<BlockRef>();
        ref->block = program_.links[node.first];
        ref->frame = frame_;
        slots_[node.a] = Value::Host(kHostBlock, ref);
        return Flow::kNext;
      }
      case Op::kMacroCall:
        return RunMacro(node);
      case Op::kBlock:
        return RunBlock(node);
      case Op::kBreak:
        return Flow::kBreak;
      case Op::kStop:
        return Flow::kStop;
      default:
        return Flow::kNext;
    }
  }

  Flow Emit(const Node& node) {
    const Node& reference = NodeAt(node, 0);
    if (node.prefix != 0) return EmitEscaped(node, reference);
    // What goes from the body to the result without a text in between.
    if (reference.op == Op::kInputJson) {
      WriteJson(reference, ReadPath(reference, program_.paths[reference.a]), *out_);
    } else {
      Write(reference, Evaluate(reference));
    }
    if (failed()) return Flow::kFail;
    if (out_->failed()) return OutputFull(node);
    return Flow::kNext;
  }

  // \$name: of a value that exists the source is shown, of others the backslash too.
  Flow EmitEscaped(const Node& node, const Node& reference) {
    const Value value = Evaluate(reference);
    if (failed()) return Flow::kFail;
    const bool escaped = node.prefix % 2 == 1;
    const size_t half = node.prefix / 2;
    const auto slashes = [&](size_t count) {
      for (size_t i = 0; i < count; ++i) out_->Append('\\');
    };
    slashes(half);
    if (escaped) {
      if (value.is_null()) slashes(1);
      out_->Append(std::string_view(program_.texts).substr(node.a, node.b));
    } else {
      Write(reference, value);
    }
    if (out_->failed()) return OutputFull(node);
    return failed() ? Flow::kFail : Flow::kNext;
  }

  void Write(const Node& node, const Value& value) {
    switch (value.kind()) {
      case Kind::kNull:
        return;
      case Kind::kString:
        out_->Append(value.text());
        return;
      case Kind::kMap:
        if (value.map().tag != 0) return;
        break;
      case Kind::kHost:
        if (value.number() == kHostBlock) RunRef(value);
        return;
      default:
        break;
    }
    if (!dyn::AppendText(value, *out_) && !out_->failed())
      Limit(node, "nested too deeply to print");
  }

  void RunRef(const Value& value) {
    auto* ref = static_cast<BlockRef*>(value.pointer());
    if (ref->running >= 2) return;  // directive.define.max.depth of Velocity
    ++ref->running;
    Frame* const frame = std::exchange(frame_, ref->frame);
    const Flow flow = RunBlock(program_.nodes[ref->block]);
    frame_ = frame;
    --ref->running;
    if (flow == Flow::kStop) stopped_ = true;
  }

  Flow RunLoop(const Node& node) {
    const Value over = Evaluate(NodeAt(node, 0));
    if (failed()) return Flow::kFail;
    const bool map = over.is_map();
    if (!map && !over.is_list()) return Flow::kNext;
    const Node& block = NodeAt(node, 1);
    const size_t size = map ? over.map().size() : over.list().size();

    const Value item_before = slots_[node.a];
    const auto slot = [&](uint32_t number) { return number == kNoSlot ? Value() : slots_[number]; };
    const Value count_before = slot(program_.count_slot);
    const Value has_next_before = slot(program_.has_next_slot);
    const Value loop_before = slot(program_.foreach_slot);
    Loop* loop = nullptr;
    if (program_.foreach_slot != kNoSlot) {
      loop = arena_.New<Loop>();
      loop->parent = loop_before;
      slots_[program_.foreach_slot] = Value::Host(kHostLoop, loop);
    }

    Flow flow = Flow::kNext;
    for (size_t i = 0; i < size && i < limits_.max_loop_count; ++i) {
      if (!Step(node)) {
        flow = Flow::kFail;
        break;
      }
      // The body may have made it shorter, which Java's iterators do not bear.
      if (i >= (map ? over.map().size() : over.list().size())) {
        flow = Fail(node, "#foreach: what is iterated over was changed in the loop");
        break;
      }
      slots_[node.a] = map ? over.map().begin()[i].value : over.list()[i];
      const bool has_next = i + 1 < size;
      if (program_.count_slot != kNoSlot) {
        slots_[program_.count_slot] = Value::Int(static_cast<int32_t>(i + 1));
      }
      if (program_.has_next_slot != kNoSlot) {
        slots_[program_.has_next_slot] = Value::Bool(has_next);
      }
      if (loop != nullptr) {
        loop->index = static_cast<int32_t>(i);
        loop->has_next = has_next;
      }
      flow = RunBlock(block);
      if (flow != Flow::kNext) break;
    }

    slots_[node.a] = item_before;
    if (program_.count_slot != kNoSlot) slots_[program_.count_slot] = count_before;
    if (program_.has_next_slot != kNoSlot) slots_[program_.has_next_slot] = has_next_before;
    if (loop != nullptr) slots_[program_.foreach_slot] = loop_before;
    return flow == Flow::kBreak ? Flow::kNext : flow;
  }

  Flow RunMacro(const Node& node) {
    if (macro_depth_ >= limits_.max_macro_depth) {
      return Limit(node,
                   Concat("macros call each other more than ", limits_.max_macro_depth, " deep"));
    }
    const Macro& macro = program_.macros[node.a];
    const size_t parameters = macro.parameters.size();
    Frame* frame = arena_.New<Frame>();
    frame->macro = node.a;
    frame->call = &node;
    frame->caller = frame_;
    frame->locals = static_cast<Value*>(arena_.Allocate(parameters * sizeof(Value)));
    frame->has_local = static_cast<bool*>(arena_.Allocate(parameters));
    std::fill(frame->has_local, frame->has_local + parameters, false);
    Value body_before;
    if (node.flag) {
      BlockRef* ref = arena_.New<BlockRef>();
      ref->block = program_.links[node.first + node.count - 1];
      ref->frame = frame_;
      body_before = std::exchange(slots_[program_.body_slot], Value::Host(kHostBlock, ref));
    }
    Frame* const caller = std::exchange(frame_, frame);
    ++macro_depth_;
    const Flow flow = RunBlock(program_.nodes[macro.block]);
    --macro_depth_;
    frame_ = caller;
    if (node.flag) slots_[program_.body_slot] = body_before;
    return flow == Flow::kBreak ? Flow::kNext : flow;
  }

  // The frame that a parameter belongs to; null outside of its macro.
  Frame* FrameOf(const Node& node) const {
    return frame_ != nullptr && frame_->macro == node.prefix ? frame_ : nullptr;
  }

  Value Parameter(const Node& node) {
    Frame* frame = FrameOf(node);
    if (frame == nullptr) return slots_[node.b];
    if (frame->has_local[node.a]) return frame->locals[node.a];
    const uint32_t arguments = frame->call->count - (frame->call->flag ? 1 : 0);
    if (node.a >= arguments) return slots_[node.b];
    // Call by name: the argument is evaluated where it was written.
    Frame* const callee = std::exchange(frame_, frame->caller);
    const Value value = Evaluate(NodeAt(*frame->call, node.a));
    frame_ = callee;
    return value;
  }

  // Assignment.

  void Assign(const Node& target, const Value& value) {
    switch (target.op) {
      case Op::kVariable:
        slots_[target.a] = value;
        return;
      case Op::kParameter: {
        Frame* frame = FrameOf(target);
        if (frame == nullptr) {
          slots_[target.b] = value;
        } else {
          frame->locals[target.a] = value;
          frame->has_local[target.a] = true;
        }
        return;
      }
      case Op::kProperty: {
        const Value of = Evaluate(NodeAt(target, 0));
        if (!failed() && of.is_map()) {
          PutInto(target, of.map(), program_.constants[target.a], value);
        }
        return;
      }
      case Op::kIndex: {
        const Value of = Evaluate(NodeAt(target, 0));
        if (failed()) return;
        Value index = Evaluate(NodeAt(target, 1));
        if (failed()) return;
        if (of.is_map()) return PutInto(target, of.map(), index, value);
        if (!of.is_list()) return;
        index = Counted(index, of.list());
        const Value arguments[] = {index, value};
        Value result;
        Invoke(target, Method::kSet, of, arguments, 2, nullptr, &result);
        return;
      }
      default:
        return;
    }
  }

  // A negative index counts from the end.
  static Value Counted(const Value& index, const List& list) {
    if (index.kind() != Kind::kInt || index.integer() >= 0) return index;
    return Value::Int(static_cast<int32_t>(index.integer() + static_cast<int64_t>(list.size())));
  }

  void PutInto(const Node& node, Map& map, const Value& key, const Value& value) {
    if (map.tag == kContextMap) return;
    Entry* entry = map.Put(key, arena_);
    if (entry == nullptr) {
      CheckLimits(node);
      return;
    }
    if (map.tag == kOverrideMap) {
      if (entry->touched) {
        Fail(node, Concat("the override of '", TextOfValue(node, key),
                          "' was set before; each may be set once only, so set a variable first "
                          "and the override at the end"));
        return;
      }
      entry->touched = true;
      overrides_used_ = true;
    }
    entry->value = value;
  }

  // Values.

  std::string_view TextOfValue(const Node& node, const Value& value) {
    if (value.is_string()) return value.text();
    dyn::ArenaSink sink(&arena_);
    CharSink* const before = std::exchange(out_, &sink);
    Write(node, value);
    out_ = before;
    const std::string_view text = sink.Finish();
    if (text.data() == nullptr && !failed()) CheckLimits(node);
    return text;
  }

  Value Evaluate(const Node& node) {
    if (!Step(node)) return Value();
    switch (node.op) {
      case Op::kConstant:
        return program_.constants[node.a];
      case Op::kVariable:
        return slots_[node.a];
      case Op::kInputBody: {
        const std::string_view body = environment_.Body();
        return Value::String(body.empty() ? std::string_view("{}") : body);
      }
      case Op::kInputPath:
        return ReadPath(node, program_.paths[node.a]).value_or(Value());
      case Op::kInputJson:
        return Json(node, ReadPath(node, program_.paths[node.a]));
      case Op::kInputParam:
        return Param(node.b, program_.constants[node.a].text());
      case Op::kStageValue: {
        const auto value = environment_.StageVariable(program_.constants[node.a].text());
        return value.has_value() ? Value::String(*value) : Value();
      }
      case Op::kContext:
        return Context(node);
      case Op::kAnd:
      case Op::kOr:
      case Op::kNot:
        return Value::Bool(Holds(node));
      default:
        return EvaluateDeep(node);
    }
  }

  Value Context(const Node& node) {
    if (node.a == 0) return Value();
    const Value value = environment_.ContextVariable(node.a - 1, arena_);
    if (!value.is_map()) return value;
    if (node.flag) {
      for (const bool response : {false, true}) {
        Entry* entry = value.map().Find(response ? std::string_view("responseOverride")
                                                 : std::string_view("requestOverride"));
        if (entry != nullptr) entry->value = Overrides(node, response);
      }
    }
    // Maps within print nothing either (rest-api.md §7.6).
    for (const Entry& entry : value.map()) {
      if (entry.value.is_map() && entry.value.map().tag == 0) entry.value.map().tag = kContextMap;
    }
    value.map().tag = kContextMap;
    return value;
  }

  Value EvaluateDeep(const Node& node) {
    const Deeper deeper(&depth_);
    if (depth_ > limits_.max_depth) {
      Limit(node, "nested too deeply");
      return Value();
    }
    switch (node.op) {
      case Op::kParameter:
        return Parameter(node);
      case Op::kInput:
        return Value::Host(kHostInput);
      case Op::kUtil:
        return Value::Host(kHostUtil);
      case Op::kStageMap:
        return StageMap(node);
      case Op::kOverrideRoot:
        return Overrides(node, node.flag);
      case Op::kProperty:
        return Property(Evaluate(NodeAt(node, 0)), program_.constants[node.a].text());
      case Op::kIndex:
        return Index(node);
      case Op::kCall:
        return CallOf(node);
      case Op::kInterpolate:
        return Interpolate(node);
      case Op::kList: {
        List* list = dyn::NewList(arena_, false);
        for (uint32_t i = 0; i < node.count; ++i) {
          const Value item = Evaluate(NodeAt(node, i));
          if (failed()) return Value();
          if (!list->Add(item, arena_)) {
            CheckLimits(node);
            return Value();
          }
        }
        return Value::Of(list);
      }
      case Op::kMap: {
        Map* map = dyn::NewMap(arena_);
        for (uint32_t i = 0; i + 1 < node.count; i += 2) {
          const Value key = Evaluate(NodeAt(node, i));
          const Value value = failed() ? Value() : Evaluate(NodeAt(node, i + 1));
          if (failed()) return Value();
          Entry* entry = map->Put(key, arena_);
          if (entry == nullptr) {
            CheckLimits(node);
            return Value();
          }
          entry->value = value;
        }
        return Value::Of(map);
      }
      case Op::kRange:
        return Range(node);
      case Op::kEqual:
      case Op::kNotEqual:
      case Op::kLess:
      case Op::kLessEqual:
      case Op::kGreater:
      case Op::kGreaterEqual:
        return Value::Bool(Compare(node));
      case Op::kAdd:
      case Op::kSubtract:
      case Op::kMultiply:
      case Op::kDivide:
      case Op::kModulo:
        return Calculate(node);
      default:
        return Value();
    }
  }

  // Whether #if takes the branch. As in Velocity 1.7, what is neither a reference nor a condition
  // does not hold: texts, numbers, lists, sums.
  bool Holds(const Node& node) {
    switch (node.op) {
      case Op::kNot:
        return Step(node) && !Holds(NodeAt(node, 0));
      case Op::kAnd:
        return Step(node) && Holds(NodeAt(node, 0)) && !failed() && Holds(NodeAt(node, 1));
      case Op::kOr:
        return Step(node) && (Holds(NodeAt(node, 0)) || (!failed() && Holds(NodeAt(node, 1))));
      case Op::kConstant: {
        const Value& value = program_.constants[node.a];
        return value.kind() == Kind::kBool && value.boolean();
      }
      case Op::kInterpolate:
      case Op::kList:
      case Op::kMap:
      case Op::kRange:
      case Op::kAdd:
      case Op::kSubtract:
      case Op::kMultiply:
      case Op::kDivide:
      case Op::kModulo:
        return false;
      default: {
        const Value value = Evaluate(node);
        if (value.kind() == Kind::kBool) return value.boolean();
        return !value.is_null();
      }
    }
  }

  Value Property(const Value& of, std::string_view name) {
    switch (of.kind()) {
      case Kind::kMap: {
        const Entry* entry = of.map().Find(name);
        return entry != nullptr ? entry->value : Value();
      }
      case Kind::kEntry:
        if (name == "key") return of.entry().key;
        if (name == "value") return of.entry().value;
        return Value();
      case Kind::kString:
        if (name == "empty") return Value::Bool(of.text().empty());
        return Value();
      case Kind::kList:
        if (name == "empty") return Value::Bool(of.list().empty());
        return Value();
      case Kind::kHost:
        if (of.number() == kHostLoop) return LoopProperty(of, name);
        return Value();
      default:
        return Value();
    }
  }

  static Value LoopProperty(const Value& of, std::string_view name) {
    const Loop& loop = *static_cast<Loop*>(of.pointer());
    if (name == "index") return Value::Int(loop.index);
    if (name == "count") return Value::Int(loop.index + 1);
    if (name == "hasNext") return Value::Bool(loop.has_next);
    if (name == "first") return Value::Bool(loop.index == 0);
    if (name == "last") return Value::Bool(!loop.has_next);
    if (name == "parent") return loop.parent;
    if (name == "topmost") {
      Value top = of;
      for (;;) {
        const Value& parent = static_cast<Loop*>(top.pointer())->parent;
        if (parent.kind() != Kind::kHost || parent.number() != kHostLoop) return top;
        top = parent;
      }
    }
    return Value();
  }

  Value Index(const Node& node) {
    const Value of = Evaluate(NodeAt(node, 0));
    if (failed() || of.is_null()) return Value();
    const Value index = Evaluate(NodeAt(node, 1));
    if (failed()) return Value();
    if (of.is_map()) {
      const Entry* entry = of.map().Find(index);
      return entry != nullptr ? entry->value : Value();
    }
    if (!of.is_list()) return Value();
    const Value counted = Counted(index, of.list());
    Value result;
    Invoke(node, Method::kGet, of, &counted, 1, nullptr, &result);
    return result;
  }

  void Invoke(const Node& node, Method method, const Value& receiver, const Value* arguments,
              size_t count, const RE2* pattern, Value* result) {
    CallContext context{.arena = arena_,
                        .steps = steps_,
                        .pattern = pattern,
                        .max_json_depth = limits_.max_json_depth};
    if (!CallMethod(method, receiver, arguments, count, context, result)) {
      Fail(node, context.error);
      *result = Value();
    }
  }

  Value CallOf(const Node& node) {
    constexpr size_t kMaxArguments = 8;
    Value of = Evaluate(NodeAt(node, 0));
    if (failed() || of.is_null()) return Value();
    const size_t count = node.count - 1;
    if (count > kMaxArguments) return Value();  // No method has so many.
    Value arguments[kMaxArguments];
    for (size_t i = 0; i < count; ++i) {
      arguments[i] = Evaluate(NodeAt(node, static_cast<uint32_t>(i + 1)));
      if (failed()) return Value();
      if (arguments[i].kind() == Kind::kHost && arguments[i].number() == kHostBlock) {
        arguments[i] = Value::String(TextOfValue(node, arguments[i]));
        if (failed()) return Value();
      }
    }
    Value result;
    if (of.kind() == Kind::kHost) {
      if (of.number() == kHostInput) return InputMethod(node, arguments, count);
      if (of.number() == kHostLoop) return LoopMethod(of, node.method, count);
      if (of.number() == kHostUtil) {
        CallContext context{
            .arena = arena_, .steps = steps_, .max_json_depth = limits_.max_json_depth};
        if (!CallUtil(node.method, arguments, count, context, &result)) Fail(node, context.error);
        return result;
      }
      if (node.method != Method::kToString) return Value();
      of = Value::String(TextOfValue(node, of));
      if (failed()) return Value();
    }
    if (node.method == Method::kUnknown) return Value();
    if (of.is_map() && of.map().tag != 0 &&
        (node.method == Method::kPut || node.method == Method::kPutAll)) {
      return PutOverride(node, of.map(), arguments, count);
    }
    if (of.is_map() && of.map().tag != 0 && node.method == Method::kToString) {
      return Value::String("");
    }
    Invoke(node, node.method, of, arguments, count,
           node.a != 0 ? program_.patterns[node.a - 1].get() : nullptr, &result);
    return result;
  }

  Value PutOverride(const Node& node, Map& map, const Value* arguments, size_t count) {
    if (node.method == Method::kPut && count == 2) {
      const Entry* old = map.Find(arguments[0]);
      const Value before = old != nullptr ? old->value : Value();
      PutInto(node, map, arguments[0], arguments[1]);
      return before;
    }
    if (node.method == Method::kPutAll && count == 1 && arguments[0].is_map()) {
      for (size_t i = 0; i < arguments[0].map().size() && !failed(); ++i) {
        if (!Step(node)) break;
        const Entry entry = arguments[0].map().begin()[i];
        PutInto(node, map, entry.key, entry.value);
      }
      return Value::String("");
    }
    return Value();
  }

  static Value LoopMethod(const Value& of, Method method, size_t count) {
    if (count != 0) return Value();
    switch (method) {
      case Method::kGetIndex:
        return LoopProperty(of, "index");
      case Method::kGetCount:
      case Method::kCount:
        return LoopProperty(of, "count");
      case Method::kGetHasNext:
      case Method::kHasNext:
        return LoopProperty(of, "hasNext");
      case Method::kIsFirst:
        return LoopProperty(of, "first");
      case Method::kIsLast:
        return LoopProperty(of, "last");
      default:
        return Value();
    }
  }

  Value Interpolate(const Node& node) {
    dyn::ArenaSink sink(&arena_);
    CharSink* const before = std::exchange(out_, &sink);
    const Flow flow = RunBlock(NodeAt(node, 0));
    out_ = before;
    const std::string_view text = sink.Finish();
    if (flow == Flow::kFail || failed()) return Value();
    if (flow == Flow::kStop) stopped_ = true;
    if (text.data() == nullptr) {
      CheckLimits(node);
      return Value();
    }
    return Value::String(text);
  }

  Value Range(const Node& node) {
    const Value first = Evaluate(NodeAt(node, 0));
    if (failed()) return Value();
    const Value last = Evaluate(NodeAt(node, 1));
    if (failed() || !first.is_number() || !last.is_number()) return Value();
    const auto narrow = [](const Value& v) {
      const double d = std::clamp(v.AsDouble(), -2147483648.0, 2147483647.0);
      return v.is_integer()
                 ? static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(v.integer())))
                 : static_cast<int64_t>(std::isnan(d) ? 0 : d);
    };
    const int64_t from = narrow(first);
    const int64_t to = narrow(last);
    const auto size = static_cast<size_t>((from < to ? to - from : from - to) + 1);
    List* list = dyn::NewList(arena_, false);
    if (size >= steps_) {
      steps_ = 0;
      CheckLimits(node);
      return Value();
    }
    steps_ -= size;
    if (!list->Reserve(size, arena_)) {
      CheckLimits(node);
      return Value();
    }
    for (size_t i = 0; i < size; ++i) {
      const auto offset = static_cast<int64_t>(i);
      list->Add(Value::Int(static_cast<int32_t>(from < to ? from + offset : from - offset)),
                arena_);
    }
    return Value::Of(list);
  }

  bool Compare(const Node& node) {
    const Value left = Evaluate(NodeAt(node, 0));
    if (failed()) return false;
    const Value right = Evaluate(NodeAt(node, 1));
    if (failed()) return false;
    switch (node.op) {
      case Op::kEqual:
        return Same(node, left, right);
      case Op::kNotEqual:
        return !Same(node, left, right);
      default:
        break;
    }
    if (!left.is_number() || !right.is_number()) return false;
    const int order = CompareNumbers(left, right);
    switch (node.op) {
      case Op::kLess:
        return order < 0;
      case Op::kLessEqual:
        return order <= 0;
      case Op::kGreater:
        return order > 0;
      default:
        return order >= 0;
    }
  }

  bool Same(const Node& node, const Value& left, const Value& right) {
    if (left.is_number() && right.is_number()) return CompareNumbers(left, right) == 0;
    // Null equals the empty text (rest-api.md §7.2), and itself.
    if (left.is_null() || right.is_null()) {
      const Value& other = left.is_null() ? right : left;
      return other.is_null() || (other.is_string() && other.text().empty());
    }
    if (left.is_string() && right.is_string()) {
      Charge(std::min(left.text().size(), right.text().size()));
      return left.text() == right.text();
    }
    if (left.kind() == right.kind() && left.kind() != Kind::kHost) {
      Charge(left.is_list() ? left.list().size() * 16 : 16);
      return dyn::Equals(left, right);
    }
    const std::string_view a = TextOfValue(node, left);
    const std::string_view b = TextOfValue(node, right);
    Charge(a.size() + b.size());
    return !failed() && a == b;
  }

  void Charge(size_t bytes) {
    const uint64_t steps = bytes / 16;
    steps_ = steps_ > steps ? steps_ - steps : 1;
  }

  Value Calculate(const Node& node) {
    const Value left = Evaluate(NodeAt(node, 0));
    if (failed()) return Value();
    const Value right = Evaluate(NodeAt(node, 1));
    if (failed()) return Value();
    if (node.op == Op::kAdd && (left.is_string() || right.is_string())) {
      const std::string_view a = TextOfValue(node, left);
      const std::string_view b = TextOfValue(node, right);
      if (failed()) return Value();
      Charge(a.size() + b.size());
      auto* text = static_cast<char*>(arena_.AllocateLarge(a.size() + b.size() + 1));
      if (text == nullptr) {
        CheckLimits(node);
        return Value();
      }
      std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), text));
      return Value::String({text, a.size() + b.size()});
    }
    if (!left.is_number() || !right.is_number()) return Value();
    if (left.kind() == Kind::kDouble || right.kind() == Kind::kDouble) {
      return CalculateDouble(node.op, left.AsDouble(), right.AsDouble());
    }
    const std::optional<Wide> a = WideOf(left);
    const std::optional<Wide> b = WideOf(right);
    Wide result = 0;
    bool fits = a.has_value() && b.has_value();
    if (fits) {
      switch (node.op) {
        case Op::kAdd:
          fits = !__builtin_add_overflow(*a, *b, &result);
          break;
        case Op::kSubtract:
          fits = !__builtin_sub_overflow(*a, *b, &result);
          break;
        case Op::kMultiply:
          fits = !__builtin_mul_overflow(*a, *b, &result);
          break;
        default:
          if (*b == 0) return Value();
          result = node.op == Op::kDivide ? *a / *b : *a % *b;
      }
    }
    constexpr Wide kLimit =
        static_cast<Wide>(1'000'000'000'000'000'000) * 1'000'000'000'000'000'000;
    if (!fits || result >= kLimit || result <= -kLimit) {
      Fail(node, "the integer is too large");
      return Value();
    }
    const bool is_long = left.kind() != Kind::kInt || right.kind() != Kind::kInt;
    if (result > INT64_MAX || result < INT64_MIN) return Value::Big(WideText(result, arena_));
    const auto narrow = static_cast<int64_t>(result);
    return is_long ? Value::Long(narrow) : Value::Integer(narrow);
  }

  static Value CalculateDouble(Op op, double a, double b) {
    switch (op) {
      case Op::kAdd:
        return Value::Double(a + b);
      case Op::kSubtract:
        return Value::Double(a - b);
      case Op::kMultiply:
        return Value::Double(a * b);
      default:
        if (b == 0) return Value();
        return Value::Double(op == Op::kDivide ? a / b : std::fmod(a, b));
    }
  }

  // $input.

  // Nothing if the payload is no JSON.
  const Value* Body(const Node& node) {
    if (body_state_ == BodyState::kUnread) {
      const std::string_view text = environment_.Body();
      if (text.empty()) {
        body_ = Value::Of(dyn::NewMap(arena_));
        body_state_ = BodyState::kJson;
      } else {
        const bool json =
            dyn::ParseJson(text, arena_, {.max_depth = limits_.max_json_depth}, &body_);
        body_state_ = json ? BodyState::kJson : BodyState::kOther;
        if (arena_.exhausted()) CheckLimits(node);
      }
    }
    return body_state_ == BodyState::kJson ? &body_ : nullptr;
  }

  std::optional<Value> ReadPath(const Node& node, const JsonPath& path) {
    const Value* body = Body(node);
    if (body == nullptr) return std::nullopt;
    const std::optional<Value> found = path.Read(*body, arena_, &steps_);
    if (steps_ == 0 || arena_.exhausted()) CheckLimits(node);
    return found;
  }

  // What is missing is an empty JSON string (rest-api.md §7.2).
  void WriteJson(const Node& node, const std::optional<Value>& value, CharSink& sink) {
    if (failed()) return;
    if (!value.has_value()) {
      sink.Append("\"\"");
    } else if (!dyn::AppendJson(*value, sink) && !sink.failed()) {
      Limit(node, "nested too deeply to print");
    }
  }

  Value Json(const Node& node, const std::optional<Value>& value) {
    dyn::ArenaSink sink(&arena_);
    WriteJson(node, value, sink);
    const std::string_view text = sink.Finish();
    if (text.data() == nullptr) {
      if (!failed()) CheckLimits(node);
      return Value();
    }
    Charge(text.size());
    return Value::String(text);
  }

  Value Param(uint32_t location, std::string_view name) {
    if (location != kAnyLocation) {
      const auto value = environment_.Param(static_cast<ParamLocation>(location), name);
      return value.has_value() ? Value::String(*value) : Value();
    }
    for (const ParamLocation at :
         {ParamLocation::kPath, ParamLocation::kQueryString, ParamLocation::kHeader}) {
      if (const auto value = environment_.Param(at, name)) return Value::String(*value);
    }
    return Value::String("");
  }

  Value InputMethod(const Node& node, const Value* arguments, size_t count) {
    if (node.method == Method::kParams) {
      if (count == 0) return AllParams(node);
      if (count == 1) return Param(kAnyLocation, TextOfValue(node, arguments[0]));
      return Value();
    }
    if (count > 1) return Value();
    std::string_view path = "$";
    if (count == 1) path = TextOfValue(node, arguments[0]);
    if (failed()) return Value();
    Charge(16 * (path.size() + 100));
    absl::StatusOr<JsonPath> compiled = JsonPath::Compile(path);
    if (!compiled.ok()) {
      Fail(node, std::string(compiled.status().message()));
      return Value();
    }
    paths_.push_back(*std::move(compiled));  // Its literals may be in the result.
    const std::optional<Value> found = ReadPath(node, paths_.back());
    if (node.method == Method::kJson) return Json(node, found);
    return found.value_or(Value());
  }

  Map* NewTextMap(const Node& node,
                  const std::function<void(const TemplateEnvironment::Visitor&)>& for_each) {
    Map* map = dyn::NewMap(arena_);
    for_each([&](std::string_view name, std::string_view value) {
      if (Entry* entry = map->Put(Value::String(name), arena_)) {
        entry->value = Value::String(value);
      }
    });
    if (arena_.exhausted()) CheckLimits(node);
    return map;
  }

  Value AllParams(const Node& node) {
    if (params_.is_null()) {
      constexpr std::pair<std::string_view, ParamLocation> kLocations[] = {
          {"path", ParamLocation::kPath},
          {"querystring", ParamLocation::kQueryString},
          {"header", ParamLocation::kHeader},
      };
      Map* map = dyn::NewMap(arena_);
      for (const auto& [name, location] : kLocations) {
        Entry* entry = map->Put(Value::String(name), arena_);
        if (entry == nullptr) break;
        entry->value = Value::Of(
            NewTextMap(node, [this, at = location](const TemplateEnvironment::Visitor& visit) {
              environment_.ForEachParam(at, visit);
            }));
      }
      params_ = Value::Of(map);
    }
    return params_;
  }

  Value StageMap(const Node& node) {
    if (stage_variables_.is_null()) {
      stage_variables_ =
          Value::Of(NewTextMap(node, [this](const TemplateEnvironment::Visitor& visit) {
            environment_.ForEachStageVariable(visit);
          }));
    }
    return stage_variables_;
  }

  // Overrides.

  Value Overrides(const Node& node, bool response) {
    if (overrides_[0].is_null()) ReadOverrides(node);
    return overrides_[response ? 1 : 0];
  }

  Map* OverrideMap() {
    Map* map = dyn::NewMap(arena_);
    map->tag = kOverrideMap;
    return map;
  }

  void ReadOverrides(const Node& node) {
    for (const bool response : {false, true}) {
      Map* root = OverrideMap();
      for (const std::string_view group : kGroups) {
        if (response && group != "header") continue;
        if (Entry* entry = root->Put(Value::String(group), arena_)) {
          entry->value = Value::Of(OverrideMap());
        }
      }
      overrides_[response ? 1 : 0] = Value::Of(root);
    }
    const std::vector<TemplateOverride>* earlier = environment_.EarlierOverrides();
    if (earlier == nullptr) return;
    for (const TemplateOverride& item : *earlier) {
      Map* map = &overrides_[item.response ? 1 : 0].map();
      if (!item.group.empty()) {
        const Entry* group = map->Find(std::string_view(item.group));
        if (group == nullptr || !group->value.is_map()) continue;
        map = &group->value.map();
      }
      Entry* entry = map->Put(Value::String(arena_.Copy(item.name)), arena_);
      if (entry == nullptr) break;
      if (item.values.size() == 1) {
        entry->value = TextOrInteger(item);
      } else {
        List* list = dyn::NewList(arena_, false);
        for (const std::string& value : item.values) {
          list->Add(Value::String(arena_.Copy(value)), arena_);
        }
        entry->value = Value::Of(list);
      }
    }
    if (arena_.exhausted()) CheckLimits(node);
  }

  Value TextOrInteger(const TemplateOverride& item) {
    const std::string& text = item.values.front();
    int64_t number = 0;
    if (item.integer &&
        std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc()) {
      return Value::Integer(number);
    }
    return Value::String(arena_.Copy(text));
  }

  void HandOverOverrides() {
    if (!overrides_used_) return;
    std::vector<TemplateOverride> overrides;
    const Node& root = program_.nodes[program_.root];
    for (const bool response : {false, true}) {
      for (const Entry& entry : overrides_[response ? 1 : 0].map()) {
        const std::string_view name = TextOfValue(root, entry.key);
        const bool group =
            std::find(std::begin(kGroups), std::end(kGroups), name) != std::end(kGroups);
        if (!group || !entry.value.is_map()) {
          if (entry.touched) Take(root, response, {}, entry, &overrides);
          continue;
        }
        for (const Entry& item : entry.value.map()) {
          if (item.touched || entry.touched) Take(root, response, name, item, &overrides);
        }
      }
    }
    environment_.TakeOverrides(std::move(overrides));
  }

  void Take(const Node& node, bool response, std::string_view group, const Entry& entry,
            std::vector<TemplateOverride>* overrides) {
    TemplateOverride item;
    item.response = response;
    item.group = std::string(group);
    item.name = std::string(TextOfValue(node, entry.key));
    item.integer = entry.value.is_integer();
    if (entry.value.is_list()) {
      for (const Value& value : entry.value.list()) {
        item.values.emplace_back(TextOfValue(node, value));
      }
    } else {
      item.values.emplace_back(TextOfValue(node, entry.value));
    }
    overrides->push_back(std::move(item));
  }

  enum class BodyState : uint8_t { kUnread, kJson, kOther };

  const Program& program_;
  TemplateEnvironment& environment_;
  Arena& arena_;
  CharSink* out_;
  const RenderLimits& limits_;
  uint64_t steps_;
  Value* slots_;
  Frame* frame_ = nullptr;
  int depth_ = 0;
  int macro_depth_ = 0;
  bool stopped_ = false;  // by a #stop inside of a value
  bool overrides_used_ = false;
  BodyState body_state_ = BodyState::kUnread;
  Value body_;
  Value params_;
  Value stage_variables_;
  Value overrides_[2];
  std::vector<JsonPath> paths_;  // that were compiled while rendering
  absl::Status error_;
};

}  // namespace
}  // namespace vtl

TemplateScratch::TemplateScratch() = default;
TemplateScratch::~TemplateScratch() = default;

absl::Status MappingTemplate::Render(TemplateEnvironment& environment, TemplateScratch& scratch,
                                     std::string* out, const RenderLimits& limits) const {
  scratch.arena_.set_max_bytes(limits.max_memory);
  scratch.arena_.Reset();
  const size_t room =
      SIZE_MAX - out->size() < limits.max_output ? SIZE_MAX : out->size() + limits.max_output;
  StringSink sink(out, room);
  return vtl::Renderer(*program_, environment, scratch.arena_, &sink, limits).Render();
}

}  // namespace postern
