#pragma once

// What tests of error messages need.

#include <gtest/gtest.h>

#include <exception>
#include <string>
#include <vector>

#include "gnn/core/error.h"

namespace gnn::testing {

/// The message of the ErrorType that `function` throws; a test failure, and "", when it throws none or
/// another.
template <class ErrorType = Error, class F>
std::string message_of(const F& function) {
  try {
    function();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ErrorType& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "the wrong exception was thrown: " << error.what();
  }
  return {};
}

/// Expects `function` to throw an ErrorType whose message has all of `parts`.
template <class ErrorType, class F>
void expect_error(const F& function, const std::vector<std::string>& parts) {
  const std::string message = message_of<ErrorType>(function);
  for (const std::string& part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "no \"" << part << "\" in: " << message;
  }
}

}  // namespace gnn::testing
