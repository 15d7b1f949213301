// The command line of Postern: `postern SUBCOMMAND …`.

#include <cstdio>
#include <string>
#include <vector>

#include "tools/postern/check_command.h"
#include "tools/postern/control_command.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/explain_command.h"
#include "tools/postern/invoke_command.h"
#include "tools/postern/manage_commands.h"
#include "tools/postern/module_command.h"
#include "tools/postern/run_command.h"
#include "tools/postern/sidecar_command.h"
#include "tools/postern/version.h"

namespace {

constexpr char kHelp[] =
    "Postern serves an Amazon API Gateway definition beside your service.\n"
    "\n"
    "usage: postern COMMAND ...\n"
    "\n"
    "  run FILE...     serve OpenAPI definitions, and serve them anew when they change\n"
    "  check FILE...   say what would be applied, approximated, ignored and refused\n"
    "  module FILE...  say what filter modules are and whether they would be loaded\n"
    "  invoke FILE... METHOD PATH   run one request, and print the answer and its execution log\n"
    "  explain FILE... METHOD PATH  say what a request would meet, and why\n"
    "\n"
    "  control         keep definitions, deployments and stages, and push them to sidecars\n"
    "  sidecar         serve what a control plane pushes\n"
    "  deploy FILE...  bring definitions into service at a stage of a control plane\n"
    "  update STAGE    change settings of a stage, such as its variables or its canary\n"
    "  stages          show stages, and which sidecars serve them\n"
    "  deployments     show deployments\n"
    "  diff A B        show how two deployments differ\n"
    "  promote A B     let stage B serve what stage A serves; promote B, what its canary serves\n"
    "  rollback STAGE  let a stage serve again what it served before\n"
    "  delete          delete a stage or a deployment\n"
    "  audit           show who changed what\n"
    "\n"
    "  version         print the version\n"
    "\n"
    "postern COMMAND --help tells the options of one.\n";

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  const std::string command = args.empty() ? "" : args[0];
  const std::vector<std::string> rest(args.begin() + (args.empty() ? 0 : 1), args.end());
  if (command == "run") return postern::RunCommand(rest);
  if (command == "check") return postern::CheckCommand(rest);
  if (command == "module") return postern::ModuleCommand(rest);
  if (command == "invoke") return postern::InvokeCommand(rest);
  if (command == "explain") return postern::ExplainCommand(rest);
  if (command == "control") return postern::ControlCommand(rest);
  if (command == "sidecar") return postern::SidecarCommand(rest);
  if (const auto manage = postern::FindManageCommand(command)) return manage(rest);
  if (command == "version" || command == "--version") {
    std::printf("postern %s\n", std::string(postern::kVersion).c_str());
    return postern::kExitOk;
  }
  if (command == "help" || command == "--help" || command == "-h") {
    std::fputs(kHelp, stdout);
    return postern::kExitOk;
  }
  if (command.empty()) {
    std::fputs(kHelp, stderr);
  } else {
    std::fprintf(stderr, "postern: there is no command \"%s\"; postern --help lists them\n",
                 command.c_str());
  }
  return postern::kExitUsage;
}
