// SPDX-License-Identifier: Apache-2.0
//
// A question that a passage should answer, made of the passage itself.
#ifndef RAGTIME_ENGINE_NODE_QUESTION_H_
#define RAGTIME_ENGINE_NODE_QUESTION_H_

#include <string>

#include "ragtime/node.h"

namespace ragtime {

// The first sentence of a passage that has several, else its innermost heading, else the passage.
std::string QuestionOf(const Node& node);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_NODE_QUESTION_H_
