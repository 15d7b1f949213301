#pragma once

namespace postern {

/// Gives back to the system what the heap does not use any more: reading a definition, building a
/// snapshot and loading a module need several times what stays. Takes some milliseconds for a large
/// heap, during which other threads that allocate may wait.
void TrimHeap();

/// Lets go of the code and constants of libraries that start-up has walked through and serving
/// never enters (RPC, protobuf, YAML, SQLite); what is needed after all comes back page by page
/// from the file. Only read-only pages of files are touched, so nothing can be lost but breakpoints
/// of a debugger. Once, when start-up is over.
void ForgetStartupPages();

}  // namespace postern
