// A stand-in for libnvrtc.so: it checks a source with g++ and hands the source out as its cubin, which the stand-in for the driver
// loads. So the real code of the runtime runs, its cache on disk included, and errors of compilation come with a log.
#include <cstring>
#include <string>
#include "device.h"
#include "modules.h"

namespace {

struct Program {
  std::string source, image, log;
};

enum { SUCCESS = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, COMPILATION = 6 };

Program* program(void* p) { return static_cast<Program*>(p); }

int copy(const std::string& text, char* to, size_t n) {
  memcpy(to, text.c_str(), n);
  return SUCCESS;
}

}  // namespace

EMULATOR_API int nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 0;
  return SUCCESS;
}

EMULATOR_API int nvrtcGetNumSupportedArchs(int* n) {
  *n = 3;
  return SUCCESS;
}

EMULATOR_API int nvrtcGetSupportedArchs(int* archs) {
  archs[0] = 80, archs[1] = 90, archs[2] = 100;
  return SUCCESS;
}

EMULATOR_API int nvrtcCreateProgram(void** p, const char* source, const char*, int headers, const char* const*, const char* const*) {
  if (!source || headers) return INVALID_INPUT;  // sources of ours are whole
  *p = new Program{source, "", ""};
  return SUCCESS;
}

EMULATOR_API int nvrtcDestroyProgram(void** p) {
  delete program(*p);
  *p = nullptr;
  return SUCCESS;
}

EMULATOR_API int nvrtcCompileProgram(void* p, int options, const char* const* option) {
  for (int i = 0; i < options; ++i)
    if (option[i][0] != '-') return INVALID_OPTION;
  Program& it = *program(p);
  it.log = emulator::compile(it.source);
  if (!it.log.empty()) return COMPILATION;
  it.image = emulator::image_of(it.source);
  return SUCCESS;
}

EMULATOR_API int nvrtcGetProgramLogSize(void* p, size_t* n) {
  *n = program(p)->log.size() + 1;
  return SUCCESS;
}
EMULATOR_API int nvrtcGetProgramLog(void* p, char* to) { return copy(program(p)->log, to, program(p)->log.size() + 1); }
EMULATOR_API int nvrtcGetCUBINSize(void* p, size_t* n) {
  *n = program(p)->image.size();
  return SUCCESS;
}
EMULATOR_API int nvrtcGetCUBIN(void* p, char* to) { return copy(program(p)->image, to, program(p)->image.size()); }
EMULATOR_API int nvrtcGetPTXSize(void* p, size_t* n) {
  *n = program(p)->image.size() + 1;
  return SUCCESS;
}
EMULATOR_API int nvrtcGetPTX(void* p, char* to) { return copy(program(p)->image, to, program(p)->image.size() + 1); }

EMULATOR_API const char* nvrtcGetErrorString(int code) {
  switch (code) {
    case SUCCESS: return "NVRTC_SUCCESS";
    case INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
    case INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
    case INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
    default: return "NVRTC_ERROR_COMPILATION";
  }
}
