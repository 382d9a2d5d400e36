// Modules: the text of a CUDA source, compiled by g++ and loaded.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace emulator {

// The qualifiers of a kernel's parameter.
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

// Compiles a source (or finds it in the directory of an earlier run) and loads it; null if that fails, with the compiler's output in `log`.
__attribute__((visibility("default"))) std::shared_ptr<Module> load(const std::string& source, std::string& log);

// The first step of `load`: the compiler's output alone, empty if the source compiles.
__attribute__((visibility("default"))) std::string compile(const std::string& source);

// Cubins of the emulator are the source itself behind its length.
__attribute__((visibility("default"))) std::string image_of(const std::string& source);

// Reads the source of an image, which ends where its length says; false if it is not an image of the emulator.
bool source_of(const char* image, std::string& source);

}  // namespace emulator
