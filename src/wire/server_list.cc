// SPDX-License-Identifier: Apache-2.0
#include "wire/server_list.h"

#include <algorithm>
#include <utility>

#include "base/str_cat.h"
#include "wire/http_client.h"

namespace ragtime {

Result<std::vector<std::string>> ServerList::ParseUrls(std::string_view text, std::string_view key) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<std::string> urls;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    std::string_view url = text.substr(start, end - start);
    start = end + 1;
    url.remove_prefix(std::min(url.find_first_not_of(kBlanks), url.size()));
    while (!url.empty() && kBlanks.find(url.back()) != std::string_view::npos) url.remove_suffix(1);
    while (url.ends_with('/')) url.remove_suffix(1);
    if (!url.starts_with("http://") && !url.starts_with("https://")) {
      return InvalidArgumentError(StrCat(key, " is no http or https address: \"", UrlForMessages(url), "\""),
                                  "write it like http://127.0.0.1:8000/v1");
    }
    if (std::find(urls.begin(), urls.end(), url) != urls.end()) {
      return InvalidArgumentError(StrCat(key, " names a server twice: ", UrlForMessages(url)), "leave one of them out");
    }
    urls.emplace_back(url);
  }
  return urls;
}

ServerList::ServerList(std::vector<std::string> urls) : urls_(std::move(urls)), states_(urls_.size()) {}

std::vector<size_t> ServerList::Order(Clock::time_point now) {
  std::lock_guard lock(mutex_);
  std::vector<size_t> order;
  std::vector<size_t> resting;
  for (size_t i = 0; i < states_.size(); ++i) {
    State& state = states_[i];
    if (state.failed && now < state.rests_until) {
      resting.push_back(i);
      continue;
    }
    if (state.failed) state.rests_until = now + std::chrono::milliseconds(kTrialMs);
    order.push_back(i);
  }
  // Whose rest ends first comes first: where nobody else is left, it is the likeliest to answer.
  std::stable_sort(resting.begin(), resting.end(),
                   [this](size_t a, size_t b) { return states_[a].rests_until < states_[b].rests_until; });
  order.insert(order.end(), resting.begin(), resting.end());
  return order;
}

bool ServerList::IsUnproven(size_t server) const {
  std::lock_guard lock(mutex_);
  return !states_[server].proven;
}

void ServerList::Answered(size_t server) {
  std::lock_guard lock(mutex_);
  states_[server] = {.proven = true};
}

void ServerList::Failed(size_t server, std::optional<int64_t> rest_ms, Clock::time_point now) {
  std::lock_guard lock(mutex_);
  states_[server] = {.failed = true, .rests_until = now + std::chrono::milliseconds(rest_ms.value_or(kRestMs))};
}

}  // namespace ragtime
