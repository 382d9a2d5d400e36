#include "modules.h"
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <regex>
#include <sstream>
#include "device.h"

// EMULATOR_FOLDER: where this library, the header and compiled modules lie. EMULATOR_COMPILER: the compiler and its flags.

namespace emulator {

static const char MAGIC[] = "emulated cubin ";

std::string image_of(const std::string& source) { return MAGIC + std::to_string(source.size()) + "\n" + source; }

bool source_of(const char* image, std::string& source) {
  if (strncmp(image, MAGIC, sizeof MAGIC - 1)) return false;
  char* end = nullptr;
  size_t size = strtoull(image + sizeof MAGIC - 1, &end, 10);
  source.assign(end + 1, size);
  return true;
}

static std::string hash(const std::string& text) {
  uint64_t h = 1469598103934665603ull;  // FNV-1a
  for (unsigned char c : text) h = (h ^ c) * 1099511628211ull;
  char hex[17];
  snprintf(hex, sizeof hex, "%016llx", (unsigned long long)h);
  return hex;
}

// The kernels that a source defines: `extern "C" __global__ void [__launch_bounds__(..)] name(`.
static std::vector<std::string> kernels_of(const std::string& source) {
  static const std::regex form(R"(extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\()");
  std::vector<std::string> names;
  for (std::sregex_iterator i(source.begin(), source.end(), form), end; i != end; ++i) names.push_back((*i)[1]);
  return names;
}

static bool exists(const std::string& path) {
  struct stat s;
  return stat(path.c_str(), &s) == 0;
}

static std::string read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

static std::string path_of(const std::string& source) { return std::string(EMULATOR_FOLDER) + "/module-" + hash(source); }

// The bug that a test seeds: `IVON_EMULATOR_MUTATION` is a text, a byte 1, and what is put in its place, once a module that has it.
static std::string mutated(std::string source) {
  const char* mutation = getenv("IVON_EMULATOR_MUTATION");
  const char* middle = mutation ? strchr(mutation, 1) : nullptr;
  if (!middle) return source;
  std::string from(mutation, middle);
  size_t at = source.find(from);
  if (at == std::string::npos) return source;
  fprintf(stderr, "emulator: seeded a bug\n");
  return source.replace(at, from.size(), middle + 1);
}

static std::string compile_text(const std::string& source);

std::string compile(const std::string& source) { return compile_text(mutated(source)); }

static std::string compile_text(const std::string& source) {
  std::string path = path_of(source), library = path + ".so";
  if (exists(library)) return "";
  // Processes and threads may compile the same module at once: each in files of its own, the last one to finish wins.
  static std::mutex mutex;
  static int count = 0;
  std::string own;
  {
    std::lock_guard<std::mutex> guard(mutex);
    own = path + "." + std::to_string(getpid()) + "." + std::to_string(count++);
  }
  std::string text = source, file = own + ".cpp", result = own + ".so", log = own + ".log";
  text += "\nEMULATOR_MODULE()\n";
  for (const std::string& kernel : kernels_of(source)) text += "EMULATOR_KERNEL(" + kernel + ")\n";
  std::ofstream(file) << text;
  std::string command = std::string(EMULATOR_COMPILER) + " -shared -include " EMULATOR_FOLDER "/device.h -o " + result + " " +
                        file + " " EMULATOR_FOLDER "/libcuda.so > " + log + " 2>&1";
  // A sanitizer that is preloaded into this process is no concern of the compiler.
  bool compiled = system(("env -u LD_PRELOAD " + command).c_str()) == 0;
  std::string words = read(log);
  unlink(log.c_str());
  if (!compiled) return words.empty() ? "the compiler failed without a word" : words;
  rename(result.c_str(), library.c_str());
  rename(file.c_str(), (path + ".cpp").c_str());
  return "";
}

std::shared_ptr<Module> load(const std::string& given, std::string& log) {
  std::string source = mutated(given);
  log = compile_text(source);
  if (!log.empty()) return nullptr;
  void* library = dlopen((path_of(source) + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);  // kept for the life of the process
  if (!library) {
    log = dlerror();
    return nullptr;
  }
  auto module = std::make_shared<Module>();
  char *begin = nullptr, *end = nullptr;
  ((void (*)(char**, char**))dlsym(library, "emulator_shared_range"))(&begin, &end);
  for (const std::string& name : kernels_of(source)) {
    Kernel kernel;
    kernel.name = name;
    kernel.call = (void (*)(void**))dlsym(library, ("emulator_call_" + name).c_str());
    auto sizes = (int (*)(size_t*))dlsym(library, ("emulator_sizes_" + name).c_str());
    kernel.sizes.resize(sizes(nullptr));
    sizes(kernel.sizes.data());
    kernel.shared_begin = begin;
    kernel.shared_end = end;
    module->kernels[name] = kernel;
  }
  return module;
}

}  // namespace emulator
