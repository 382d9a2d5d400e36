// Modules: the text of a CUDA source, compiled by g++ and loaded.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace emulator {

// What a parameter of a kernel says of itself.
struct Parameter {
  bool pointer, constant, restricted;
};

struct Kernel {
  std::string name;
  void (*call)(void** arguments) = nullptr;
  std::vector<size_t> sizes;  // of its arguments
  std::vector<Parameter> parameters;  // as far as the text tells: not those behind a macro
  unsigned most_threads = 1024;       // of a block: its launch bounds
  char* shared_begin = nullptr;
  char* shared_end = nullptr;
};

struct Module {
  std::map<std::string, Kernel> kernels;
};

// Compiles (or finds in the folder of an earlier run) and loads; nothing, with the compiler's words in `log`, where that fails.
__attribute__((visibility("default"))) std::shared_ptr<Module> load(const std::string& source, std::string& log);

// What `load` begins with: the compiler's words alone, empty where the source compiles.
__attribute__((visibility("default"))) std::string compile(const std::string& source);

// Cubins of the emulator are the source itself behind its length.
__attribute__((visibility("default"))) std::string image_of(const std::string& source);

// The source of an image, which ends where it says so; whether it is one.
bool source_of(const char* image, std::string& source);

}  // namespace emulator
