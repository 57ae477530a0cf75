// json_value FILE POINTER: the value there (RFC 6901), strings without quotes. Fails for what is not JSON,
// and where there is no such value.

#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    std::ifstream file(argv[1]);
    const nlohmann::json value = nlohmann::json::parse(file).at(nlohmann::json::json_pointer(argv[2]));
    std::printf("%s\n", value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "json_value: %s\n", error.what());
    return 1;
  }
}
