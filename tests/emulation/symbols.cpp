#include "emulation/symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <vector>

namespace gnn::emulation {
namespace {

/// Addresses of the program's functions, from its own symbol table: kernels are mostly local symbols, which
/// the dynamic linker does not know.
std::map<std::uintptr_t, std::string> read_symbols() {
  std::map<std::uintptr_t, std::string> result;
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::vector<char> image{std::istreambuf_iterator<char>(file), {}};
  if (image.size() < sizeof(Elf64_Ehdr)) return result;
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(image.data());
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(image.data() + header->e_shoff);
  std::uintptr_t base = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* target) {
        *static_cast<std::uintptr_t*>(target) = info->dlpi_addr;
        return 1;  // the first one is the program
      },
      &base);
  for (int i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const auto* symbols = reinterpret_cast<const Elf64_Sym*>(image.data() + sections[i].sh_offset);
    const char* names = image.data() + sections[sections[i].sh_link].sh_offset;
    for (std::size_t s = 0; s < sections[i].sh_size / sizeof(Elf64_Sym); ++s) {
      if (ELF64_ST_TYPE(symbols[s].st_info) == STT_FUNC && symbols[s].st_value != 0)
        result.emplace(base + symbols[s].st_value, names + symbols[s].st_name);
    }
  }
  return result;
}

/// "void gnn::kernels::(anonymous namespace)::f<float>(float*)" -> "f<float>"
std::string shorten(std::string name) {
  for (const std::string part : {"gnn::kernels::", "gnn::", "(anonymous namespace)::", "void "}) {
    for (std::size_t at = name.find(part); at != std::string::npos; at = name.find(part))
      name.erase(at, part.size());
  }
  int depth = 0;  // of template arguments, which may contain parentheses
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0) return name.substr(0, i);
  }
  return name;
}

}  // namespace

std::string function_name(const void* address) {
  static const std::map<std::uintptr_t, std::string> symbols = read_symbols();
  const auto found = symbols.find(reinterpret_cast<std::uintptr_t>(address));
  if (found == symbols.end()) return "(unnamed)";
  int status = 0;
  char* text = abi::__cxa_demangle(found->second.c_str(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : found->second;
  std::free(text);
  return shorten(std::move(name));
}

}  // namespace gnn::emulation
