#pragma once

#include <string_view>

namespace postern {

/// Whether the whole of `text` matches `pattern`, in which '*' stands for any run of characters,
/// '/' included, and '?' for exactly one (a UTF-8 character), as in IAM policies (authorization.md
/// §3) and routing rules (rest-api.md §2.2). Case-sensitive; nothing else is special and nothing
/// can be escaped. Never backtracks over more than one '*': linear in `text` for patterns without
/// '?', else at most `text` times the part between two stars. Does not allocate.
bool GlobMatch(std::string_view pattern, std::string_view text);

}  // namespace postern
