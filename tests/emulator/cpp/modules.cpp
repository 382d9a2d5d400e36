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

// EMULATOR_FOLDER: the directory of this library, the header and compiled modules. EMULATOR_COMPILER: the compiler and its flags;
// EMULATOR_WATCH: flags of modules alone, which must not reach the linker: it would link a sanitizer library.

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

// A kernel as the text has it: `extern "C" __global__ void [__launch_bounds__(threads, ..)] name(parameters)`.
struct Written {
  std::string name, threads;
  std::vector<Parameter> parameters;
};

static std::vector<Parameter> parameters_of(const std::string& text) {
  std::vector<Parameter> all;
  std::stringstream list(text);
  for (std::string one; std::getline(list, one, ',');) {
    auto has = [&](const char* word) { return one.find(word) != std::string::npos; };
    all.push_back({has("*"), has("const "), has("__restrict__")});
  }
  return all;
}

static std::vector<Written> kernels_of(const std::string& source) {
  static const std::regex form(
      R"(extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\(([^),]*)[^)]*\)\s*)?(\w+)\s*\(([^)]*)\))");
  std::vector<Written> all;
  for (std::sregex_iterator i(source.begin(), source.end(), form), end; i != end; ++i)
    all.push_back({(*i)[2], (*i)[1].matched ? (*i)[1].str() : "1024", parameters_of((*i)[3])});
  return all;
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
  for (const Written& kernel : kernels_of(source)) text += "EMULATOR_KERNEL(" + kernel.name + ", (" + kernel.threads + "))\n";
  std::ofstream(file) << text;
  std::string object = own + ".o", quietly = " >> " + log + " 2>&1";
  // A sanitizer that is preloaded into this process must not be loaded into the compiler.
  auto run = [&](const std::string& arguments) { return system(("env -u LD_PRELOAD " EMULATOR_COMPILER " " + arguments + quietly).c_str()) == 0; };
  bool compiled = run("-c " EMULATOR_WATCH " -include " EMULATOR_FOLDER "/device.h -o " + object + " " + file) &&
                  run("-shared -o " + result + " " + object + " " EMULATOR_FOLDER "/libcuda.so");
  std::string words = read(log);
  unlink(log.c_str());
  unlink(object.c_str());
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
  for (const Written& written : kernels_of(source)) {
    auto of = [&](const char* what) { return dlsym(library, (std::string("emulator_") + what + "_" + written.name).c_str()); };
    Kernel kernel;
    kernel.name = written.name;
    kernel.parameters = written.parameters;
    kernel.call = (void (*)(void**))of("call");
    kernel.most_threads = ((unsigned (*)())of("threads"))();
    auto sizes = (int (*)(size_t*))of("sizes");
    kernel.sizes.resize(sizes(nullptr));
    sizes(kernel.sizes.data());
    kernel.shared_begin = begin;
    kernel.shared_end = end;
    module->kernels[kernel.name] = kernel;
  }
  return module;
}

}  // namespace emulator
