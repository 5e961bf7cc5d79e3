// SPDX-License-Identifier: Apache-2.0
//
// Goal: whether a template opens <think> itself, leaves it to the model, or knows no thinking, is told from its text.
// The templates are cut to what llama.cpp knows them by and what they write behind the last message.
#include "model/llama/chat_format.h"

#include <gtest/gtest.h>

namespace ragtime {
namespace {

constexpr char kChatml[] =
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";
// Qwen3: the model opens thinking itself, unless it is told not to.
constexpr char kQwen3[] =
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content + '\\n</think>\\n\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}"
    "{%- endif %}{%- endif %}";
// Qwen3.5 opens it, or opens and closes it.
constexpr char kQwen35[] =
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}"
    "{%- else %}{{- '<think>\\n' }}{%- endif %}{%- endif %}";
// The distils of DeepSeek-R1 always open it.
constexpr char kDeepSeekR1[] =
    "{%- if message['role'] == 'user' -%}{{'<｜User｜>' + message['content']}}{%- endif -%}"
    "{%- set content = content.split('</think>')[-1] -%}{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}"
    "{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜><think>\\n'}}{% endif %}";

const std::vector<ChatMessage> kMessages = {{"system", "Be brief."}, {"user", "How long?"}};

TEST(ChatFormat, AModelThatDoesNotThinkIsLeftAlone) {
  for (const bool may_think : {true, false}) {
    for (const char* chat_template : {kChatml, static_cast<const char*>(nullptr), "no template that is known"}) {
      const auto format = FormatChat(chat_template, kMessages, may_think);
      ASSERT_TRUE(format.ok());
      EXPECT_FALSE(format->thinks);
      EXPECT_FALSE(format->opens_think);
      ASSERT_EQ(format->pieces.size(), 3u);
      EXPECT_EQ(format->pieces[2], "<|im_end|>\n<|im_start|>assistant\n");
    }
  }
}

TEST(ChatFormat, KnowsWhoOpensThinking) {
  const auto tail = [](const char* chat_template, bool may_think, bool opens) {
    const auto format = FormatChat(chat_template, kMessages, may_think);
    EXPECT_TRUE(format.ok() && format->thinks);
    EXPECT_EQ(format->opens_think, opens);
    return format->pieces.back();
  };
  EXPECT_EQ(tail(kQwen3, true, false), "<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(tail(kQwen3, false, false), "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
  EXPECT_EQ(tail(kQwen35, true, true), "<|im_end|>\n<|im_start|>assistant\n<think>\n");
  EXPECT_EQ(tail(kQwen35, false, false), "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
  EXPECT_EQ(tail(kDeepSeekR1, true, true), "<｜Assistant｜><think>\n");
  EXPECT_EQ(tail(kDeepSeekR1, false, false), "<｜Assistant｜><think>\n\n</think>\n\n");
}

}  // namespace
}  // namespace ragtime
